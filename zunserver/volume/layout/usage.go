package layout

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// Usage is how many bytes of the disk the files below dir take; a file with several names counts once.
func Usage(dir string) (int64, error) {
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
