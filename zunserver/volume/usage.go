package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/volume/layout"
)

// Limited says whether the capsule has a volume that Overfull looks at.
func Limited(s *capsule.Spec) bool {
	for i := range s.Volumes {
		if limited(&s.Volumes[i]) {
			return true
		}
	}
	return false
}

// limited volumes are on a disk; the kernel itself keeps those in memory to their size.
func limited(v *capsule.Volume) bool {
	e := v.EmptyDir
	return e != nil && e.Medium == corev1.StorageMediumDefault && e.SizeLimit != nil && e.SizeLimit.Sign() > 0
}

// Overfull implements Driver.
func (n Near) Overfull(_ context.Context, c *capsule.Capsule) (string, error) {
	for i := range c.Spec.Volumes {
		v := &c.Spec.Volumes[i]
		if !limited(v) {
			continue
		}
		used, err := layout.Usage(filepath.Join(n.disk(c.UUID), v.Name))
		if err != nil {
			return "", fmt.Errorf("measuring volume %q: %w", v.Name, err)
		}
		if why := over(v, used); why != "" {
			return why, nil
		}
	}
	return "", nil
}

// over is what there is to say of a limited volume that takes so many bytes; empty when it may.
func over(v *capsule.Volume, used int64) string {
	if used <= v.EmptyDir.SizeLimit.Value() {
		return ""
	}
	return fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, v.EmptyDir.SizeLimit.String())
}

// Used implements Driver, as the kubelet measures (pkg/volume, MetricsProvider): what is the capsule's own by its files, what
// has a file system of its own by that. Of a HostPath nothing is said; an NFS server may not answer, and is not asked.
func (n Near) Used(_ context.Context, c *capsule.Capsule) (all []capsule.VolumeStorage, err error) {
	for i := range c.Spec.Volumes {
		v := &c.Spec.Volumes[i]
		on := capsule.VolumeStorage{Name: v.Name}
		disk, memory := filepath.Join(n.disk(c.UUID), v.Name), filepath.Join(n.memory(c.UUID), v.Name)
		there := true
		switch {
		case v.Local != nil:
			there, err = fileSystem(v.Local.Path, &on, true)
		case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory:
			there, err = fileSystem(memory, &on, true)
		case v.EmptyDir != nil || v.Files != nil:
			if there, err = ownFiles(disk, &on); there || err != nil {
				on.Ephemeral = true
			} else if v.Files != nil { // sensitive ones
				there, err = ownFiles(memory, &on)
			}
		default:
			there = false
		}
		if err != nil {
			return nil, fmt.Errorf("measuring volume %q: %w", v.Name, err)
		}
		if there {
			all = append(all, on)
		}
	}
	return all, nil
}

// ownFiles measures the files below a directory.
func ownFiles(dir string, on *capsule.VolumeStorage) (there bool, err error) {
	bytes, there, err := Usage(dir)
	if !there || err != nil {
		return there, err
	}
	on.UsedBytes = uint64(bytes)
	return fileSystem(dir, on, false)
}

// fileSystem tells of the one that a directory is on; whole says that what is used of it is used of the volume.
func fileSystem(dir string, on *capsule.VolumeStorage, whole bool) (there bool, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	block := uint64(s.Bsize) //nolint:unconvert // signed on some systems
	on.CapacityBytes, on.AvailableBytes, on.Inodes, on.InodesFree = s.Blocks*block, s.Bavail*block, s.Files, s.Ffree
	if whole {
		on.UsedBytes = (s.Blocks - s.Bfree) * block
	}
	return true, nil
}

// Usage is how many bytes of the disk a file or the files below a directory take; there is false when it does not exist.
func Usage(path string) (bytes int64, there bool, err error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	bytes, err = layout.Usage(path)
	return bytes, true, err
}
