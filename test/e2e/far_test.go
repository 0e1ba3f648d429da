package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/controlplane/progress"
	"github.com/capsulet/capsulet/test/dev/stage"
	"github.com/capsulet/capsulet/test/e2e"
	"github.com/capsulet/capsulet/test/engine"
)

// farWorld is a node whose only host is an engine that is reached by TCP with mutual TLS and by nothing else: neither its files
// nor the addresses of its capsules are within reach.
func farWorld(t *testing.T) *e2e.World {
	t.Helper()
	if world == nil {
		t.Skip("end-to-end tests need an engine: -short or CAPSULET_TEST_DOCKER=skip is set")
	}
	e, err := engine.Start(t.Context(), engine.Config{TLS: true, Unrouted: true})
	if err != nil {
		t.Fatal(err)
	}
	near := os.Getenv("DOCKER_HOST")
	t.Setenv("DOCKER_HOST", e.Endpoint)                                                                             // images, and what is looked for at the end
	until(t, func(ctx context.Context) error { return errors.Join(e.Remove(ctx), os.Setenv("DOCKER_HOST", near)) }) // an interrupt ends the near world, too
	w, err := e2e.NewWorld(t.Context(), e2e.Options{
		Engine: e.TCP, CA: e.TLS.CA, Cert: e.TLS.Cert, Key: e.TLS.Key, ControlPlane: world.ControlPlane, Out: progress.New(nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, w.Close)
	return w
}

// What people do with a running Pod is the same on a host whose machine is out of reach: these are the scenarios of near hosts.
func TestFarStreams(t *testing.T) {
	near := world
	world = farWorld(t)
	t.Cleanup(func() { world = near }) // after the scenarios, which run side by side, and before those of near hosts
	for name, scenario := range map[string]func(*testing.T){
		"Exec": TestExec, "ExecTerminal": TestExecTerminal, "ExecResize": TestExecResize, "ExecHangUp": TestExecHangUp,
		"ExecHangUpOfSilent": TestExecHangUpOfSilent, "ExecNotRunning": TestExecNotRunning, "Attach": TestAttach, "AttachHangUp": TestAttachHangUp,
		"DebugAttached": TestDebugAttached, "EphemeralContainer": TestEphemeralContainer, "CapsuleStreams": TestCapsuleStreams,
		"Logs": TestLogs, "LogsRefused": TestLogsRefused, "LogsOfOneStream": TestLogsOfOneStream, "LogsOfRestarted": TestLogsOfRestarted,
		"LogsFollowed": TestLogsFollowed, "PortForward": TestPortForward, "Copy": TestCopy, "Metrics": TestMetrics,
	} {
		t.Run(name, scenario)
	}
}

const farPod = `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}, labels: {round: "1"}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 1
  hostAliases: [{ip: 1.2.3.4, hostnames: [alias]}]
  securityContext: {fsGroup: 2000}
  initContainers:
    - {name: early, SHELL, command: [bash, -c, "echo -n last words > /dev/termination-log; echo -n early > /shared/early"],
       volumeMounts: [{name: shared, mountPath: /shared}]}
  containers:
    - {name: main, WAITS, volumeMounts: [
        {name: conf, mountPath: /conf}, {name: conf, mountPath: /single, subPath: a}, {name: all, mountPath: /all},
        {name: hush, mountPath: /hush, readOnly: true}, {name: shared, mountPath: /shared}, {name: fast, mountPath: /fast}]}
    - name: web
      image: {{.Image}}
      imagePullPolicy: Never
      args: [serve, "8080", web]
      readinessProbe: {httpGet: {path: /state/ready, port: 8080}, periodSeconds: 1, timeoutSeconds: 5}
      livenessProbe: {httpGet: {path: /state/live, port: 8080}, periodSeconds: 1, failureThreshold: 2, timeoutSeconds: 5}
      startupProbe: {tcpSocket: {port: 8080}, periodSeconds: 1, failureThreshold: 60}
      volumeMounts: [{name: shared, mountPath: /shared, readOnly: true}]
    - {name: echo, image: {{.Image}}, imagePullPolicy: Never, args: [echo, "127.0.0.1:7777"]}
  volumes:
    - {name: conf, configMap: {name: conf}}
    - {name: hush, secret: {secretName: hush, defaultMode: 0400}}
    - {name: shared, emptyDir: {}}
    - {name: fast, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
    - name: all
      projected:
        sources:
          - serviceAccountToken: {path: token, audience: far}
          - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
          - configMap: {name: conf, items: [{key: b, path: deep/b}]}
`

// A Pod on a host whose machine is out of reach is as on one that shares capsulet's: volumes with modes and owners, live
// updates, probes, port-forward, hosts file, last words.
func TestFarHost(t *testing.T) {
	s := e2e.Begin(t, farWorld(t))
	s.Must("create", "configmap", "conf", "--from-literal=a=one", "--from-literal=b=deep one")
	s.Must("create", "secret", "generic", "hush", "--from-literal=s=geheim")
	ref := strings.Replace(s.W.Image, "/e2e-", "/shell-", 1)
	if err := stage.Programs(t.Context(), ref, s.W.Instance, "bash", "cat", "sleep", "stat"); err != nil {
		t.Fatal(err)
	}
	s.Apply(withShell(farPod, ref))
	s.Wait("it is ready", 2*time.Minute, "pod/"+s.Namespace, "condition=Ready")

	ip := s.Get("pod/"+s.Namespace, "{.status.podIP}")
	for command, want := range map[string]string{
		"cat /conf/a":                      "one",
		"cat /single":                      "one",
		"cat /hush/s":                      "geheim",
		"cat /all/deep/b":                  "deep one",
		"cat /all/labels":                  `round="1"`,
		"cat /shared/early":                "early",
		"stat -Lc '%a %g' /hush/s":         "440 2000",
		"stat -c '%a %g' /shared":          "2777 2000",
		"stat -fc %T /hush":                "tmpfs",
		"stat -fc '%T %b %S' /fast":        "tmpfs 256 4096",
		"cat /etc/hosts | cat":             "",
		"[ -s /all/token ] && echo -n yes": "yes",
		"echo x > /conf/a; echo -n $?":     "1",
	} {
		got, err := inside(s, "bash", "-c", command+" 2>/dev/null")
		switch {
		case command == "cat /etc/hosts | cat":
			if !strings.Contains(got, ip+"\t"+s.Namespace) || !strings.Contains(got, "1.2.3.4\talias") {
				t.Errorf("/etc/hosts: %q, %v", got, err)
			}
		case err != nil || got != want:
			t.Errorf("%s: %q, %v, want %q", command, got, err, want)
		}
	}
	if got := s.Get("pod/"+s.Namespace, "{.status.initContainerStatuses[0].state.terminated.message}"); got != "last words" {
		t.Errorf("last words: %q", got)
	}
	s.Must("patch", "configmap", "conf", "-p", `{"data":{"a":"two","c":"new"}}`)
	shows(s, "the update", "/conf/a", "two")
	shows(s, "a new key", "/conf/c", "new")
	shows(s, "what is mounted alone stays", "/single", "one")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	address, _ := forward(ctx, s, "WebSocket", "7777")
	if got, err := ask(ctx, address, "hello"); err != nil || got != "echo hello" {
		t.Errorf("port-forward: %q, %v", got, err)
	}
	cancel()
	farProbes(t, s)
	farAdoption(t, s)
}

// farProbes lets the readiness and then the liveness probe fail.
func farProbes(t *testing.T, s *e2e.Scenario) {
	t.Helper()
	put := func(what string) {
		t.Helper()
		script := fmt.Sprintf(`exec 3<>/dev/tcp/127.0.0.1/8080; printf 'PUT %s HTTP/1.0\r\n\r\n' >&3; cat <&3`, what)
		if out, err := inside(s, "bash", "-c", script); err != nil || !strings.Contains(out, " 200 ") {
			t.Fatalf("%s: %q, %v", what, out, err)
		}
	}
	put("/state/ready?ok=false")
	s.Wait("it is not ready any more", time.Minute, "pod/"+s.Namespace, "condition=Ready=false")
	put("/state/ready?ok=true")
	s.Wait("it is ready again", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	put("/state/live?ok=false")
	s.Eventually("the container is started again", time.Minute, func() error {
		n := s.Get("pod/"+s.Namespace, `{.status.containerStatuses[?(@.name=="web")].restartCount}`)
		if n != "1" {
			return errors.New("restarts: " + n)
		}
		return nil
	})
	s.Wait("and is ready", time.Minute, "pod/"+s.Namespace, "condition=Ready")
}

// farAdoption kills capsulet; the next one takes the Pod over as it is, and brings its files up to date.
func farAdoption(t *testing.T, s *e2e.Scenario) {
	t.Helper()
	const ids = "{.status.containerStatuses[*].containerID}"
	before := s.Get("pod/"+s.Namespace, ids)
	if err := s.W.Server.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Must("patch", "configmap", "conf", "-p", `{"data":{"a":"three"}}`)
	if err := s.W.Server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.W.AwaitNode(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	shows(s, "what changed meanwhile", "/conf/a", "three")
	s.Wait("it is ready again", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	if now := s.Get("pod/"+s.Namespace, ids); now != before {
		t.Errorf("containers %s, before %s", now, before)
	}
}
