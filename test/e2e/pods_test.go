package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A user sees a node like any other: ready, with the machine's capacity and the taint that keeps others away.
func TestNode(t *testing.T) {
	s := begin(t)
	node := "node/" + s.W.Node
	s.Wait("the node is ready", 30*time.Second, node, "condition=Ready")
	for path, want := range map[string]string{
		"{.spec.taints[0].key}":                                  "virtual-kubelet.io/provider",
		"{.status.nodeInfo.operatingSystem}":                     "linux",
		"{.status.addresses[?(@.type==\"InternalIP\")].address}": "127.0.0.1",
	} {
		if got := s.Get(node, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{
		"{.status.capacity.cpu}", "{.status.capacity.memory}", "{.status.allocatable.cpu}", "{.status.allocatable.pods}",
		"{.status.nodeInfo.kubeletVersion}", "{.status.nodeInfo.containerRuntimeVersion}",
	} {
		if got := s.Get(node, path); got == "" || got == "0" {
			t.Errorf("%s is %q", path, got)
		}
	}
	if got := s.Must("get", "lease", "-n", "kube-node-lease", s.W.Node, "-o", "jsonpath={.spec.holderIdentity}"); got != s.W.Node {
		t.Errorf("the node lease is held by %q", got)
	}
}

// Two containers of a Pod share the network: one finds the other on localhost. Env, args and the pod's address arrive.
func TestTwoContainersTalk(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  restartPolicy: Never
  containers:
    - {name: server, image: {{.Image}}, args: [serve, "8080", "hello $(WHO)"], env: [{name: WHO, value: neighbour}]}
    - {name: client, image: {{.Image}}, args: [fetch, "http://127.0.0.1:8080/", hello neighbour]}
`)
	pod := "pod/" + s.Namespace
	s.Wait("the client has found its neighbour", time.Minute, pod,
		"jsonpath={.status.containerStatuses[?(@.name==\"client\")].state.terminated.reason}=Completed")
	if phase := s.Get(pod, "{.status.phase}"); phase != "Running" {
		t.Errorf("while one container runs the phase is %s", phase)
	}
	code, err := s.HTTP(http.MethodGet, s.Namespace, "/")
	if err != nil || code != http.StatusOK {
		t.Errorf("the pod's address answers %d, %v", code, err)
	}
}

// Init containers run one after another and before the others; the Pod tells which one it is at.
func TestInitOrder(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  initContainers:
    - {name: first, image: {{.Image}}, args: [exit, "0", 1s]}
    - {name: second, image: {{.Image}}, args: [exit, "0", 1s]}
  containers:
    - {name: main, image: {{.Image}}, args: [serve, "8080", main]}
`)
	pod := "pod/" + s.Namespace
	s.Wait("it becomes ready", time.Minute, pod, "condition=Ready")
	times := strings.Fields(s.Get(pod, "{.status.initContainerStatuses[0].state.terminated.finishedAt} "+
		"{.status.initContainerStatuses[1].state.terminated.startedAt} {.status.initContainerStatuses[1].state.terminated.finishedAt} "+
		"{.status.containerStatuses[0].state.running.startedAt}"))
	if len(times) != 4 || times[0] > times[1] || times[2] > times[3] {
		t.Errorf("first ended, second started, second ended, main started: %v", times)
	}
	if got := s.Get(pod, "{.status.conditions[?(@.type==\"Initialized\")].status}"); got != "True" {
		t.Errorf("Initialized is %q", got)
	}
}

// An init container that fails keeps the others from starting, and says so.
func TestInitFails(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  restartPolicy: Never
  initContainers: [{name: bad, image: {{.Image}}, args: [exit, "4"]}]
  containers: [{name: main, image: {{.Image}}, args: [serve, "8080", main]}]
`)
	pod := "pod/" + s.Namespace
	s.Wait("the pod fails", time.Minute, pod, "jsonpath={.status.phase}=Failed")
	if got := s.Get(pod, "{.status.initContainerStatuses[0].state.terminated.exitCode}"); got != "4" {
		t.Errorf("the init container's exit code is %q", got)
	}
	if got := s.Get(pod, "{.status.containerStatuses[0].state.waiting.reason}"); got != "PodInitializing" {
		t.Errorf("the main container waits for %q", got)
	}
}

// A container that keeps ending is started again after growing pauses, and everybody can see why.
func TestRestartWithBackOff(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  containers: [{name: main, image: {{.Image}}, args: [exit, "3"]}]
`)
	pod := "pod/" + s.Namespace
	s.Wait("it waits between restarts", time.Minute, pod,
		"jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff")
	s.Wait("it was started again", time.Minute, pod, "jsonpath={.status.containerStatuses[0].restartCount}=2")
	if got := s.Get(pod, "{.status.containerStatuses[0].lastState.terminated.exitCode}"); got != "3" {
		t.Errorf("the last exit code is %q", got)
	}
	s.Prints("an event says that it backs off", 30*time.Second, `Back-off restarting failed container`, "get", "events",
		"-o", "jsonpath={.items[*].message}")
	s.Prints("the log of the attempt before is kept", 30*time.Second, `exit 3`, "logs", "--previous", s.Namespace)
}

// The exit code decides: with Never the Pod fails, with OnFailure only what failed is started again.
func TestExitCodes(t *testing.T) {
	s := begin(t)
	for policy, code := range map[string]string{"Never": "7", "OnFailure": "0"} {
		s.Apply(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}-%s}
spec:
  {{pod 2}}
  restartPolicy: %s
  containers: [{name: main, image: {{.Image}}, args: [exit, "%s"]}]
`, strings.ToLower(policy), policy, code))
	}
	s.Wait("7 is a failure", time.Minute, "pod/"+s.Namespace+"-never", "jsonpath={.status.phase}=Failed")
	s.Wait("0 is a success", time.Minute, "pod/"+s.Namespace+"-onfailure", "jsonpath={.status.phase}=Succeeded")
	if got := s.Get("pod/"+s.Namespace+"-never", "{.status.containerStatuses[0].state.terminated.exitCode}"); got != "7" {
		t.Errorf("the exit code is %q", got)
	}
}

// delete gives the container its grace period: what it does after TERM still happens, and then the Pod is gone.
func TestDeleteWithGrace(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 20
  containers: [{name: main, image: {{.Image}}, args: [linger, 2s, "0"]}]
`)
	s.Wait("it runs", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	start := time.Now()
	s.Must("delete", "pod", s.Namespace, "--timeout=40s")
	if d := time.Since(start); d < 2*time.Second || d > 12*time.Second {
		t.Errorf("it was gone after %s; it lingers 2 s of its 20 s", d)
	}
}

// A container that does not hear TERM is killed at the end of its grace period, not before and not much later.
func TestDeleteDeaf(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 4
  containers: [{name: main, image: {{.Image}}, args: [deaf]}]
`)
	s.Wait("it runs", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	start := time.Now()
	s.Must("delete", "pod", s.Namespace, "--timeout=40s")
	if d := time.Since(start); d < 3*time.Second || d > 14*time.Second {
		t.Errorf("it was gone after %s, its grace period is 4 s", d)
	}
}

// A Pod that comes back under the name of a deleted one is another Pod: StatefulSets live on that.
func TestSameNameAgain(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: {{.Name}}}
spec:
  serviceName: none
  selector: {matchLabels: {app: {{.Name}}}}
  template:
    metadata: {labels: {app: {{.Name}}}}
    spec:
      {{pod 6}}
      terminationGracePeriodSeconds: 2
      containers: [{name: main, image: {{.Image}}, args: [serve, "8080", main]}]
`)
	pod := "pod/" + s.Namespace + "-0"
	s.Prints("the first one is ready", time.Minute, `^1$`, "get", "sts", s.Namespace, "-o", "jsonpath={.status.readyReplicas}")
	for range 3 {
		before := s.Get(pod, "{.metadata.uid} {.status.containerStatuses[0].containerID}")
		s.Must("delete", pod, "--timeout=30s")
		s.Eventually("the next one is there and ready", time.Minute, func() error {
			now, err := s.W.Kubectl(t.Context(), "-n", s.Namespace, "get", pod, "-o",
				`jsonpath={.metadata.uid} {.status.containerStatuses[0].containerID} {.status.conditions[?(@.type=="Ready")].status}`)
			if err != nil {
				return err
			}
			f, b := strings.Fields(now), strings.Fields(before)
			if len(f) != 3 || f[2] != "True" || f[0] == b[0] || f[1] == b[1] {
				return fmt.Errorf("before %q, now %q", before, now)
			}
			return nil
		})
	}
}
