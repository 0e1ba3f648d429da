package streams

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

// directory plays the files of a container: a local directory, which is the root of the container.
type directory string

func (d directory) Get(_ context.Context, at string) (io.ReadCloser, error) {
	local := filepath.Join(string(d), at)
	if _, err := os.Lstat(local); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", at, errdefs.ErrNotFound)
	}
	var b bytes.Buffer
	err := pack(&b, local, filepath.Base(at))
	return io.NopCloser(&b), err
}

func (d directory) Put(_ context.Context, dir string, archive io.Reader) error {
	local := filepath.Join(string(d), dir)
	if info, err := os.Stat(local); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is no directory: %w", dir, errdefs.ErrInvalidArgument)
	}
	entries := tar.NewReader(archive)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at := filepath.Join(local, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(at, 0o700)
		} else {
			var content []byte
			if content, err = io.ReadAll(entries); err == nil {
				err = os.WriteFile(at, content, 0o600)
			}
		}
		if err != nil {
			return err
		}
	}
}

// tree makes files; a name that ends in a slash is a directory.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			_ = os.MkdirAll(at, 0o700)
		} else if err := os.WriteFile(at, []byte(filepath.Base(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// files lists the files of a directory.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			content, _ := os.ReadFile(at)
			rel, _ := filepath.Rel(dir, at)
			all = append(all, rel+"="+string(content))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// TestCopy: both ways, what lies where afterwards is what cp -r would have made.
func TestCopy(t *testing.T) {
	for _, row := range []struct{ source, destination, want string }{
		{"f", "g", "g=f"}, // a name that is free
		{"f", "dir", "dir/f=f"},
		{"f", "old", "old=f"},
		{"d", "new", "new/a=a new/sub/b=b"},
		{"d", "dir", "dir/d/a=a dir/d/sub/b=b"},
		{"d/.", "dir", "dir/a=a dir/sub/b=b"},
		{"d/sub/b", "dir/c", "dir/c=b"},
	} {
		for _, way := range []string{"to", "from"} {
			left, right := tree(t, "f", "d/a", "d/sub/b"), tree(t, "dir/")
			if row.destination == "old" {
				_ = os.WriteFile(filepath.Join(right, "old"), []byte("longer than before"), 0o600)
			}
			var err error
			if way == "to" {
				err = CopyTo(t.Context(), directory(right), left+"/"+row.source, "/"+row.destination, nil)
			} else {
				err = CopyFrom(t.Context(), directory(left), "/"+row.source, right+"/"+row.destination, nil)
			}
			if got := files(t, right); err != nil || got != row.want {
				t.Errorf("%s, %s %s: %q, %v, want %q", way, row.source, row.destination, got, err, row.want)
			}
		}
	}
}

func TestCopyFails(t *testing.T) {
	left, right := tree(t, "f"), tree(t, "dir/")
	for what, err := range map[string]error{
		"no such file here":       CopyTo(t.Context(), directory(right), left+"/nope", "/dir", nil),
		"no such file there":      CopyFrom(t.Context(), directory(left), "/nope", right, nil),
		"no such directory here":  CopyFrom(t.Context(), directory(left), "/f", right+"/nope/", nil),
		"no such directory there": CopyTo(t.Context(), directory(right), left+"/f", "/nope/", nil),
	} {
		if err == nil {
			t.Errorf("%s: it was copied", what)
		}
	}
}

// TestNothingGetsOut: an archive cannot write beside the directory it is unpacked in, by name or through a link.
func TestNothingGetsOut(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"dots": {{Name: "x/../../../out", Typeflag: tar.TypeReg, Size: 3, Mode: 0o600}},
		"link": {{Name: "x/l", Typeflag: tar.TypeSymlink, Linkname: "../../.."}, {Name: "x/l/out", Typeflag: tar.TypeReg, Size: 3, Mode: 0o600}},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range entries {
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if h.Size > 0 {
				_, _ = io.WriteString(w, "bad")
			}
		}
		_ = w.Close()
		base := tree(t, "in/here/")
		err := extract(&b, filepath.Join(base, "in/here"), "x")
		if _, out := os.Stat(filepath.Join(base, "out")); out == nil {
			t.Errorf("%s: it got out (%v)", name, err)
		}
		if _, out := os.Stat(filepath.Join(base, "in/out")); out == nil {
			t.Errorf("%s: it got out (%v)", name, err)
		}
	}
}

func TestRemote(t *testing.T) {
	for arg, want := range map[string][2]string{
		"web:/etc": {"web", "/etc"}, "web:": {"web", ""}, "./a:b": {"", "./a:b"}, "/a:b": {"", "/a:b"}, "a": {"", "a"}, "-": {"", "-"}, "my.web:b": {"my.web", "b"},
	} {
		if name, at, _ := Remote(arg); name != want[0] || at != want[1] {
			t.Errorf("%s: %q %q", arg, name, at)
		}
	}
}
