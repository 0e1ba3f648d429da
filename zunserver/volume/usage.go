package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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

// Used is how many bytes of the disk the volumes of a capsule take, those in memory and those that are somebody else's left
// out.
func (n Near) Used(_ context.Context, c *capsule.Capsule) (int64, error) {
	var sum int64
	for i := range c.Spec.Volumes {
		v := &c.Spec.Volumes[i]
		if v.EmptyDir == nil && v.Files == nil {
			continue
		}
		bytes, _, err := Usage(filepath.Join(n.disk(c.UUID), v.Name)) // one in memory is not there
		if err != nil {
			return 0, fmt.Errorf("measuring volume %q: %w", v.Name, err)
		}
		sum += bytes
	}
	return sum, nil
}

// Usage is how many bytes of the disk a file or the files below a directory take; there is false when it does not exist.
func Usage(path string) (bytes int64, there bool, err error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	bytes, err = layout.Usage(path)
	return bytes, true, err
}
