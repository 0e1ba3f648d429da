package volume

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/volume/layout"
)

// filesOf are the files of a volume, checked.
func filesOf(v *capsule.Volume) ([]layout.File, error) {
	files := make([]layout.File, 0, len(v.Files.Items))
	for _, f := range v.Files.Items {
		files = append(files, layout.File{Path: f.Path, Content: f.Content, Mode: f.Mode, User: f.User})
	}
	if err := layout.Check(files); err != nil {
		return nil, fmt.Errorf("%w: %w", errdefs.ErrInvalidArgument, err)
	}
	return files, nil
}

// fsGroup is the capsule's group for volumes, -1 for none.
func fsGroup(s *capsule.Spec) int64 {
	if s.SecurityContext != nil && s.SecurityContext.FSGroup != nil {
		return *s.SecurityContext.FSGroup
	}
	return -1
}

// files lays out a FilesVolume, or changes it to what it should be now.
func (n Near) files(c *capsule.Capsule, v *capsule.Volume) (string, error) {
	dir := filepath.Join(n.disk(c.UUID), v.Name)
	if v.Files.Sensitive {
		dir = filepath.Join(n.memory(c.UUID), v.Name)
	}
	files, err := filesOf(v)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	w := layout.Writer{Group: fsGroup(&c.Spec)}
	if v.Files.Sensitive {
		if err := w.Mkdir(dir); err != nil {
			return "", err
		}
		if err := inMemory(dir); err != nil {
			return "", err
		}
	}
	return dir, w.Update(dir, files)
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
