package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// mountDeadline ends a mount that a server does not answer; it is tried again.
const mountDeadline = 2 * time.Minute

// nfs mounts an export with the mount program of this machine, as the kubelet does, because it knows what server and
// kernel have to agree on. What is mounted already stays.
func (n Near) nfs(ctx context.Context, c *capsule.Capsule, v *capsule.Volume) (string, error) {
	dir := filepath.Join(n.disk(c.UUID), v.Name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	// Not by looking at the directory: a server that is gone would keep us.
	points, err := mountsUnder(n.disk(c.UUID))
	if err != nil || slices.Contains(points, dir) {
		return dir, err
	}
	options := slices.Clone(v.MountOptions)
	if v.NFS.ReadOnly || v.ReadOnly {
		options = append(options, "ro")
	}
	args := []string{"-t", "nfs"}
	if len(options) > 0 {
		args = append(args, "-o", strings.Join(options, ","))
	}
	server := v.NFS.Server
	if strings.Contains(server, ":") {
		server = "[" + server + "]"
	}
	args = append(args, server+":"+v.NFS.Path, dir)
	ctx, cancel := context.WithTimeout(ctx, mountDeadline)
	defer cancel()
	run := n.Command
	if run == nil {
		run = func(ctx context.Context, name string, args ...string) ([]byte, error) {
			return exec.CommandContext(ctx, name, args...).CombinedOutput()
		}
	}
	if out, err := run(ctx, "mount", args...); err != nil {
		return "", fmt.Errorf("mount failed: %w\nMounting command: mount\nMounting arguments: %s\nOutput: %s", err,
			strings.Join(args, " "), strings.TrimSpace(string(out)))
	}
	return dir, nil
}

// local checks a directory that is there and gives it to the capsule's fsGroup, as the kubelet does for volumes of the kind
// local and not for host paths (pkg/volume/local, pkg/volume/volume_linux.go).
func local(c *capsule.Capsule, v *capsule.Volume) error {
	info, err := os.Stat(v.Local.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("path %q does not exist", v.Local.Path)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("path %q is not a directory", v.Local.Path)
	}
	psc := c.Spec.SecurityContext
	if psc == nil || psc.FSGroup == nil {
		return nil
	}
	o := owner{group: int(*psc.FSGroup), file: 0o660, dir: 0o770 | fs.ModeSetgid}
	if v.ReadOnly {
		o.file, o.dir = 0o440, 0o550|fs.ModeSetgid
	}
	if p := psc.FSGroupChangePolicy; p != nil && *p == corev1.FSGroupChangeOnRootMismatch && o.has(info) {
		return nil
	}
	return o.take(v.Local.Path)
}

// owner is a group and what it may do at least.
type owner struct {
	group     int
	file, dir fs.FileMode
}

// bits are those that the group needs.
func (o owner) bits(info fs.FileInfo) fs.FileMode {
	if info.IsDir() {
		return o.dir
	}
	return o.file
}

// has says whether the group owns it and may do what it needs.
func (o owner) has(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Gid) == o.group && info.Mode()&o.bits(info) == o.bits(info)
}

// take gives the group everything below a directory, the directory itself last: it tells whether all was done.
func (o owner) take(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	give := func(path string, info fs.FileInfo) error {
		if info.Mode()&fs.ModeSymlink != 0 || o.has(info) {
			return nil
		}
		if err := root.Lchown(path, -1, o.group); err != nil {
			return err
		}
		return root.Chmod(path, info.Mode()|o.bits(info))
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		info, err := d.Info()
		if err == nil {
			err = give(path, info)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // its user removed it meanwhile
		}
		return err
	})
	if err != nil {
		return err
	}
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	return give(".", info)
}
