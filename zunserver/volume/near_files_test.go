package volume_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	group := int64(2000)
	for _, row := range []struct {
		name      string
		sensitive bool
		group     *int64
		modes     map[string]uint32
	}{
		{"plain", false, nil, map[string]uint32{"a": 0o644, "b": 0o400, "sub/c": 0o755, "sub/d": 0o644, "e": 0}},
		{"with a group", false, &group, map[string]uint32{"a": 0o644, "b": 0o440, "sub/c": 0o755, "sub/d": 0o644, "e": 0o440}},
		{"sensitive", true, &group, map[string]uint32{"a": 0o644, "b": 0o440, "sub/c": 0o755, "sub/d": 0o644, "e": 0o440}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := near(t)
			c := with(files(row.sensitive, file("a", "A", -1), file("b", "B", 0o400), file("sub/c", "C", 0o755), file("sub/./d", "D", 0o644),
				file("e", "E", 0)),
				row.group)
			m := prepare(t, n, c)
			if !m.ReadOnly {
				t.Error("writable")
			}
			if in := strings.HasPrefix(m.Source, n.RunDir+"/"); in != row.sensitive {
				t.Errorf("at %s", m.Source)
			}
			for _, path := range slices.Sorted(maps.Keys(row.modes)) {
				full := filepath.Join(m.Source, path)
				s := stat(t, full)
				if got := s.Mode & 0o7777; got != row.modes[path] {
					t.Errorf("%s: mode %o, want %o", path, got, row.modes[path])
				}
				if row.group != nil && s.Gid != uint32(*row.group) {
					t.Errorf("%s: group %d", path, s.Gid)
				}
				if got, want := read(t, full), strings.ToUpper(filepath.Base(path)); got != want {
					t.Errorf("%s: %q, want %q", path, got, want)
				}
			}
			for link, want := range map[string]string{"a": "..data/a", "sub": "..data/sub"} {
				if got, err := os.Readlink(filepath.Join(m.Source, link)); got != want || err != nil {
					t.Errorf("%s points to %q (%v), want %q", link, got, err, want)
				}
			}
			version, err := os.Readlink(filepath.Join(m.Source, "..data"))
			if err != nil || !strings.HasPrefix(version, "..") {
				t.Errorf("..data points to %q (%v)", version, err)
			}
			prepare(t, n, c)
			if again, _ := os.Readlink(filepath.Join(m.Source, "..data")); again != version {
				t.Error("written twice")
			}
		})
	}
}

func TestFilesAreUpdated(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		next []capsule.File
		same bool
	}{
		{"nothing new", []capsule.File{file("b/c", "C", 0o600), file("a", "A", -1)}, true},
		{"another content", []capsule.File{file("a", "A2", -1), file("b/c", "C", 0o600)}, false},
		{"another mode", []capsule.File{file("a", "A", 0o400), file("b/c", "C", 0o600)}, false},
		{"one more", []capsule.File{file("a", "A", -1), file("b/c", "C", 0o600), file("d", "D", -1)}, false},
		{"one less", []capsule.File{file("a", "A", -1)}, false},
		{"moved", []capsule.File{file("a/x", "A", -1), file("b", "C", 0o600)}, false},
		{"none", nil, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := near(t)
			c := with(files(true, file("a", "A", -1), file("b/c", "C", 0o600)), nil)
			m := prepare(t, n, c)
			version, _ := os.Readlink(filepath.Join(m.Source, "..data"))
			inode := stat(t, m.Source).Ino
			c.Spec.Volumes[0].Files.Items = row.next
			if again := prepare(t, n, c); again != m || stat(t, m.Source).Ino != inode {
				t.Error("containers that run would not see it")
			}
			now, _ := os.Readlink(filepath.Join(m.Source, "..data"))
			if (now == version) != row.same {
				t.Errorf("version %s after %s", now, version)
			}
			var found []string
			want := []string{"..data", now}
			for _, f := range row.next {
				if got := read(t, filepath.Join(m.Source, f.Path)); got != string(f.Content) {
					t.Errorf("%s: %q", f.Path, got)
				}
				first, _, _ := strings.Cut(f.Path, "/")
				want = append(want, first)
			}
			entries, err := os.ReadDir(m.Source)
			for _, e := range entries {
				found = append(found, e.Name())
			}
			slices.Sort(want)
			slices.Sort(found)
			if err != nil || !slices.Equal(found, want) {
				t.Errorf("in the volume: %v, want %v", found, want)
			}
		})
	}
}

// A reader sees all of one version, whenever it looks.
func TestUpdatesAreAtomic(t *testing.T) {
	t.Parallel()
	n := near(t)
	content := func(i int) []capsule.File {
		text := strings.Repeat(string(rune('a'+i%26)), 1000)
		return []capsule.File{file("one", text, -1), file("two", text, -1)}
	}
	c := with(files(true, content(0)...), nil)
	m := prepare(t, n, c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			twin := with(files(true, content(i)...), nil)
			if _, err := n.Prepare(context.WithoutCancel(t.Context()), twin); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	looks := 0
	for {
		data, err := os.Open(filepath.Join(m.Source, "..data")) // one version, held open
		if errors.Is(err, os.ErrNotExist) {
			continue // the link was read before the update and followed after it, as on a kubelet
		}
		if err != nil {
			t.Fatal(err)
		}
		var parts [2]string
		for i, name := range []string{"one", "two"} {
			fd, err := unix.Openat(int(data.Fd()), name, unix.O_RDONLY, 0)
			if err != nil {
				continue // this version was removed since; a reader would open the next
			}
			b := make([]byte, 2000)
			n, _ := unix.Read(fd, b)
			_ = unix.Close(fd)
			parts[i] = string(b[:max(n, 0)])
		}
		_ = data.Close()
		if parts[0] != "" && parts[1] != "" && (parts[0] != parts[1] || len(parts[0]) != 1000) {
			t.Fatalf("half of one version: %.3q of %d, %.3q of %d", parts[0], len(parts[0]), parts[1], len(parts[1]))
		}
		looks++
		select {
		case <-done:
			t.Logf("%d looks", looks)
			return
		default:
		}
	}
}

func TestFilesOfAUser(t *testing.T) {
	t.Parallel()
	n := near(t)
	user, group := int64(1234), int64(2000)
	f := file("token", "T", 0o600)
	f.User = &user
	m := prepare(t, n, with(files(true, f, file("sub/x", "X", -1)), &group))
	if s := stat(t, filepath.Join(m.Source, "token")); s.Uid != 1234 || s.Gid != 2000 || s.Mode&0o777 != 0o640 {
		t.Errorf("user %d, group %d, mode %o", s.Uid, s.Gid, s.Mode&0o777)
	}
	for _, dir := range []string{"", "..data/", "sub"} {
		if s := stat(t, filepath.Join(m.Source, dir)); s.Gid != 2000 || s.Mode&0o7777 != 0o2755 {
			t.Errorf("%q: group %d, mode %o", dir, s.Gid, s.Mode&0o7777)
		}
	}
}

// TestFilesUnderAStrictUmask must not be parallel: a umask is of the whole process.
func TestFilesUnderAStrictUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	n := onDisk(t)
	m := prepare(t, n, with(files(false, file("sub/deep/a", "A", -1)), nil))
	for _, dir := range []string{"", "..data/", "sub", "sub/deep"} {
		if s := stat(t, filepath.Join(m.Source, dir)); s.Mode&0o777 != 0o755 {
			t.Errorf("%q has mode %o: users of the container cannot reach the files", dir, s.Mode&0o777)
		}
	}
}

func TestFilesAfterACrash(t *testing.T) {
	t.Parallel()
	n := onDisk(t)
	dir := filepath.Join(n.StateDir, "volumes", uuid, "data")
	if err := os.MkdirAll(filepath.Join(dir, "..vhalf"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..data/a", filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	m := prepare(t, n, with(files(false, file("a", "A", -1)), nil))
	if got := read(t, filepath.Join(m.Source, "a")); got != "A" {
		t.Errorf("content %q", got)
	}
}

func TestFilesWhoseNamesLookLikeOurOwn(t *testing.T) {
	t.Parallel()
	n := onDisk(t)
	for range 20 { // the order of links is a map's
		m := prepare(t, n, with(files(false, file("a", "A", -1), file("a.tmp", "T", -1), file("data", "D", -1)), nil))
		for path, want := range map[string]string{"a": "A", "a.tmp": "T", "data": "D"} {
			if got := read(t, filepath.Join(m.Source, path)); got != want {
				t.Fatalf("%s: %q, want %q", path, got, want)
			}
		}
		if err := n.Remove(t.Context(), uuid); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesOutsideOfTheVolume(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../x", "/etc/x", "a/../../x", "..", ".", "", "..data", "..data/x"} {
		n := onDisk(t)
		_, err := n.Prepare(t.Context(), with(files(false, file(path, "X", 0)), nil))
		if !errdefs.IsInvalidArgument(err) {
			t.Errorf("%q: %v, want InvalidArgument", path, err)
		}
		if _, err := os.Lstat(filepath.Join(n.StateDir, "volumes", uuid, "x")); err == nil {
			t.Errorf("%q was written", path)
		}
	}
}

func TestSensitiveFilesGetATmpfsOfTheirOwn(t *testing.T) {
	t.Parallel()
	n := onDisk(t)
	if os.Geteuid() != 0 || runDirIsTmpfs(t, n.RunDir) {
		t.Skip("needs root and a directory for temporary files on a disk")
	}
	c := with(files(true, file("password", "geheim", -1)), nil)
	mounts, err := n.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Remove(context.WithoutCancel(t.Context()), c.UUID) })
	if !runDirIsTmpfs(t, mounts["data"].Source) {
		t.Error("the secret is on a disk")
	}
}

func runDirIsTmpfs(t *testing.T, dir string) bool {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return s.Type == unix.TMPFS_MAGIC
}
