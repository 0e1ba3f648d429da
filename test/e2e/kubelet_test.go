package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/test/dev/stage"
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
    - {name: well, image: {{.Image}}, imagePullPolicy: IfNotPresent, args: [tick, 1s]}
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
	s.Prints("the end is told", time.Minute, `Stopping container well`, "get", "events")
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

// An ephemeral container joins a Pod that runs, sees the processes of its target, runs once and counts for nothing.
func TestEphemeralContainer(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 2
  containers: [{name: main, image: {{.Image}}, args: [serve, "8080", main]}]
`)
	pod := "pod/" + s.Namespace
	s.Wait("it runs", time.Minute, pod, "condition=Ready")
	before := s.Get(pod, "{.status.containerStatuses[0].containerID}")
	s.Must("debug", s.Namespace, "--image="+s.W.Image, "--image-pull-policy=IfNotPresent", "--container=look", "--target=main",
		"--", "/app", "cat", "/proc/self/status")
	s.Prints("it is not the first process where it runs", time.Minute, `(?m)^Pid:\s+([2-9]|\d\d+)$`, "logs", s.Namespace, "-c", "look")
	s.Must("debug", s.Namespace, "--image="+s.W.Image, "--image-pull-policy=IfNotPresent", "--container=once", "--", "/app", "exit", "3")
	s.Prints("another one ends", time.Minute, "^3$", "get", pod, "-o",
		`jsonpath={.status.ephemeralContainerStatuses[?(@.name=="once")].state.terminated.exitCode}`)
	if got := s.Get(pod, "{.status.phase} {.status.containerStatuses[0].ready} {.status.containerStatuses[0].containerID}"); got != "Running true "+before {
		t.Errorf("the pod is %s", got)
	}
	events(s, s.Namespace, `Started spec\.ephemeralContainers\{look\}`)
}

// Resources change while the container runs; what the node cannot give waits and is told.
func TestResize(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 2
  containers:
    - name: main
      image: {{.Image}}
      args: [serve, "8080", main]
      resources: {requests: {cpu: 50m, memory: 32Mi}, limits: {cpu: 100m, memory: 64Mi}}
      resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}, {resourceName: memory, restartPolicy: RestartContainer}]
`)
	pod := "pod/" + s.Namespace
	s.Wait("it runs", time.Minute, pod, "condition=Ready")
	before := s.Get(pod, "{.status.containerStatuses[0].containerID}")
	resize := func(resources string) {
		s.Must("patch", "pod", s.Namespace, "--subresource", "resize", "--patch",
			`{"spec":{"containers":[{"name":"main","resources":`+resources+`}]}}`)
	}
	resize(`{"requests":{"cpu":"60m"},"limits":{"cpu":"200m"}}`)
	s.Wait("the engine has the new limit", time.Minute, pod, "jsonpath={.status.containerStatuses[0].resources.limits.cpu}=200m")
	if got := s.Get(pod, "{.status.containerStatuses[0].containerID}"); got != before {
		t.Error("the container is another one")
	}
	quota, err := stage.Docker(t.Context(), "inspect", "-f", "{{.HostConfig.CpuQuota}}", strings.TrimPrefix(before, "docker://"))
	if err != nil || strings.TrimSpace(quota) != "20000" {
		t.Errorf("the engine's quota is %q, %v", quota, err)
	}
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}-other}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 2
  containers: [{name: main, image: {{.Image}}, args: [serve, "8080", main], resources: {requests: {cpu: 200m}}}]
`)
	s.Wait("another one takes room", time.Minute, pod+"-other", "condition=Ready")
	all, err := resource.ParseQuantity(s.Get("node/"+s.W.Node, "{.status.allocatable.cpu}"))
	if err != nil {
		t.Fatal(err)
	}
	most := fmt.Sprintf("%dm", all.MilliValue()-100)
	resize(`{"requests":{"cpu":"` + most + `"},"limits":{"cpu":"` + most + `"}}`)
	s.Wait("it waits for room", time.Minute, pod, `jsonpath={.status.conditions[?(@.type=="PodResizePending")].reason}=Deferred`)
	s.Must("delete", pod+"-other")
	s.Wait("it gets the room", time.Minute, pod, "jsonpath={.status.containerStatuses[0].resources.requests.cpu}="+most)
	s.Prints("the condition goes", time.Minute, `^$`, "get", pod, "-o", `jsonpath={.status.conditions[?(@.type=="PodResizePending")].reason}`)
	resize(`{"limits":{"memory":"96Mi"}}`)
	s.Wait("memory asks for a restart", time.Minute, pod, "jsonpath={.status.containerStatuses[0].restartCount}=1")
	s.Wait("it has the memory", time.Minute, pod, "jsonpath={.status.containerStatuses[0].resources.limits.memory}=96Mi")
}

// kubectl set image: the container ends and is made again in its Pod, under each restart policy, and nothing else changes.
func TestSetImage(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  restartPolicy: Never
  terminationGracePeriodSeconds: 2
  initContainers: [{name: side, image: {{.Image}}, imagePullPolicy: IfNotPresent, args: [tick, 1s], restartPolicy: Always}]
  containers:
    - {name: main, image: {{.Image}}, imagePullPolicy: IfNotPresent, args: [serve, "8080", main]}
    - {name: other, image: {{.Image}}, imagePullPolicy: IfNotPresent, args: [tick, 1s]}
`)
	pod, other := "pod/"+s.Namespace, strings.Replace(s.W.Image, ":", "-other:", 1)
	if _, err := stage.Docker(t.Context(), "tag", s.W.Image, other); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = stage.Docker(context.Background(), "rmi", other) })
	s.Wait("it runs", time.Minute, pod, "condition=Ready")
	const stays = `{.status.podIP} {.status.containerStatuses[?(@.name=="other")].containerID}`
	before := s.Get(pod, stays)
	first := s.Get(pod, `{.status.containerStatuses[?(@.name=="main")].containerID}`)
	s.Must("set", "image", pod, "main="+other, "side="+other)
	s.Wait("it is made again", time.Minute, pod, `jsonpath={.status.containerStatuses[?(@.name=="main")].restartCount}=1`)
	s.Wait("and so is the sidecar", time.Minute, pod, `jsonpath={.status.initContainerStatuses[0].restartCount}=1`)
	s.Wait("it is ready again", time.Minute, pod, "condition=Ready")
	if after := s.Get(pod, stays); after != before {
		t.Errorf("address and neighbour were %s, are %s", before, after)
	}
	if got := s.Get(pod, `{.status.phase} {.status.containerStatuses[?(@.name=="main")].image}`); got != "Running "+other {
		t.Errorf("it is %s", got)
	}
	if last := s.Get(pod, `{.status.containerStatuses[?(@.name=="main")].lastState.terminated.containerID}`); last != first {
		t.Errorf("the run before is %s, was %s", last, first)
	}
	if got, want := events(s, s.Namespace, "Killing"), "Killing spec.containers{main} Container main definition changed, will be restarted"; !strings.Contains(got, want) {
		t.Errorf("no event %q in\n%s", want, got)
	}
}

// What the node cannot give or will not do ends at once, with a kubelet's reason.
func TestAdmission(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}-cpu}
spec:
  {{pod 2}}
  nodeName: ` + s.W.Node + `
  containers: [{name: main, image: {{.Image}}, args: [serve, "8080", main], resources: {requests: {cpu: "900"}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}-sysctl}
spec:
  {{pod 2}}
  securityContext: {sysctls: [{name: kernel.msgmax, value: "65536"}]}
  containers: [{name: main, image: {{.Image}}, args: [serve, "8080", main]}]
---
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}-safe}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 2
  securityContext: {sysctls: [{name: kernel.shm_rmid_forced, value: "1"}]}
  containers: [{name: main, image: {{.Image}}, args: [cat, /proc/sys/kernel/shm_rmid_forced]}]
`)
	s.Wait("there is no such room", time.Minute, "pod/"+s.Namespace+"-cpu", "jsonpath={.status.reason}=OutOfcpu")
	s.Wait("the sysctl is forbidden", time.Minute, "pod/"+s.Namespace+"-sysctl", "jsonpath={.status.reason}=SysctlForbidden")
	s.Wait("a safe one runs", time.Minute, "pod/"+s.Namespace+"-safe", "condition=Ready")
	s.Prints("and is set", 10*time.Second, "^1", "logs", s.Namespace+"-safe")
}
