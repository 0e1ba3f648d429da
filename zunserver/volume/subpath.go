package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/volume/layout"
)

// subPaths is the directory of a capsule that has a bind mount for each subPath and each mount that is recursively read-only.
const subPaths = "..subpath"

// SubPath implements Driver. What the path leads to is opened beneath the volume once, by the kernel, and the bind mount is
// made of what was opened: nobody who writes to the volume can move it elsewhere in between.
func (n Near) SubPath(_ context.Context, c *capsule.Capsule, _ Sandbox, sub SubPath) (runtime.Mount, error) {
	if !filepath.IsLocal(filepath.Clean(sub.Path)) {
		return runtime.Mount{}, fmt.Errorf("%w: subPath %q leaves the volume", errdefs.ErrInvalidArgument, sub.Path)
	}
	if info, err := os.Stat(sub.Volume.Source); sub.Path == "." && err == nil && !info.IsDir() {
		return sub.Volume, nil // nothing is mounted below a file
	}
	fd, err := layout.Open(sub.Volume.Source, sub.Path)
	if err != nil {
		return runtime.Mount{}, err
	}
	defer unix.Close(fd)
	target := filepath.Join(n.disk(c.UUID), subPaths, sub.Container, strconv.Itoa(sub.Index))
	if err := mountPoint(target, fd); err != nil {
		return runtime.Mount{}, err
	}
	flags := uintptr(unix.MS_BIND)
	if sub.Recursive {
		flags |= unix.MS_REC
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), target, "", flags, ""); err != nil {
		return runtime.Mount{}, fmt.Errorf("mounting %q of the volume: %w", sub.Path, err)
	}
	if sub.Recursive {
		readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &readOnly); err != nil {
			return runtime.Mount{}, fmt.Errorf("making %q of the volume read-only with all below it: %w", sub.Path, err)
		}
	}
	m := sub.Volume
	m.Source = target
	return m, nil
}

// mountPoint makes target something that what fd is can be mounted on. What an earlier attempt of the container mounted
// there is taken off; that attempt, should it live, has a mount of its own.
func mountPoint(target string, fd int) error {
	if err := RemoveTree(target); err != nil {
		return err
	}
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return err
	}
	if s.Mode&unix.S_IFMT == unix.S_IFDIR {
		return os.MkdirAll(target, 0o700)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// RemoveTree removes a directory after taking off what is mounted in it: the files of others, which must not be removed.
// Whoever removes a state or run directory of capsulet does it with this.
func RemoveTree(dir string) error {
	if err := unmountUnder(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// unmountUnder takes off every mount at dir and below it, and fails when one stays: what is removed afterwards must not be
// what is mounted there.
func unmountUnder(dir string) error {
	for range 100 { // mounts may lie on each other
		points, err := mountsUnder(dir)
		if err != nil || len(points) == 0 {
			return err
		}
		for i := len(points) - 1; i >= 0; i-- { // what was mounted last first
			if err := unix.Unmount(points[i], unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("unmounting %s: %w", points[i], err)
			}
		}
	}
	return fmt.Errorf("unmounting what is mounted in %s: there is always more", dir)
}

// mountsUnder returns the mount points at dir and below it in the order in which they were mounted.
func mountsUnder(dir string) ([]string, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("looking for mounts: %w", err)
	}
	var points []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		if point == dir || strings.HasPrefix(point, dir+"/") {
			points = append(points, point)
		}
	}
	return points, nil
}

// unescape undoes the kernel's octal escapes of blanks and backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
