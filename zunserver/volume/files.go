package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// dataLink is the link that makes the files of one version appear at once (kubelet: pkg/volume/util/atomic_writer.go).
const dataLink = "..data"

// files lays out a FilesVolume; one that is there already is left alone.
func (n Near) files(c *capsule.Capsule, v *capsule.Volume) (string, error) {
	dir := filepath.Join(n.disk(c.UUID), v.Name)
	if v.Files.Sensitive {
		dir = filepath.Join(n.memory(c.UUID), v.Name)
	}
	if _, err := os.Lstat(filepath.Join(dir, dataLink)); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	if err := makeDirs(dir, "."); err != nil {
		return "", err
	}
	if v.Files.Sensitive {
		if err := inMemory(dir); err != nil {
			return "", err
		}
	}
	group := -1
	if psc := c.Spec.SecurityContext; psc != nil && psc.FSGroup != nil {
		group = int(*psc.FSGroup)
	}
	return dir, writeVersion(dir, v.Files.Items, group)
}

// writeVersion writes the files into a directory of their own and links them into dir.
func writeVersion(dir string, items []capsule.File, group int) error {
	version, err := os.MkdirTemp(dir, "..v")
	if err != nil {
		return err
	}
	if err := os.Chmod(version, 0o755); err != nil {
		return err
	}
	top := map[string]bool{}
	for _, f := range items {
		p := filepath.Clean(f.Path)
		if p == "." || filepath.IsAbs(p) || strings.HasPrefix(p, "..") {
			return fmt.Errorf("%w: file path %q is outside of the volume", errdefs.ErrInvalidArgument, f.Path)
		}
		if err := writeFile(version, p, f, group); err != nil {
			return err
		}
		first, _, _ := strings.Cut(p, string(filepath.Separator))
		top[first] = true
	}
	for name := range top {
		if err := link(filepath.Join(dataLink, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return link(filepath.Base(version), filepath.Join(dir, dataLink))
}

// makeDirs makes root and the directories of the path below it such that everybody may enter, whatever our umask is.
func makeDirs(root, path string) error {
	dir := root
	for _, part := range strings.Split(path, string(filepath.Separator)) {
		dir = filepath.Join(dir, part)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(version, p string, f capsule.File, group int) error {
	full := filepath.Join(version, p)
	if err := makeDirs(version, filepath.Dir(p)); err != nil {
		return err
	}
	mode := os.FileMode(f.Mode).Perm()
	if f.Mode == 0 {
		mode = 0o644
	}
	if group >= 0 {
		mode |= 0o440 // the group may read what it owns (kubelet: fsGroup on projected files)
	}
	if err := os.WriteFile(full, f.Content, 0o600); err != nil {
		return err
	}
	if group >= 0 {
		if err := os.Lchown(full, -1, group); err != nil {
			return err
		}
	}
	return os.Chmod(full, mode)
}

// link points name at target in one step. The name that it takes meanwhile cannot be that of a file.
func link(target, name string) error {
	tmp := filepath.Join(filepath.Dir(name), "..tmp")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
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
