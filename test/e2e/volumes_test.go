package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/e2e"
)

// mounting begins a scenario with a manifest in which SHELL stands for an image with a shell, and WAITS for one that waits.
func mounting(t *testing.T, lines string) *e2e.Scenario {
	t.Helper()
	s := begin(t)
	applyShell(s, lines)
	return s
}

func applyShell(s *e2e.Scenario, lines string) {
	s.Helper()
	image, err := shellImage()
	if err != nil {
		s.Fatal(err)
	}
	s.Apply(withShell(lines, image))
}

// withShell fills in SHELL and WAITS.
func withShell(lines, image string) string {
	lines = strings.ReplaceAll(lines, "WAITS", `SHELL, command: [bash, -c, "trap 'exit 0' TERM; while :; do sleep 0.2; done"]`)
	return strings.ReplaceAll(lines, "SHELL", "image: "+image+", imagePullPolicy: Never")
}

// inside runs a command in the Pod called like the scenario.
func inside(s *e2e.Scenario, command ...string) (string, error) {
	return s.W.Kubectl(s.Context(), append([]string{"-n", s.Namespace, "exec", s.Namespace, "-c", "main", "--"}, command...)...)
}

// shows waits until a file in the Pod has the content; "" is for a file that is not there.
func shows(s *e2e.Scenario, intent, path, want string) {
	s.Helper()
	s.Eventually(intent, time.Minute, func() error {
		got, err := inside(s, "bash", "-c", "if [ -e "+path+" ]; then cat "+path+"; fi")
		if err == nil && got != want {
			err = fmt.Errorf("%s is %q, want %q", path, got, want)
		}
		return err
	})
}

// What a running container has mounted follows the objects: a ConfigMap changes, an optional Secret comes and goes, labels
// change. The environment stays, and so does a file that is mounted alone.
func TestVolumesFollowTheirSources(t *testing.T) {
	s := begin(t)
	s.Must("create", "configmap", "conf", "--from-literal=a=one", "--from-literal=b=gone later")
	applyShell(s, `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}, labels: {round: "1"}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 1
  containers:
    - {name: main, WAITS, env: [{name: A, valueFrom: {configMapKeyRef: {name: conf, key: a}}}], volumeMounts: [
        {name: conf, mountPath: /conf}, {name: conf, mountPath: /single, subPath: a},
        {name: hush, mountPath: /hush}, {name: all, mountPath: /all}]}
  volumes:
    - {name: conf, configMap: {name: conf}}
    - {name: hush, secret: {secretName: hush, optional: true, defaultMode: 0400}}
    - name: all
      projected:
        sources:
          - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
          - secret: {name: hush, optional: true, items: [{key: s, path: secret/s}]}
`)
	s.Wait("it runs without the secret", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	shows(s, "the first content", "/conf/a", "one")
	shows(s, "no secret yet", "/hush/s", "")
	id := s.Get("pod/"+s.Namespace, "{.status.containerStatuses[0].containerID}")

	s.Must("patch", "configmap", "conf", "--type=merge", "-p", `{"data":{"a":"two","b":null,"c":"new"}}`)
	shows(s, "the ConfigMap's new content", "/conf/a", "two")
	shows(s, "a key that is new", "/conf/c", "new")
	shows(s, "a key that is gone", "/conf/b", "")
	shows(s, "a file that is mounted alone", "/single", "one")
	if got, err := inside(s, "bash", "-c", "echo $A; readlink /conf/a"); err != nil || got != "one\n..data/a" {
		t.Errorf("environment and link: %q, %v", got, err)
	}

	s.Must("create", "secret", "generic", "hush", "--from-literal=s=s1")
	shows(s, "the secret appears", "/hush/s", "s1")
	shows(s, "in the projected volume too", "/all/secret/s", "s1")
	if got, err := inside(s, "stat", "-L", "-c", "%a %u:%g", "/hush/s"); err != nil || got != "400 0:0" {
		t.Errorf("mode and owner of the secret: %q, %v", got, err)
	}
	s.Must("delete", "secret", "hush")
	shows(s, "the secret goes", "/hush/s", "")

	s.Must("label", "pod", s.Namespace, "round=2", "--overwrite")
	shows(s, "labels follow", "/all/labels", `round="2"`)
	if now := s.Get("pod/"+s.Namespace, "{.status.containerStatuses[0].containerID}"); now != id {
		t.Errorf("the container is another one: %s, was %s", now, id)
	}
}

// The token that a Pod gets is bound to it and known to the API server; with a user of its own only that one can read it.
func TestServiceAccountToken(t *testing.T) {
	s := mounting(t, `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}]
  terminationGracePeriodSeconds: 1
  securityContext: {runAsUser: 1234, fsGroup: 4321}
  containers:
    - {name: main, WAITS, volumeMounts: [{name: mine, mountPath: /mine}]}
  volumes:
    - {name: mine, projected: {sources: [{serviceAccountToken: {path: token, audience: them, expirationSeconds: 600}}]}}
`)
	s.Wait("it runs", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	const here = "/var/run/secrets/kubernetes.io/serviceaccount/"
	token, err := inside(s, "cat", here+"token")
	if err != nil {
		t.Fatal(err)
	}
	review := filepath.Join(t.TempDir(), "review.json")
	body, err := json.Marshal(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
		"spec": map[string]any{"token": token}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(review, body, 0o600); err != nil {
		t.Fatal(err)
	}
	got := s.Must("create", "-f", review, "-o", "jsonpath={.status.authenticated} {.status.user.username} "+
		`{.status.user.extra['authentication\.kubernetes\.io/pod-name'][0]}`)
	if want := "true system:serviceaccount:" + s.Namespace + ":default " + s.Namespace; got != want {
		t.Errorf("the API server says %q, want %q", got, want)
	}
	if got, err := inside(s, "stat", "-L", "-c", "%a %u:%g", "/mine/token", here+"token"); err != nil || got != "640 1234:4321\n640 1234:4321" {
		t.Errorf("modes and owners: %q, %v", got, err)
	}
	if ns, err := inside(s, "cat", here+"namespace"); err != nil || ns != s.Namespace {
		t.Errorf("namespace %q, %v", ns, err)
	}
	if ca, err := inside(s, "cat", here+"ca.crt"); err != nil || !strings.Contains(ca, "BEGIN CERTIFICATE") {
		t.Errorf("no authority: %q, %v", ca, err)
	}
	mine, err := inside(s, "cat", "/mine/token")
	if err != nil {
		t.Fatal(err)
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(mine+"..", ".")[1])
	if err != nil || !strings.Contains(string(claims), `"aud":["them"]`) {
		t.Errorf("claims %s, %v", claims, err)
	}
}

// subPath mounts a directory that is made when it is missing, a file, and what an expression names.
func TestSubPaths(t *testing.T) {
	s := mounting(t, `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 1
  initContainers:
    - {name: fill, SHELL, command: [bash, -c, "echo file > /data/f; ln -s made /data/link"], volumeMounts: [{name: data, mountPath: /data}]}
  containers:
    - {name: main, WAITS, env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}], volumeMounts: [
        {name: data, mountPath: /data}, {name: data, mountPath: /made, subPath: made/deep},
        {name: data, mountPath: /file, subPath: f}, {name: data, mountPath: /named, subPathExpr: logs/$(POD)},
        {name: data, mountPath: /linked, subPath: link, readOnly: true}, {name: memory, mountPath: /memory},
        {name: host, mountPath: /host, readOnly: true}]}
  volumes:
    - {name: data, emptyDir: {}}
    - {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
    - {name: host, hostPath: {path: /usr/share, type: Directory}}
`)
	s.Wait("it runs", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	script := `echo d > /made/x; echo e > /named/x; cat /file /data/made/deep/x /data/logs/$POD/x /linked/deep/x
echo no > /linked/y || echo read-only
stat -c %a /data /made /memory; stat -f -c %T /memory; (printf '%2000000s' . > /memory/big) || echo full`
	want := "file\nd\ne\nd\nread-only\n777\n777\n777\ntmpfs\nfull"
	got, err := inside(s, "bash", "-c", "exec 2>/dev/null; "+script)
	if err != nil || got != want {
		t.Errorf("inside: %q, %v; want %q", got, err, want)
	}
}

// A subPath that leads out of its volume keeps the container from being made, in the kubelet's words; when the cause goes,
// the container comes.
func TestSubPathsDoNotEscape(t *testing.T) {
	for name, row := range map[string]struct{ mount, says string }{
		"Link":     {"subPath: link/etc", `failed to prepare subPath for volumeMount "data" of container "main"`},
		"Up":       {"subPathExpr: $(UP)", "unable to provision SubPath `..`: must not contain '..'"},
		"Absolute": {"subPathExpr: $(ROOT)", "error SubPath `/tmp` must not be an absolute path"},
		"Nothing":  {"subPathExpr: $(NOTHING)", "missing value for NOTHING"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mounting(t, `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 1
  initContainers:
    - {name: link, SHELL, command: [bash, -c, "ln -s / /data/link"], volumeMounts: [{name: data, mountPath: /data}]}
  containers:
    - {name: main, WAITS, env: [{name: UP, value: ".."}, {name: ROOT, value: /tmp}, {name: NOTHING, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['sub']"}}}],
       volumeMounts: [{name: data, mountPath: /sub, `+row.mount+`}]}
  volumes: [{name: data, emptyDir: {}}]
`)
			pod := "pod/" + s.Namespace
			s.Wait("it is refused", time.Minute, pod, "jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError")
			if got := s.Get(pod, "{.status.containerStatuses[0].state.waiting.message}"); got != row.says {
				t.Errorf("message %q, want %q", got, row.says)
			}
			if name == "Nothing" {
				s.Must("annotate", pod, "sub=there")
				s.Wait("it runs with a value", 2*time.Minute, pod, "condition=Ready")
			}
		})
	}
}
