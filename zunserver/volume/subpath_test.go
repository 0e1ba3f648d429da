package volume_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// sub asks for a part of a volume that is a directory of the test's.
func sub(t *testing.T, n volume.Near, dir, path string) (string, error) {
	t.Helper()
	m, err := n.SubPath(t.Context(), &capsule.Capsule{UUID: uuid}, volume.Sandbox{}, volume.SubPath{
		Container: "app", Volume: runtime.Mount{Kind: runtime.MountBind, Source: dir}, Path: path,
	})
	return m.Source, err
}

func TestSubPath(t *testing.T) {
	t.Parallel()
	n := near(t)
	dir, outside := t.TempDir(), t.TempDir()
	for path, content := range map[string]string{"d/f": "F", "top": "T", "../" + filepath.Base(outside) + "/secret": "S"} {
		full := filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("S"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"in": "d", "abs": outside, "rel": "../" + filepath.Base(outside), "file": secret,
		"proc": "/proc/self/root", "deep": "in/f", "dangling": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ path, see, content string }{
		{"d", "f", "F"}, {"d/f", "", "F"}, {"top", "", "T"}, {"in", "f", "F"}, {"in/f", "", "F"}, {"deep", "", "F"}, {"./d/./f", "", "F"},
	} {
		place, err := sub(t, n, dir, row.path)
		if err != nil {
			t.Errorf("%s: %v", row.path, err)
			continue
		}
		if got := read(t, filepath.Join(place, row.see)); got != row.content {
			t.Errorf("%s: %q", row.path, got)
		}
	}
	for _, path := range []string{"abs", "abs/secret", "rel", "rel/secret", "file", "proc", "proc/etc", "abs/new", "top/x", "dangling", "dangling/x"} {
		if place, err := sub(t, n, dir, path); err == nil {
			t.Errorf("%s leads to %s", path, place)
		}
	}
	for _, path := range []string{"..", "../x", "/etc", "a/../../x"} {
		if _, err := sub(t, n, dir, path); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) != 1 {
		t.Errorf("something was made outside: %v", left)
	}
}

func TestSubPathThatIsMissing(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	n := near(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	place, err := sub(t, n, dir, "new/deep")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"new", "new/deep"} {
		if s := stat(t, filepath.Join(dir, path)); s.Mode&0o7777 != 0o2777 {
			t.Errorf("%s has mode %o", path, s.Mode&0o7777)
		}
	}
	if err := os.WriteFile(filepath.Join(place, "written"), []byte("W"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "new/deep/written")); got != "W" {
		t.Errorf("in the volume: %q", got)
	}
}

// Removal must take the mounts off first: what they show is somebody's.
func TestSubPathsGoAndWhatTheyShowedStays(t *testing.T) {
	t.Parallel()
	n := near(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kept"), []byte("K"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sub(t, n, dir, "."); err != nil {
		t.Fatal(err)
	}
	place, err := sub(t, n, dir, "kept") // the next attempt asks for a file where the last had a directory
	if err != nil {
		t.Fatal(err)
	}
	if c := strings.Count(read(t, "/proc/self/mountinfo"), place); c != 1 {
		t.Errorf("%d mounts", c)
	}
	if err := n.Remove(t.Context(), uuid); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "kept")); got != "K" {
		t.Errorf("what was mounted: %q", got)
	}
	if strings.Contains(read(t, "/proc/self/mountinfo"), place) {
		t.Error("still mounted")
	}
	empty(t, n)
}

// A file mounted alone stays what it was; the next attempt gets the new one.
func TestSubPathOfFiles(t *testing.T) {
	t.Parallel()
	n := near(t)
	c := with(files(true, file("a", "old", 0)), nil)
	m := prepare(t, n, c)
	place, err := sub(t, n, m.Source, "a")
	if err != nil {
		t.Fatal(err)
	}
	c.Spec.Volumes[0].Files.Items = files(true, file("a", "new", 0)).Files.Items
	prepare(t, n, c)
	if got := read(t, place); got != "old" {
		t.Errorf("after the update: %q", got)
	}
	if place, err = sub(t, n, m.Source, "a"); err != nil || read(t, place) != "new" {
		t.Errorf("the next attempt: %q %v", read(t, place), err)
	}
}

func TestRecursivelyReadOnly(t *testing.T) {
	t.Parallel()
	n, dir := near(t), t.TempDir()
	below := filepath.Join(dir, "below")
	if err := errors.Join(os.Mkdir(below, 0o755), unix.Mount("tmpfs", below, "tmpfs", 0, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(below, unix.MNT_DETACH) })
	c := &capsule.Capsule{UUID: uuid}
	t.Cleanup(func() { _ = n.Remove(context.WithoutCancel(t.Context()), uuid) })
	for index, recursive := range []bool{true, false} {
		m, err := n.SubPath(t.Context(), c, volume.Sandbox{}, volume.SubPath{Container: "app", Index: index,
			Volume: runtime.Mount{Kind: runtime.MountBind, Source: dir}, Path: ".", Recursive: recursive})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"f", "below/f"} {
			err := os.WriteFile(filepath.Join(m.Source, path), nil, 0o600)
			if recursive != errors.Is(err, unix.EROFS) {
				t.Errorf("recursive %v: writing %s: %v", recursive, path, err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(below, "ours"), nil, 0o600); err != nil {
		t.Errorf("the volume itself became read-only: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := n.SubPath(t.Context(), c, volume.Sandbox{}, volume.SubPath{Container: "app", Index: 2,
		Volume: runtime.Mount{Kind: runtime.MountBind, Source: file}, Path: ".", Recursive: true}); err != nil || m.Source != file {
		t.Errorf("a file: %+v %v", m, err)
	}
}
