package e2e_test

import (
	"testing"
	"time"
)

// A container whose liveness probe fails is killed and started again; the Pod stays.
func TestLivenessRestarts(t *testing.T) {
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
      livenessProbe: {httpGet: {path: /state/live, port: 8080}, periodSeconds: 1, failureThreshold: 2}
`)
	pod := "pod/" + s.Namespace
	s.Wait("it runs", time.Minute, pod, "condition=Ready")
	uid := s.Get(pod, "{.metadata.uid}")
	s.Put(s.Namespace, "/state/live?ok=false")
	s.Wait("it is started again", time.Minute, pod, "jsonpath={.status.containerStatuses[0].restartCount}=1")
	s.Wait("and is ready again", time.Minute, pod, "condition=Ready")
	if got := s.Get(pod, "{.metadata.uid}"); got != uid {
		t.Errorf("the pod was replaced: %s, was %s", got, uid)
	}
	if got := s.Get(pod, "{.status.containerStatuses[0].lastState.terminated.finishedAt}"); got == "" {
		t.Error("lastState does not tell of the first attempt")
	}
}

// Readiness follows the probe both ways and restarts nothing.
func TestReadinessFlips(t *testing.T) {
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
      readinessProbe: {httpGet: {path: /state/ready, port: 8080}, periodSeconds: 1, failureThreshold: 1}
    - name: tcp
      image: {{.Image}}
      args: [tick, 1s]
      readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
`)
	pod := "pod/" + s.Namespace
	s.Wait("it becomes ready", time.Minute, pod, "condition=Ready")
	for range 2 {
		s.Put(s.Namespace, "/state/ready?ok=false")
		s.Wait("it is not ready", 30*time.Second, pod, "condition=Ready=false")
		s.Put(s.Namespace, "/state/ready?ok=true")
		s.Wait("it is ready again", 30*time.Second, pod, "condition=Ready")
	}
	if got := s.Get(pod, "{.status.containerStatuses[*].restartCount}"); got != "0 0" {
		t.Errorf("restart counts are %q", got)
	}
}

// An exec probe runs a command in the container.
func TestExecProbe(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 2
  containers:
    - name: good
      image: {{.Image}}
      args: [tick, 1s]
      readinessProbe: {exec: {command: [/app, exit, "0"]}, periodSeconds: 1}
    - name: bad
      image: {{.Image}}
      args: [tick, 1s]
      readinessProbe: {exec: {command: [/app, exit, "1"]}, periodSeconds: 1}
`)
	pod := "pod/" + s.Namespace
	s.Wait("one probe passes", time.Minute, pod, "jsonpath={.status.containerStatuses[?(@.name==\"good\")].ready}=true")
	s.Prints("the other had time for several probes", time.Minute, `tick 5`, "logs", s.Namespace, "-c", "bad")
	if got := s.Get(pod, "{.status.containerStatuses[?(@.name==\"bad\")].ready}"); got != "false" {
		t.Errorf("bad is ready: %q", got)
	}
}
