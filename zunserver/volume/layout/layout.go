// Package layout writes the files of a volume as the kubelet does it, so that an update is one rename: name -> ..data/name,
// ..data -> ..v<n>/. The old version goes after it. It also finds the part of a volume that a subPath names, without being
// led out of it.
//
// It runs where the files are: in this process for near hosts, in the sandbox for far ones. So it knows the operating system
// and nothing else.
package layout

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What the kubelet adds to the modes of a read-only volume with an fsGroup (pkg/volume/volume_linux.go).
const (
	groupFile = 0o440
	groupDir  = 0o550 | os.ModeSetgid
)

const (
	// dataLink is the link that makes the files of one version appear at once (kubelet: pkg/volume/util/atomic_writer.go).
	dataLink = "..data"
	// versions begin with this.
	versionPrefix = "..v"
)

// File is one file of a volume.
type File struct {
	// Path is relative to the volume; see [Check].
	Path    string
	Content []byte
	// Mode is the permission bits; nil: 0644.
	Mode *int32
	// User owns the file; nil: root.
	User *int64
}

// Check says whether every path stays in the volume and apart from what the layout itself is made of.
func Check(files []File) error {
	for _, f := range files {
		if p := filepath.Clean(f.Path); p == "." || filepath.IsAbs(p) || strings.HasPrefix(p, "..") {
			return fmt.Errorf("file path %q is outside of the volume", f.Path)
		}
	}
	return nil
}

// Writer writes files and directories that belong to a group; a negative one is none.
type Writer struct{ Group int64 }

// Update brings the files in dir, which is made if it is not there, to items: a new version beside the present one, one
// rename, and the old one goes. Readers see all of the old or all of the new.
func (w Writer) Update(dir string, items []File) error {
	if err := Check(items); err != nil {
		return err
	}
	if err := w.Mkdir(dir); err != nil {
		return err
	}
	current, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if current == "" || !w.same(filepath.Join(dir, current), items) {
		if current, err = w.version(dir, items); err != nil {
			return err
		}
		if err := link(current, filepath.Join(dir, dataLink)); err != nil {
			return err
		}
	}
	top := map[string]bool{}
	for _, f := range items {
		first, _, _ := strings.Cut(filepath.Clean(f.Path), string(filepath.Separator))
		top[first] = true
	}
	for name := range top {
		if err := link(filepath.Join(dataLink, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return sweep(dir, current, top)
}

// sweep removes links to files that are no more, and all versions but the current one.
func sweep(dir, current string, top map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), versionPrefix) && e.Name() != current:
			err = os.RemoveAll(path)
		case e.Type() == fs.ModeSymlink && !strings.HasPrefix(e.Name(), "..") && !top[e.Name()]:
			err = os.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// same says whether a version has exactly these files.
func (w Writer) same(version string, items []File) bool {
	left := map[string]File{}
	for _, f := range items {
		left[filepath.Clean(f.Path)] = f
	}
	err := filepath.WalkDir(version, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(version, path)
		if err != nil {
			return err
		}
		f, ok := left[rel]
		delete(left, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil && (!ok || info.Mode() != w.mode(f) || !bytes.Equal(content, f.Content)) {
			err = fs.SkipAll
			left[rel] = f
		}
		return err
	})
	return err == nil && len(left) == 0
}

// mode is the file's with what its group needs.
func (w Writer) mode(f File) os.FileMode {
	mode := os.FileMode(0o644)
	if f.Mode != nil {
		mode = os.FileMode(*f.Mode).Perm()
	}
	if w.Group >= 0 {
		mode |= groupFile
	}
	return mode
}

// version writes the files into a new directory in dir and returns its name.
func (w Writer) version(dir string, items []File) (string, error) {
	version, err := os.MkdirTemp(dir, versionPrefix)
	if err != nil {
		return "", err
	}
	if err := w.Mkdir(version); err != nil {
		return "", err
	}
	for _, f := range items {
		path := filepath.Clean(f.Path)
		parent := version
		for _, part := range strings.Split(filepath.Dir(path), string(filepath.Separator)) {
			parent = filepath.Join(parent, part)
			if err := w.Mkdir(parent); err != nil {
				return "", err
			}
		}
		if err := w.write(filepath.Join(version, path), f); err != nil {
			return "", err
		}
	}
	return filepath.Base(version), nil
}

// Mkdir makes a directory, if there is none, that everybody may enter, whatever our umask is.
func (w Writer) Mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	mode := os.FileMode(0o755)
	if w.Group >= 0 {
		mode |= groupDir
		if err := os.Lchown(dir, -1, int(w.Group)); err != nil {
			return err
		}
	}
	return os.Chmod(dir, mode)
}

func (w Writer) write(path string, f File) error {
	if err := os.WriteFile(path, f.Content, 0o600); err != nil {
		return err
	}
	user := -1
	if f.User != nil {
		user = int(*f.User)
	}
	if err := os.Lchown(path, user, int(w.Group)); err != nil {
		return err
	}
	return os.Chmod(path, w.mode(f))
}

// link points name at target in one step, if it does not yet. The name that it takes meanwhile cannot be that of a file.
func link(target, name string) error {
	if now, err := os.Readlink(name); err == nil && now == target {
		return nil
	}
	tmp := filepath.Join(filepath.Dir(name), "..tmp")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	if info, err := os.Lstat(name); err == nil && info.IsDir() {
		_ = os.Remove(name) // what a subPath made when the file was not there; the rename says if it is not empty
	}
	return os.Rename(tmp, name)
}

// OpenTo makes a directory one that every container may write to, with the modes that the kubelet gives an emptyDir
// (pkg/volume/emptydir); a negative group is none.
func OpenTo(dir string, group int64) error {
	mode := os.FileMode(0o777)
	if group >= 0 {
		if err := os.Lchown(dir, -1, int(group)); err != nil {
			return err
		}
		mode |= os.ModeSetgid
	}
	return os.Chmod(dir, mode)
}

// kinds are the types of hostPath with the kubelet's word for what a path is not.
var kinds = map[string]struct {
	mode os.FileMode
	word string
}{
	"Directory": {os.ModeDir, "directory"}, "DirectoryOrCreate": {os.ModeDir, "directory"},
	"File": {0, "file"}, "FileOrCreate": {0, "file"}, "Socket": {os.ModeSocket, "socket file"},
	"CharDevice":  {os.ModeDevice | os.ModeCharDevice, "character device"},
	"BlockDevice": {os.ModeDevice, "block device"},
}

// CheckType says whether what is at place, called path in the error, is of a hostPath type (pkg/volume/hostpath).
func CheckType(place, path, kind string) error {
	want, ok := kinds[kind]
	if !ok && kind != "" {
		return fmt.Errorf("hostPath.type %q is unknown", kind)
	}
	info, err := os.Stat(place)
	switch {
	case ok && errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("hostPath type check failed: %s is not a %s", path, want.word)
	case err != nil:
		return fmt.Errorf("hostPath type check failed: %w", err)
	case ok && info.Mode().Type() != want.mode:
		return fmt.Errorf("hostPath type check failed: %s is not a %s", path, want.word)
	}
	return nil
}
