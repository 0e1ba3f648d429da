package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// events waits until the Pod has an event of each reason and returns them all, a line each: reason, field, message.
func events(s interface {
	Prints(intent string, limit time.Duration, pattern string, args ...string)
	Must(args ...string) string
}, pod string, reasons ...string,
) string {
	args := []string{"get", "events", "--field-selector=involvedObject.name=" + pod, "-o",
		`jsonpath={range .items[*]}{.reason} {.involvedObject.fieldPath} {.message}{"\n"}{end}`}
	for _, reason := range reasons {
		s.Prints("there is an event "+reason, 90*time.Second, `(?m)^`+reason+`[ ]`, args...)
	}
	return s.Must(args...)
}

// Events are a kubelet's, with the container they are about.
func TestEvents(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 2
  containers:
    - name: sick
      image: {{.Image}}
      imagePullPolicy: IfNotPresent
      args: [serve, "8080", sick]
      readinessProbe: {httpGet: {path: /state/never, port: 8080}, periodSeconds: 1}
      livenessProbe: {exec: {command: [/app, exit, "3"]}, periodSeconds: 1, failureThreshold: 3}
    - name: lost
      image: example.invalid/no/such:image
      imagePullPolicy: IfNotPresent
    - name: hooked
      image: {{.Image}}
      imagePullPolicy: IfNotPresent
      args: [tick, 1s]
      lifecycle: {postStart: {exec: {command: [/app, exit, "1"]}}}
`)
	got := events(s, s.Namespace, "Pulled", "Created", "Started", "Unhealthy", "Killing", "Pulling", "Failed", "BackOff", "FailedPostStartHook",
		`Killing spec\.containers\{sick\}`)
	for _, want := range []string{
		`Pulled spec.containers{sick} Container image "` + s.W.Image + `" already present on machine`,
		"Created spec.containers{sick} ", "Started spec.containers{sick} ",
		"Unhealthy spec.containers{sick} Liveness probe failed: ",
		"Killing spec.containers{sick} Container sick failed liveness probe, will be restarted",
		`Pulling spec.containers{lost} Pulling image "example.invalid/no/such:image"`,
		`Failed spec.containers{lost} Failed to pull image "example.invalid/no/such:image": `,
		"Failed spec.containers{lost} Error: ErrImagePull",
		`BackOff spec.containers{lost} Back-off pulling image "example.invalid/no/such:image"`,
		"FailedPostStartHook spec.containers{hooked} PostStartHook failed",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no event %q in\n%s", want, got)
		}
	}
	s.Must("delete", "pod", s.Namespace, "--wait=false")
	s.Prints("the end is told", time.Minute, `Stopping container sick`, "get", "events")
}

// /etc/hosts is what a kubelet writes, unless the container mounts its own.
func TestHostsFile(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 2
  hostname: me
  subdomain: sub
  hostAliases: [{ip: 192.0.2.7, hostnames: [foo.local, bar.local]}]
  containers:
    - {name: managed, image: {{.Image}}, args: [cat, /etc/hosts]}
    - name: own
      image: {{.Image}}
      args: [cat, /etc/hosts]
      volumeMounts: [{name: hosts, mountPath: /etc/hosts}]
  volumes: [{name: hosts, hostPath: {path: /etc/hosts, type: File}}]
---
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}-host}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 2
  hostNetwork: true
  containers: [{name: managed, image: {{.Image}}, args: [cat, /etc/hosts]}]
`)
	for _, pod := range []string{s.Namespace, s.Namespace + "-host"} {
		s.Wait("it runs", time.Minute, "pod/"+pod, "condition=Ready")
	}
	ip := s.Get("pod/"+s.Namespace, "{.status.podIP}")
	var got string
	s.Prints("the file is printed", 10*time.Second, "bar.local", "logs", s.Namespace, "-c", "managed")
	got = s.Must("logs", s.Namespace, "-c", "managed")
	for _, want := range []string{
		"# Kubernetes-managed hosts file.\n", ip + "\tme.sub." + s.Namespace + ".svc", "\tme\n", "192.0.2.7\tfoo.local\tbar.local",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if got := s.Must("logs", s.Namespace, "-c", "own"); strings.Contains(got, "Kubernetes-managed") {
		t.Errorf("the container's own file was replaced:\n%s", got)
	}
	if got := s.Must("logs", s.Namespace+"-host"); !strings.HasPrefix(got, "# Kubernetes-managed hosts file (host network).\n") {
		t.Errorf("in the host's network:\n%s", got)
	}
}
