package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Limited says whether the capsule has a volume that [Near.Overfull] looks at.
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

// Overfull says, in the kubelet's words (pkg/kubelet/eviction), which emptyDir of the capsule takes more of the disk than
// its sizeLimit; empty when none does.
func (n Near) Overfull(c *capsule.Capsule) (string, error) {
	for i := range c.Spec.Volumes {
		v := &c.Spec.Volumes[i]
		if !limited(v) {
			continue
		}
		used, err := usage(filepath.Join(n.disk(c.UUID), v.Name))
		if err != nil {
			return "", fmt.Errorf("measuring volume %q: %w", v.Name, err)
		}
		if used > v.EmptyDir.SizeLimit.Value() {
			return fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, v.EmptyDir.SizeLimit.String()), nil
		}
	}
	return "", nil
}

// usage is how many bytes of the disk the files below dir take; a file with several names counts once.
func usage(dir string) (int64, error) {
	type file struct{ dev, ino uint64 }
	var sum int64
	linked := map[file]bool{}
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // its container removed it meanwhile
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		s, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		if id := (file{uint64(s.Dev), s.Ino}); s.Nlink > 1 && !d.IsDir() { //nolint:unconvert // int32 on some systems
			if linked[id] {
				return nil
			}
			linked[id] = true
		}
		sum += s.Blocks * 512
		return nil
	})
	return sum, err
}
