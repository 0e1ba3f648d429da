package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/dev/stage"
)

// A field that capsulet cannot do is refused by name; the Pod does not run without it.
func TestUnsupportedField(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  restartPolicy: Never
  containers:
    - name: main
      image: {{.Image}}
      args: [exit, "0"]
      volumeDevices: [{name: disk, devicePath: /dev/xvda}]
  volumes: [{name: disk, persistentVolumeClaim: {claimName: none}}]
`)
	s.Prints("an event names the field", time.Minute, `volume`, "get", "events", "--field-selector=involvedObject.name="+s.Namespace,
		"-o", "jsonpath={range .items[*]}{.reason} {.message}{\"\\n\"}{end}")
	if got := s.Get("pod/"+s.Namespace, "{.status.phase}"); got == "Succeeded" || got == "Running" {
		t.Errorf("it ran without what it asked for: %s", got)
	}
}

// An image that is nowhere keeps the Pod waiting with the kubelet's words, until the image comes.
func TestImageComesLater(t *testing.T) {
	s := begin(t)
	missing := strings.Replace(s.W.Image, ":test", ":later", 1)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 2
  containers: [{name: main, image: "` + missing + `", imagePullPolicy: IfNotPresent, args: [serve, "8080", main]}]
`)
	pod := "pod/" + s.Namespace
	s.Prints("the pull fails", time.Minute, `ErrImagePull|ImagePullBackOff`, "get", pod, "-o",
		"jsonpath={.status.containerStatuses[0].state.waiting.reason}")
	s.Wait("it is tried again after a pause", time.Minute, pod,
		"jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff")
	if err := s.W.ImportImage(t.Context(), missing); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = stage.Docker(context.WithoutCancel(t.Context()), "image", "rm", "-f", missing)
	})
	s.Wait("it runs once the image is there", 2*time.Minute, pod, "condition=Ready")
}

// A command that does not exist is the container's failure, with the engine's reason.
func TestCommandNotFound(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  restartPolicy: Never
  containers: [{name: main, image: {{.Image}}, command: [/no/such/program]}]
`)
	pod := "pod/" + s.Namespace
	s.Wait("it fails", time.Minute, pod, "jsonpath={.status.phase}=Failed")
	state := s.Get(pod, "{.status.containerStatuses[0].state.terminated}")
	if !strings.Contains(state, "no such file") {
		t.Errorf("the state does not say what is missing: %s", state)
	}
}

// A sandbox that somebody kills by hand is replaced, and the containers with it.
func TestSandboxKilled(t *testing.T) {
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
	uid := s.Get(pod, "{.metadata.uid}")
	names, err := stage.Docker(t.Context(), "ps", "--format", "{{.Names}}", "--filter", "label=io.capsulet.capsule="+uid)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(names) {
		if strings.HasPrefix(name, "capsulet-sandbox_") {
			if _, err := stage.Docker(t.Context(), "kill", name); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Prints("it runs again in a new container", time.Minute, `^True docker://`, "get", pod, "-o",
		`jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.containerStatuses[0].containerID}`)
	s.Eventually("the container is another one and reached", time.Minute, func() error {
		if now := s.Get(pod, "{.status.containerStatuses[0].containerID}"); now == before {
			return errSame
		}
		_, err := s.HTTP("GET", s.Namespace, "/")
		return err
	})
}

// kill -9 of capsulet is not noticed by anything that runs; the next one takes over. Not parallel: it is everybody's.
func TestServerKilled(t *testing.T) {
	if world == nil {
		t.Skip("end-to-end tests need an engine")
	}
	s := beginAlone(t)
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
	before := s.Get(pod, "{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}")
	if err := s.W.Server.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.HTTP("GET", s.Namespace, "/"); err != nil {
		t.Errorf("without capsulet the pod does not serve: %v", err)
	}
	if err := s.W.Server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.W.AwaitNode(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	s.Prints("logs work again, so it is known to the new one", time.Minute, `serving main`, "logs", s.Namespace)
	if now := s.Get(pod, "{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}"); now != before {
		t.Errorf("before the kill %q, now %q", before, now)
	}
}
