package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/test/e2e"
)

// volumeFor makes a directory of this machine a persistent volume of its own storage class.
func volumeFor(s *e2e.Scenario, name, source string) string {
	s.Helper()
	dir := s.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		s.Fatal(err)
	}
	s.Apply(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: {{.Name}}-` + name + `}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: {{.Name}}-` + name + `
  ` + strings.ReplaceAll(source, "DIR", dir) + `
`)
	return dir
}

const claims = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: NAME}
spec: {storageClassName: {{.Name}}-NAME, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

// What a claim is bound to is mounted: a host path as it is, a local directory in the hands of the fsGroup, a volume that
// lives as long as its Pod by the claim that the control plane made of it. The data stays when the Pod goes.
func TestClaims(t *testing.T) {
	s := begin(t)
	t.Cleanup(func() {
		_, _ = s.W.Kubectl(context.WithoutCancel(t.Context()), "delete", "pv", s.Namespace+"-place", s.Namespace+"-disk", s.Namespace+"-short", "--ignore-not-found", "--wait=false")
	})
	affinity := "\n  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [" + s.W.Node + "]}]}]}}"
	place := volumeFor(s, "place", "hostPath: {path: DIR}")
	disk := volumeFor(s, "disk", "local: {path: DIR}"+affinity)
	short := volumeFor(s, "short", "persistentVolumeReclaimPolicy: Retain\n  hostPath: {path: DIR}")
	s.Apply(strings.ReplaceAll(claims, "NAME", "place") + "---" + strings.ReplaceAll(claims, "NAME", "disk"))
	applyShell(s, `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 1
  securityContext: {fsGroup: 2000}
  containers:
    - {name: main, WAITS, volumeMounts: [
        {name: place, mountPath: /place}, {name: disk, mountPath: /disk}, {name: short, mountPath: /short}, {name: fixed, mountPath: /fixed}]}
  volumes:
    - {name: place, persistentVolumeClaim: {claimName: place}}
    - {name: fixed, persistentVolumeClaim: {claimName: place, readOnly: true}}
    - {name: disk, persistentVolumeClaim: {claimName: disk}}
    - name: short
      ephemeral: {volumeClaimTemplate: {spec: {storageClassName: {{.Name}}-short, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}
`)
	s.Wait("it runs", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	for name, dir := range map[string]string{"place": place, "disk": disk, "short": short} {
		if _, err := inside(s, "bash", "-c", "echo -n here > /"+name+"/f"); err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(got) != "here" {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if _, err := inside(s, "bash", "-c", "echo no > /fixed/g"); err == nil {
		t.Error("a read-only claim was written to")
	}
	for dir, want := range map[string]uint32{disk: 2000, place: 0} {
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err != nil || st.Gid != want {
			t.Errorf("%s belongs to the group %d (%v), want %d", dir, st.Gid, err, want)
		}
	}
	s.Must("delete", "pod", s.Namespace, "--timeout=40s")
	if got, err := os.ReadFile(filepath.Join(place, "f")); err != nil || string(got) != "here" {
		t.Errorf("after the Pod: %q %v", got, err)
	}
}

// A claim that is not there, and then not bound, holds the Pod back with the kubelet's words, and no longer.
func TestClaimIsBoundLater(t *testing.T) {
	s := begin(t)
	t.Cleanup(func() {
		_, _ = s.W.Kubectl(context.WithoutCancel(t.Context()), "delete", "pv", s.Namespace+"-late", "--ignore-not-found", "--wait=false")
	})
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  nodeName: ` + s.W.Node + `
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: {{.Image}}, args: [serve, "8080", main], volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: late}}]
`)
	events := []string{"get", "events", "--field-selector=reason=FailedMount,involvedObject.name=" + s.Namespace, "-o",
		"jsonpath={range .items[*]}{.message}{\"\\n\"}{end}"}
	s.Prints("no claim", time.Minute, `failed to process volumes=\[v\]: error processing PVC .*persistentvolumeclaims "late" not found`, events...)
	s.Apply(strings.ReplaceAll(claims, "NAME", "late"))
	s.Prints("no volume", time.Minute, `error processing PVC .*: PVC is not bound`, events...)
	volumeFor(s, "late", "hostPath: {path: DIR}")
	s.Wait("it runs", time.Minute, "pod/"+s.Namespace, "condition=Ready")
}

// A seccomp profile by its name holds what a container may call. One that is not there is waited for.
func TestSeccompProfile(t *testing.T) {
	s := begin(t)
	name := s.Namespace + ".json"
	applyShell(s, `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 1
  securityContext: {seccompProfile: {type: Localhost, localhostProfile: `+name+`}}
  containers:
    - {name: main, WAITS}
    - {name: free, WAITS, securityContext: {seccompProfile: {type: Unconfined}}}
`)
	pod := "pod/" + s.Namespace
	waiting := func(field string) []string {
		return []string{"get", pod, "-o", `jsonpath={.status.containerStatuses[?(@.name=="main")].state.waiting.` + field + `}`}
	}
	s.Prints("the profile is not there", time.Minute, `^CreateContainerError$`, waiting("reason")...)
	s.Prints("it says which", time.Minute, `cannot load seccomp profile ".*/`+name+`": no such file or directory`, waiting("message")...)
	dir := filepath.Join(s.W.Dir, "seccomp")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	profile := `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["kill"],"action":"SCMP_ACT_ERRNO"}]}`
	if err := os.WriteFile(filepath.Join(dir, name), []byte(profile), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Wait("it runs", 2*time.Minute, pod, "condition=Ready")
	out, err := inside(s, "bash", "-c", "kill -0 $$")
	if err == nil || !strings.Contains(out+fmt.Sprint(err), "Operation not permitted") {
		t.Errorf("kill under the profile: %s %v", out, err)
	}
	if out, err := s.W.Kubectl(s.Context(), "-n", s.Namespace, "exec", s.Namespace, "-c", "free", "--", "bash", "-c", "kill -0 $$"); err != nil {
		t.Errorf("kill beside it: %s %v", out, err)
	}
}

// A container that wrote more than its limit of ephemeral storage is evicted, with the kubelet's words.
func TestEphemeralStorage(t *testing.T) {
	s := mounting(t, `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 1
  containers:
    - {name: main, WAITS, resources: {limits: {ephemeral-storage: 10Mi}}}
    - {name: other, WAITS, resources: {limits: {ephemeral-storage: 100Mi}}}
`)
	pod := "pod/" + s.Namespace
	s.Wait("it runs", time.Minute, pod, "condition=Ready")
	if _, err := inside(s, "bash", "-c", "printf -v x '%*s' 1000000; for i in {1..20}; do echo -n \"$x\"; done > /large"); err != nil {
		t.Fatal(err)
	}
	s.Wait("it is evicted", time.Minute, pod, "jsonpath={.status.reason}=Evicted")
	if got := s.Get(pod, "{.status.phase} {.status.message}"); got != `Failed Container main exceeded its local ephemeral storage limit "10Mi".` &&
		got != `Failed Container main exceeded its local ephemeral storage limit "10Mi". ` {
		t.Errorf("status %q", got)
	}
}

// What is mounted on the host after a container has started is seen in it when it asks for that and the host's mount is
// shared; where it is not, the container waits with the engine's reason.
func TestMountPropagation(t *testing.T) {
	s := begin(t)
	shared, private := t.TempDir(), t.TempDir()
	for dir, kind := range map[string]uintptr{shared: unix.MS_SHARED, private: unix.MS_PRIVATE} {
		if err := errors.Join(unix.Mount(dir, dir, "", unix.MS_BIND, ""), unix.Mount("", dir, "", kind, "")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
	applyShell(s, `
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 1
  containers: [{name: main, WAITS, volumeMounts: [{name: v, mountPath: /v, mountPropagation: HostToContainer}]}]
  volumes: [{name: v, hostPath: {path: `+shared+`}}]
---
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}-private}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 1
  containers: [{name: main, WAITS, volumeMounts: [{name: v, mountPath: /v, mountPropagation: HostToContainer}]}]
  volumes: [{name: v, hostPath: {path: `+private+`}}]
`)
	s.Wait("it runs", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	below := filepath.Join(shared, "below")
	if err := errors.Join(os.Mkdir(below, 0o755), unix.Mount("tmpfs", below, "tmpfs", 0, ""),
		os.WriteFile(filepath.Join(below, "f"), []byte("later"), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(below, unix.MNT_DETACH) })
	shows(s, "what was mounted later", "/v/below/f", "later")
	s.Prints("the other one says why it does not run", time.Minute, `not a shared or slave mount`, "get", "pod/"+s.Namespace+"-private", "-o",
		"jsonpath={.status.containerStatuses[0]}")
}
