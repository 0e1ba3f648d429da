package volume_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/volume"
)

func TestHostPath(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	for _, dir := range []string{"dir", "dir/sub"} {
		if err := os.Mkdir(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("dir", at("link")); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	const fails = "hostPath type check failed"
	for _, row := range []struct {
		kind   corev1.HostPathType
		path   string
		failed string
	}{
		{corev1.HostPathUnset, at("dir"), ""},
		{corev1.HostPathUnset, at("file"), ""},
		{corev1.HostPathUnset, at("made/deep"), ""},
		{corev1.HostPathDirectory, at("dir"), ""},
		{corev1.HostPathDirectory, at("link"), ""},
		{corev1.HostPathDirectory, at("file"), fails},
		{corev1.HostPathDirectory, at("none"), fails},
		{corev1.HostPathDirectoryOrCreate, at("dir"), ""},
		{corev1.HostPathDirectoryOrCreate, at("made2/deep"), ""},
		{corev1.HostPathDirectoryOrCreate, at("file"), fails},
		{corev1.HostPathFile, at("file"), ""},
		{corev1.HostPathFile, at("dir"), fails},
		{corev1.HostPathFile, at("none"), fails},
		{corev1.HostPathFileOrCreate, at("file"), ""},
		{corev1.HostPathFileOrCreate, at("made3"), ""},
		{corev1.HostPathFileOrCreate, at("none/file"), "no such file"},
		{corev1.HostPathFileOrCreate, at("dir"), fails},
		{corev1.HostPathSocket, at("socket"), ""},
		{corev1.HostPathSocket, at("file"), fails},
		{corev1.HostPathCharDev, "/dev/null", ""},
		{corev1.HostPathCharDev, at("file"), fails},
		{corev1.HostPathBlockDev, "/dev/null", fails},
		{"Pipe", at("file"), `"Pipe" is unknown`},
	} {
		t.Run(string(row.kind)+" "+filepath.Base(row.path), func(t *testing.T) {
			c := with(capsule.Volume{HostPath: &corev1.HostPathVolumeSource{Path: row.path, Type: &row.kind}}, nil)
			ms, err := volume.Near{StateDir: at("state"), RunDir: at("run")}.Prepare(t.Context(), c)
			if row.failed != "" {
				if err == nil || !strings.Contains(err.Error(), row.failed) {
					t.Errorf("answered %v, want %q", err, row.failed)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m := ms["data"]; m.Source != row.path || m.ReadOnly {
				t.Errorf("mount: %+v", m)
			}
			if _, err := os.Stat(row.path); err != nil {
				t.Error(err)
			}
		})
	}
	if got, _ := os.ReadFile(at("file")); string(got) != "x" {
		t.Errorf("the file of the host was changed: %q", got)
	}
}

func TestRemoveLeavesTheHostsPaths(t *testing.T) {
	t.Parallel()
	n, host := onDisk(t), t.TempDir()
	prepare(t, n, with(capsule.Volume{HostPath: &corev1.HostPathVolumeSource{Path: host}}, nil))
	m := prepare(t, n, with(emptyDir("", ""), nil))
	if err := os.Symlink(host, filepath.Join(m.Source, "link")); err != nil { // a container can do this
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(host, "kept"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.Remove(t.Context(), uuid); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(host, "kept")); err != nil {
		t.Error(err)
	}
	empty(t, n)
}

func TestRemoveOfNothing(t *testing.T) {
	t.Parallel()
	if err := onDisk(t).Remove(t.Context(), uuid); err != nil {
		t.Error(err)
	}
	none := volume.Near{StateDir: filepath.Join(t.TempDir(), "none"), RunDir: filepath.Join(t.TempDir(), "none")}
	if err := none.Remove(t.Context(), uuid); err != nil {
		t.Error(err)
	}
}

// A UUID reaches Remove from a label on a container too, which anybody can write.
func TestRemoveOfWhatIsNoUUID(t *testing.T) {
	t.Parallel()
	n := onDisk(t)
	m := prepare(t, n, with(emptyDir("", ""), nil))
	for _, uuid := range []string{"", ".", "..", "/", "../..", "a/b", "../" + filepath.Base(n.StateDir)} {
		if err := n.Remove(t.Context(), uuid); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%q: %v, want InvalidArgument", uuid, err)
		}
	}
	if _, err := os.Stat(m.Source); err != nil {
		t.Error(err)
	}
}

func TestVolumeWithoutASource(t *testing.T) {
	t.Parallel()
	if _, err := onDisk(t).Prepare(t.Context(), with(capsule.Volume{}, nil)); !errdefs.IsInvalidArgument(err) {
		t.Errorf("error: %v", err)
	}
}
