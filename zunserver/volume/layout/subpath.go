package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrMissing says that a subPath was not there and could not be made.
var ErrMissing = errors.New("the subPath could not be made")

// Open opens what sub leads to beneath the volume, as a place and not to be read; missing directories are made. The kernel
// sees to it that nothing leads out, whoever else writes to the volume meanwhile.
func Open(volume, sub string) (int, error) {
	sub = filepath.Clean(sub)
	if !filepath.IsLocal(sub) {
		return -1, fmt.Errorf("subPath %q leaves the volume", sub)
	}
	if err := makeMissing(volume, sub); err != nil {
		return -1, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	root, err := unix.Open(volume, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening the volume: %w", err)
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, sub, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, fmt.Errorf("opening %q in the volume: %w", sub, err)
	}
	return fd, nil
}

// Resolve returns where sub leads to beneath the volume, as a path without links in it.
func Resolve(volume, sub string) (string, error) {
	fd, err := Open(volume, sub)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	full, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return "", fmt.Errorf("finding %q in the volume: %w", sub, err)
	}
	if volume, err = filepath.EvalSymlinks(volume); err != nil {
		return "", fmt.Errorf("finding the volume: %w", err)
	}
	rel, err := filepath.Rel(volume, full)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("subPath %q leads to %s, out of the volume", sub, full)
	}
	return rel, nil
}

// makeMissing makes the directories of sub that are not there, with the mode of the volume's root, as the kubelet does.
func makeMissing(volume, sub string) error {
	root, err := os.OpenRoot(volume)
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := root.Stat(sub); !errors.Is(err, fs.ErrNotExist) {
		return nil // whatever else it is, opening it will say
	}
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	path := ""
	for part := range strings.SplitSeq(sub, "/") {
		path = filepath.Join(path, part)
		err := root.Mkdir(path, info.Mode().Perm())
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = root.Chmod(path, info.Mode()&(fs.ModePerm|fs.ModeSetgid)) // whatever our umask is
		}
		if err != nil {
			return err
		}
	}
	return nil
}
