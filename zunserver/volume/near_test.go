package volume_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/volume"
)

const uuid = "7c2b7d1e-7f2b-4f4e-9d0b-0c7c3f4b5a69"

// near is a driver with a run directory on a tmpfs of its own, which needs root.
func near(t *testing.T) volume.Near {
	t.Helper()
	n := volume.Near{StateDir: t.TempDir(), RunDir: t.TempDir()}
	if os.Geteuid() != 0 {
		t.Skip("mounting a tmpfs needs root")
	}
	if err := unix.Mount("tmpfs", n.RunDir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatalf("mounting the run directory: %v", err)
	}
	t.Cleanup(func() {
		if err := n.Remove(t.Context(), uuid); err != nil {
			t.Error(err)
		}
		if err := unix.Unmount(n.RunDir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return n
}

// onDisk is a driver without a tmpfs, which needs nothing.
func onDisk(t *testing.T) volume.Near {
	t.Helper()
	return volume.Near{StateDir: t.TempDir(), RunDir: t.TempDir()}
}

func with(v capsule.Volume, fsGroup *int64) *capsule.Capsule {
	v.Name = "data"
	c := &capsule.Capsule{UUID: uuid, Spec: capsule.Spec{Name: "web", Volumes: []capsule.Volume{v}}}
	if fsGroup != nil {
		c.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: fsGroup}
	}
	return c
}

func emptyDir(medium corev1.StorageMedium, size string) capsule.Volume {
	e := &corev1.EmptyDirVolumeSource{Medium: medium}
	if size != "" {
		q := resource.MustParse(size)
		e.SizeLimit = &q
	}
	return capsule.Volume{EmptyDir: e}
}

func files(sensitive bool, items ...capsule.File) capsule.Volume {
	return capsule.Volume{Files: &capsule.FilesVolume{Items: items, Sensitive: sensitive}}
}

// file has the default mode when mode is negative.
func file(path, content string, mode int32) capsule.File {
	if mode < 0 {
		return capsule.File{Path: path, Content: []byte(content)}
	}
	return capsule.File{Path: path, Content: []byte(content), Mode: &mode}
}

// prepare makes the volume called data.
func prepare(t *testing.T, n volume.Near, c *capsule.Capsule) runtime.Mount {
	t.Helper()
	ms, err := n.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := ms["data"]
	if !ok || m.Kind != runtime.MountBind || m.Target != "" {
		t.Fatalf("mounts: %+v", ms)
	}
	return m
}

func stat(t *testing.T, path string) *syscall.Stat_t {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t)
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEmptyDir(t *testing.T) {
	t.Parallel()
	group := int64(2000)
	for _, row := range []struct {
		name   string
		medium corev1.StorageMedium
		group  *int64
		mode   uint32
	}{
		{"on disk", corev1.StorageMediumDefault, nil, 0o777},
		{"on disk with a group", corev1.StorageMediumDefault, &group, 0o2777},
		{"in memory", corev1.StorageMediumMemory, nil, 0o777},
		{"in memory with a group", corev1.StorageMediumMemory, &group, 0o2777},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := near(t)
			c := with(emptyDir(row.medium, ""), row.group)
			m := prepare(t, n, c)
			if m.ReadOnly {
				t.Error("read-only")
			}
			s := stat(t, m.Source)
			if got := s.Mode & 0o7777; got != row.mode {
				t.Errorf("mode %o, want %o", got, row.mode)
			}
			if row.group != nil && s.Gid != uint32(*row.group) {
				t.Errorf("group %d, want %d", s.Gid, *row.group)
			}
			if up := stat(t, filepath.Dir(m.Source)); up.Mode&0o077 != 0 {
				t.Errorf("others on this machine reach the volumes of a capsule: mode %o", up.Mode&0o777)
			}
			kept := filepath.Join(m.Source, "kept")
			if err := os.WriteFile(kept, []byte("yes"), 0o600); err != nil {
				t.Fatal(err)
			}
			if again := prepare(t, n, c); again != m || read(t, kept) != "yes" {
				t.Errorf("the second time: %+v, the first time: %+v", again, m)
			}
			if err := n.Remove(t.Context(), uuid); err != nil {
				t.Fatal(err)
			}
			empty(t, n)
		})
	}
}

// empty demands that no capsule has a volume.
func empty(t *testing.T, n volume.Near) {
	t.Helper()
	for _, dir := range []string{n.StateDir, n.RunDir} {
		left, err := filepath.Glob(filepath.Join(dir, "volumes", "*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v (%v)", left, err)
		}
	}
}

func TestEmptyDirInMemoryIsLimitedAndUnmounted(t *testing.T) {
	t.Parallel()
	n := near(t)
	m := prepare(t, n, with(emptyDir(corev1.StorageMediumMemory, "1Mi"), nil))
	var s unix.Statfs_t
	if err := unix.Statfs(m.Source, &s); err != nil {
		t.Fatal(err)
	}
	if size := int64(s.Blocks) * s.Bsize; size != 1<<20 {
		t.Errorf("size %d", size)
	}
	prepare(t, n, with(emptyDir(corev1.StorageMediumMemory, "1Mi"), nil))
	mounts := read(t, "/proc/self/mounts")
	if got := strings.Count(mounts, " "+m.Source+" "); got != 1 {
		t.Errorf("mounted %d times", got)
	}
	if err := os.WriteFile(filepath.Join(m.Source, "large"), make([]byte, 2<<20), 0o600); err == nil {
		t.Error("more fits in than the limit")
	}
	open, err := os.Open(m.Source) // a container's mount holds it as well
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := n.Remove(t.Context(), uuid); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(read(t, "/proc/self/mounts"), m.Source) {
		t.Error("still mounted")
	}
	empty(t, n)
}

func TestEmptyDirOfAnotherMedium(t *testing.T) {
	t.Parallel()
	_, err := onDisk(t).Prepare(t.Context(), with(emptyDir(corev1.StorageMediumHugePages, ""), nil))
	if !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), `volume "data"`) || !strings.Contains(err.Error(), "HugePages") {
		t.Errorf("error: %v", err)
	}
}
