package volumetest

import (
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

func readOnly(vm *corev1.VolumeMount) { vm.ReadOnly = true }

func part(p string) func(*corev1.VolumeMount) { return func(vm *corev1.VolumeMount) { vm.SubPath = p } }

// group makes the volumes the group's.
func (b *bench) group(id int64) {
	b.c.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: &id}
}

// An emptyDir is open to every user, belongs to the fsGroup, is shared between containers and outlives them.
func testEmptyDir(t *testing.T, b *bench) {
	b.group(2000)
	b.with("data", emptyDir("", ""))
	b.mount("one", "data")
	b.mount("two", "data", readOnly)
	b.up(t)
	one, two := b.run(t, "one"), b.run(t, "two")
	one.want(t, "dir 2777 0 2000", "stat", "/data")
	one.want(t, "", "list", "/data")
	one.want(t, "", "write", "/data/note", "dear neighbour")
	two.want(t, "dear neighbour", "read", "/data/note")
	two.fails(t, "write", "/data/other", "x")

	if _, err := b.Driver.Prepare(b.context(t), b.c); err != nil { // as a server does that has just started
		t.Fatal(err)
	}
	b.fill(t)
	if err := b.Host.Remove(b.context(t), one.id); err != nil {
		t.Fatal(err)
	}
	b.run(t, "one").want(t, "dear neighbour", "read", "/data/note")
}

// An emptyDir in memory is on no disk and keeps to its size.
func testMemory(t *testing.T, b *bench) {
	b.with("fast", emptyDir(corev1.StorageMediumMemory, "1Mi"))
	b.mount("one", "fast")
	b.mount("two", "fast")
	b.up(t)
	one, two := b.run(t, "one"), b.run(t, "two")
	one.want(t, "dir 0777 0 0", "stat", "/fast")
	one.want(t, "", "write", "/fast/note", "quick")
	two.want(t, "quick", "read", "/fast/note")
	if !b.Limits {
		return
	}
	one.want(t, "true 1048576", "memory", "/fast")
	one.fails(t, "fill", "/fast/large", "2000000")
}

// Files are where they should be, read-only, with modes, owner and group, behind a link that changes in one step.
func testFiles(t *testing.T, b *bench) {
	user := int64(1000)
	token := file("token", "geheim", 0o600)
	token.User = &user
	b.group(2000)
	b.with("config", files(false, file("a", "A", 0), file("b", "B", 0o400), file("sub/c", "C", 0o755)))
	b.with("secret", files(true, token))
	b.mount("one", "config")
	b.mount("one", "secret")
	b.up(t)
	one := b.run(t, "one")
	for at, want := range map[string]string{
		"/config/a": "file 0644 0 2000", "/config/b": "file 0440 0 2000",
		"/config/sub/c": "file 0755 0 2000", "/config": "dir 2755 0 2000",
		"/secret/token": "file 0640 1000 2000",
	} {
		one.want(t, want, "stat", at)
	}
	one.want(t, "A", "read", "/config/a")
	one.want(t, "C", "read", "/config/sub/c")
	one.want(t, "geheim", "read", "/secret/token")
	one.want(t, "..data/a", "link", "/config/a")
	one.want(t, "..data/sub", "link", "/config/sub")
	one.fails(t, "write", "/config/a", "x")
	one.fails(t, "write", "/secret/new", "x")
	if got, _ := one.try(t, "memory", "/secret"); b.Limits && !strings.HasPrefix(got, "true ") {
		t.Error("the secret is on a disk")
	}
}

// Files change while containers run, all at once, and nothing is written when nothing has changed.
func testUpdate(t *testing.T, b *bench) {
	b.with("config", files(false, file("a", "A", 0), file("b", "B", 0)))
	b.mount("one", "config")
	b.up(t)
	one := b.run(t, "one")
	first, _ := one.try(t, "link", "/config/..data")
	again := func() string {
		t.Helper()
		if _, err := b.Driver.Prepare(b.context(t), b.c); err != nil {
			t.Fatal(err)
		}
		b.fill(t)
		now, _ := one.try(t, "link", "/config/..data")
		return now
	}
	if now := again(); now != first || first == "" {
		t.Errorf("version %q after %q, and nothing has changed", now, first)
	}
	volumes := []capsule.Volume{{Name: "config", Files: &capsule.FilesVolume{Items: []capsule.File{file("a", "A2", 0o600), file("c", "C", 0)}}}}
	b.c.Spec.Volumes = volumes
	if now := again(); now == first {
		t.Errorf("still version %q", now)
	}
	one.want(t, "A2", "read", "/config/a")
	one.want(t, "C", "read", "/config/c")
	one.fails(t, "read", "/config/b")
	list, _ := one.try(t, "list", "/config")
	if names := strings.Fields(list); len(names) != 4 { // ..data, its version, a, c
		t.Errorf("in the volume: %q", list)
	}
}

// A part of a volume is a directory that is made, or a file that is there.
func testSubPath(t *testing.T, b *bench) {
	b.with("data", emptyDir("", ""))
	b.with("config", files(false, file("a", "A", 0), file("sub/c", "C", 0)))
	b.mount("one", "data", part("x/y"))
	b.mount("one", "config", part("a"))
	b.mount("two", "data", part("other"))
	b.mount("two", "config", part("sub"))
	b.up(t)
	b.fill(t)
	one, two := b.run(t, "one"), b.run(t, "two")
	one.want(t, "", "write", "/data/note", "mine")
	two.want(t, "", "list", "/data")
	one.want(t, "A", "read", "/config")
	two.want(t, "C", "read", "/config/c")
	if err := b.Host.Remove(b.context(t), one.id); err != nil {
		t.Fatal(err)
	}
	b.run(t, "one").want(t, "mine", "read", "/data/note")
}

// A link in a volume leads no mount out of it.
func testSubPathDoesNotEscape(t *testing.T, b *bench) {
	b.with("data", emptyDir("", ""))
	b.c.Spec.InitContainers = []capsule.ContainerSpec{{
		Name: "early", Image: runtimetest.ImageRef, VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
	}}
	for i, to := range []string{"/etc", "../../..", "nowhere"} {
		b.mount("one", "data", part("link"+strconv.Itoa(i)), func(vm *corev1.VolumeMount) { vm.MountPath = "/" + to })
	}
	b.up(t)
	early := b.run(t, "early")
	for i, vm := range b.c.Spec.Containers[0].VolumeMounts {
		early.want(t, "", "symlink", strings.TrimPrefix(vm.MountPath, "/"), "/data/link"+strconv.Itoa(i))
	}
	early.want(t, "", "symlink", "/etc", "/data/link0x")
	if err := b.Host.Remove(b.context(t), early.id); err != nil {
		t.Fatal(err)
	}
	cs := &b.c.Spec.Containers[0]
	for _, vm := range append(cs.VolumeMounts, corev1.VolumeMount{Name: "data", MountPath: "/up", SubPath: "link0x/passwd"}) {
		cs.VolumeMounts = []corev1.VolumeMount{vm}
		if ms, err := b.mounts(t, "one"); err == nil {
			t.Errorf("%s leads to %+v", vm.SubPath, ms)
		}
	}
}

// A hostPath is the host's path, made or checked as its type says.
func testHostPath(t *testing.T, b *bench) {
	kind := func(k corev1.HostPathType) *corev1.HostPathType { return &k }
	at := func(name string, k *corev1.HostPathType) capsule.Volume {
		return capsule.Volume{HostPath: &corev1.HostPathVolumeSource{Path: path.Join(b.HostDir, name), Type: k}}
	}
	b.with("any", at("dir", nil))
	b.with("made", at("made", kind(corev1.HostPathDirectoryOrCreate)))
	b.with("file", at("file", kind(corev1.HostPathFile)))
	for _, v := range []string{"any", "made", "file"} {
		b.mount("one", v)
	}
	b.up(t)
	one := b.run(t, "one")
	one.want(t, "", "write", "/any/note", "to the host")
	one.want(t, "", "list", "/made")
	if got, _ := one.try(t, "stat", "/file"); !strings.HasPrefix(got, "file ") {
		t.Errorf("%q", got)
	}
	if !b.Made(path.Join(b.HostDir, "made")) {
		t.Error("the host has no directory")
	}
}

// Every container of a capsule has the same /etc/hosts.
func testHosts(t *testing.T, b *bench) {
	b.sandbox.Hosts = func(addresses []string) ([]byte, bool, []byte) {
		return []byte("# ours\n" + strings.Join(addresses, " ") + " web\n"), false, []byte("1.2.3.4 alias\n")
	}
	b.mount("one", "none")
	b.c.Spec.Containers[0].VolumeMounts = nil
	b.up(t)
	ms, err := b.Driver.HostsMount(b.c)
	if err != nil {
		t.Fatal(err)
	}
	one := b.run(t, "one", ms...)
	want := "# ours\n" + b.sandbox.Addresses[0] + " web\n1.2.3.4 alias"
	one.want(t, want, "read", "/etc/hosts")
	b.fill(t)
	one.want(t, want, "read", "/etc/hosts")
}

// What a container wrote at its end is read after it, of each attempt its own.
func testLastWords(t *testing.T, b *bench) {
	const at = "/dev/last-words"
	b.mount("one", "none")
	b.c.Spec.Containers[0].VolumeMounts = nil
	b.c.Spec.Containers[0].TerminationMessagePath = at
	b.up(t)
	for attempt, text := range []string{"first", "second, and more than is read"} {
		m, err := b.Driver.TerminationMount(b.context(t), b.c, b.sandbox, "one", attempt)
		if err != nil {
			t.Fatal(err)
		}
		m.Target = at
		one := b.start(t, "one", []runtime.Mount{m}, runtimetest.Program, "sleep")
		one.want(t, "file 0666 0 0", "stat", at)
		one.want(t, "", "write", at, text)
		if !b.Engine { // what a host in memory has of a container's files is what the test puts there
			b.Host.(interface {
				WriteFile(id, name string, content []byte)
			}).WriteFile(one.id, at, []byte(text))
		}
		if err := b.Host.Stop(b.context(t), one.id, 0); err != nil {
			t.Fatal(err)
		}
		got, err := b.Driver.TerminationMessage(b.context(t), b.c, "one", attempt, one.id, 10)
		if err != nil || string(got) != text[:min(10, len(text))] {
			t.Errorf("attempt %d: %q, %v", attempt, got, err)
		}
	}
}

// What cannot be is refused with the name of the volume.
func testRefusals(t *testing.T, b *bench) {
	for what, v := range map[string]capsule.Volume{
		"HugePages": emptyDir(corev1.StorageMediumHugePages, ""), "../x": files(false, file("../x", "X", 0)), "source": {},
	} {
		b.c.Spec.Volumes = nil
		b.with("data", v)
		_, err := b.Driver.Prepare(b.context(t), b.c)
		if !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), `volume "data"`) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	b.c.Spec.Volumes = nil
}

// What containers write to the disk is counted, and told of when it is more than the limit.
func testUsage(t *testing.T, b *bench) {
	b.with("data", emptyDir("", "1Mi"))
	b.with("fast", emptyDir(corev1.StorageMediumMemory, ""))
	b.mount("one", "data")
	b.mount("one", "fast")
	b.up(t)
	one := b.run(t, "one")
	b.c.Facts.Sandbox.ID = b.sandbox.ID
	one.want(t, "", "fill", "/data/large", "3000000")
	one.want(t, "", "fill", "/fast/other", "500000")
	used, err := b.Driver.Used(b.context(t), b.c)
	if err != nil || len(used) == 0 || used[0].Name != "data" || !used[0].Ephemeral || used[0].UsedBytes < 3_000_000 || used[0].UsedBytes > 3_000_000+64<<10 {
		t.Errorf("used: %+v, %v", used, err)
	}
	for _, v := range used[min(1, len(used)):] { // where memory can be seen
		if v.Name != "fast" || v.Ephemeral || v.UsedBytes < 500_000 || v.UsedBytes > 500_000+64<<10 || v.CapacityBytes < v.UsedBytes {
			t.Errorf("in memory: %+v", v)
		}
	}
	why, err := b.Driver.Overfull(b.context(t), b.c)
	if err != nil || why != `Usage of EmptyDir volume "data" exceeds the limit "1Mi". ` {
		t.Errorf("%q, %v", why, err)
	}
}

// Nothing is left of the volumes of a capsule, whatever was in them.
func testRemove(t *testing.T, b *bench) {
	b.with("data", emptyDir("", ""))
	b.with("fast", emptyDir(corev1.StorageMediumMemory, ""))
	b.with("secret", files(true, file("a", "A", 0)))
	for _, v := range []string{"data", "fast", "secret"} {
		b.mount("one", v)
	}
	b.up(t)
	b.run(t, "one").want(t, "", "write", "/data/note", "x")
	b.end(b.context(t), t)
	for range 2 {
		if err := b.Driver.Remove(b.context(t), b.c.UUID); err != nil {
			t.Error(err)
		}
	}
	if left, err := b.Host.ListVolumes(b.context(t), b.c.UUID); err != nil || len(left) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
	b.up(t)
	b.run(t, "one").want(t, "", "list", "/data")
}
