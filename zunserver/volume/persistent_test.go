package volume_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	mismatch, always, group := corev1.FSGroupChangeOnRootMismatch, corev1.FSGroupChangeAlways, int64(2000)
	for _, row := range []struct {
		name     string
		readOnly bool
		group    *int64
		policy   *corev1.PodFSGroupChangePolicy
		owned    bool // the root is the group's already
		dir      uint32
		file     uint32
		gid      uint32
	}{
		{"without a group", false, nil, nil, false, 0o755, 0o600, 0},
		{"with a group", false, &group, nil, false, 0o2775, 0o660, 2000},
		{"read only", true, &group, nil, false, 0o2755, 0o640, 2000},
		{"always", false, &group, &always, true, 0o2775, 0o660, 2000},
		{"only when the root is another's", false, &group, &mismatch, true, 0o2775, 0o600, 0},
		{"and it is", false, &group, &mismatch, false, 0o2775, 0o660, 2000},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			disk, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
			for _, path := range []string{filepath.Join(disk, "sub", "f"), outside} {
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(os.Chmod(disk, 0o755), os.Symlink(outside, filepath.Join(disk, "link"))); err != nil {
				t.Fatal(err)
			}
			if row.owned {
				if err := errors.Join(os.Chown(disk, -1, 2000), unix.Chmod(disk, 0o2775)); err != nil {
					t.Fatal(err)
				}
			}
			c := with(capsule.Volume{Local: &corev1.LocalVolumeSource{Path: disk}, ReadOnly: row.readOnly}, row.group)
			if c.Spec.SecurityContext != nil {
				c.Spec.SecurityContext.FSGroupChangePolicy = row.policy
			}
			n := near(t)
			m := prepare(t, n, c)
			if m.Source != disk || m.ReadOnly != row.readOnly {
				t.Errorf("%+v", m)
			}
			for path, mode := range map[string]uint32{disk: row.dir, filepath.Join(disk, "sub", "f"): row.file, outside: 0o600} {
				if s := stat(t, path); s.Mode&0o7777 != mode {
					t.Errorf("%s: mode %o, want %o", path, s.Mode&0o7777, mode)
				}
			}
			if s := stat(t, filepath.Join(disk, "sub", "f")); s.Gid != row.gid {
				t.Errorf("group %d, want %d", s.Gid, row.gid)
			}
			if s := stat(t, outside); s.Gid != 0 {
				t.Error("what a link leads to was given away")
			}
			if err := n.Remove(t.Context(), c.UUID); err != nil {
				t.Fatal(err)
			}
			stat(t, filepath.Join(disk, "sub", "f")) // the data stays
		})
	}
	for path, want := range map[string]string{"/nowhere": `path "/nowhere" does not exist`, "/etc/passwd": "is not a directory"} {
		_, err := near(t).Prepare(t.Context(), with(capsule.Volume{Local: &corev1.LocalVolumeSource{Path: path}}, nil))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestNFS(t *testing.T) {
	t.Parallel()
	n := near(t)
	var ran []string
	fails := true
	n.Command = func(_ context.Context, name string, args ...string) ([]byte, error) {
		ran = append(ran, name+" "+strings.Join(args, " "))
		if fails {
			return []byte("mount.nfs: Connection timed out\n"), errors.New("exit status 32")
		}
		return nil, unix.Mount("tmpfs", args[len(args)-1], "tmpfs", 0, "")
	}
	c := with(capsule.Volume{NFS: &corev1.NFSVolumeSource{Server: "fd00::1", Path: "/export", ReadOnly: true}, MountOptions: []string{"soft", "vers=4.2"}}, nil)
	t.Cleanup(func() { _ = n.Remove(context.WithoutCancel(t.Context()), c.UUID) })
	_, err := n.Prepare(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), `MountVolume.SetUp failed for volume "data" : mount failed: exit status 32`) ||
		!strings.Contains(err.Error(), "Output: mount.nfs: Connection timed out") {
		t.Errorf("error %v", err)
	}
	fails = false
	m := prepare(t, n, c)
	want := "mount -t nfs -o soft,vers=4.2,ro [fd00::1]:/export " + m.Source
	if ran = slices.Compact(ran); len(ran) != 1 || ran[0] != want {
		t.Errorf("ran %q, want %q", ran, want)
	}
	if err := os.WriteFile(filepath.Join(m.Source, "theirs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	prepare(t, n, c)
	if _, err := os.Stat(filepath.Join(m.Source, "theirs")); err != nil || len(ran) != 1 {
		t.Errorf("mounted twice: %v %q", err, ran)
	}
	if err := n.Remove(t.Context(), c.UUID); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(m.Source); !os.IsNotExist(err) {
		t.Errorf("left: %v", err)
	}
}
