package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/capsule"
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

// files lays out a FilesVolume, or changes it to what it should be now: readers see all of the old or all of the new.
func (n Near) files(c *capsule.Capsule, v *capsule.Volume) (string, error) {
	dir := filepath.Join(n.disk(c.UUID), v.Name)
	if v.Files.Sensitive {
		dir = filepath.Join(n.memory(c.UUID), v.Name)
	}
	for i := range v.Files.Items {
		if p := filepath.Clean(v.Files.Items[i].Path); p == "." || filepath.IsAbs(p) || strings.HasPrefix(p, "..") {
			return "", fmt.Errorf("%w: file path %q is outside of the volume", errdefs.ErrInvalidArgument, v.Files.Items[i].Path)
		}
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	w := writer{group: -1}
	if psc := c.Spec.SecurityContext; psc != nil && psc.FSGroup != nil {
		w.group = int(*psc.FSGroup)
	}
	if err := w.mkdir(dir); err != nil {
		return "", err
	}
	if v.Files.Sensitive {
		if err := inMemory(dir); err != nil {
			return "", err
		}
		if err := w.mkdir(dir); err != nil { // of the new mount
			return "", err
		}
	}
	return dir, w.update(dir, v.Files.Items)
}

// writer writes files and directories that belong to a group; -1 for none.
type writer struct{ group int }

// update brings the files in dir to items: a new version beside the present one, one rename, and the old one goes.
func (w writer) update(dir string, items []capsule.File) error {
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
func (w writer) same(version string, items []capsule.File) bool {
	left := map[string]capsule.File{}
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
func (w writer) mode(f capsule.File) os.FileMode {
	mode := os.FileMode(0o644)
	if f.Mode != nil {
		mode = os.FileMode(*f.Mode).Perm()
	}
	if w.group >= 0 {
		mode |= groupFile
	}
	return mode
}

// version writes the files into a new directory in dir and returns its name.
func (w writer) version(dir string, items []capsule.File) (string, error) {
	version, err := os.MkdirTemp(dir, versionPrefix)
	if err != nil {
		return "", err
	}
	if err := w.mkdir(version); err != nil {
		return "", err
	}
	for _, f := range items {
		path := filepath.Clean(f.Path)
		parent := version
		for _, part := range strings.Split(filepath.Dir(path), string(filepath.Separator)) {
			parent = filepath.Join(parent, part)
			if err := w.mkdir(parent); err != nil {
				return "", err
			}
		}
		if err := w.write(filepath.Join(version, path), f); err != nil {
			return "", err
		}
	}
	return filepath.Base(version), nil
}

// mkdir makes a directory, if there is none, that everybody may enter, whatever our umask is.
func (w writer) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	mode := os.FileMode(0o755)
	if w.group >= 0 {
		mode |= groupDir
		if err := os.Lchown(dir, -1, w.group); err != nil {
			return err
		}
	}
	return os.Chmod(dir, mode)
}

func (w writer) write(path string, f capsule.File) error {
	if err := os.WriteFile(path, f.Content, 0o600); err != nil {
		return err
	}
	user := -1
	if f.User != nil {
		user = int(*f.User)
	}
	if err := os.Lchown(path, user, w.group); err != nil {
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

// inMemory makes sure that what is written to dir reaches no disk: where the run directory is not on a tmpfs, the volume
// gets one of its own, as the kubelet gives every secret.
func inMemory(dir string) error {
	is, err := onTmpfs(dir)
	if is || err != nil {
		return err
	}
	if err := mountTmpfs(dir, "mode=0755"); err != nil {
		return fmt.Errorf("%w: secrets must not reach a disk, %s is not on a tmpfs and none can be mounted there (%w): "+
			"set runDir to a directory on a tmpfs", errdefs.ErrFailedPrecondition, dir, err)
	}
	return nil
}

func onTmpfs(dir string) (bool, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return false, fmt.Errorf("looking at the run directory: %w", err)
	}
	return s.Type == unix.TMPFS_MAGIC, nil
}
