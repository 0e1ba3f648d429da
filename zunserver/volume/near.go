package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/volume/layout"
)

// Near keeps volumes in directories of this machine.
type Near struct {
	// StateDir is on a disk, RunDir better on a tmpfs; both are capsulet's own.
	StateDir, RunDir string
	// Command runs a program of this machine and returns what it printed; nil: really.
	Command func(ctx context.Context, name string, args ...string) ([]byte, error)
}

var _ Driver = Near{}

// Prepare implements Driver.
func (n Near) Prepare(ctx context.Context, c *capsule.Capsule) (map[string]runtime.Mount, error) {
	mounts := make(map[string]runtime.Mount, len(c.Spec.Volumes))
	for i := range c.Spec.Volumes {
		v := &c.Spec.Volumes[i]
		source, err := n.prepare(ctx, c, v)
		if err != nil {
			return nil, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err) // the kubelet's words
		}
		mounts[v.Name] = runtime.Mount{Kind: runtime.MountBind, Source: source, ReadOnly: v.Files != nil || v.ReadOnly}
	}
	return mounts, nil
}

func (n Near) prepare(ctx context.Context, c *capsule.Capsule, v *capsule.Volume) (string, error) {
	switch {
	case v.EmptyDir != nil:
		return n.emptyDir(c, v)
	case v.HostPath != nil:
		return v.HostPath.Path, hostPath(v.HostPath)
	case v.Files != nil:
		return n.files(c, v)
	case v.Local != nil:
		return v.Local.Path, local(c, v)
	case v.NFS != nil:
		return n.nfs(ctx, c, v)
	default:
		return "", fmt.Errorf("%w: it has no source that this server knows", errdefs.ErrInvalidArgument)
	}
}

func (n Near) disk(uuid string) string   { return filepath.Join(n.StateDir, "volumes", uuid) }
func (n Near) memory(uuid string) string { return filepath.Join(n.RunDir, "volumes", uuid) }

func (n Near) emptyDir(c *capsule.Capsule, v *capsule.Volume) (string, error) {
	if v.EmptyDir.Medium != corev1.StorageMediumMemory && v.EmptyDir.Medium != corev1.StorageMediumDefault {
		return "", fmt.Errorf("%w: emptyDir.medium %q is not supported", errdefs.ErrInvalidArgument, v.EmptyDir.Medium)
	}
	inMemory := v.EmptyDir.Medium == corev1.StorageMediumMemory
	dir := filepath.Join(n.disk(c.UUID), v.Name)
	if inMemory {
		dir = filepath.Join(n.memory(c.UUID), v.Name)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	err := os.Mkdir(dir, 0o777)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if inMemory {
		options := "mode=0777"
		if size := memoryLimit(&c.Spec, v.EmptyDir); size > 0 {
			options += fmt.Sprintf(",size=%d", size)
		}
		if err := mountTmpfs(dir, options); err != nil {
			return "", err
		}
	}
	return dir, layout.OpenTo(dir, fsGroup(&c.Spec))
}

// mountTmpfs mounts a tmpfs at dir unless there is one.
func mountTmpfs(dir, options string) error {
	is, err := mounted(dir)
	if is || err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NODEV|unix.MS_NOSUID, options); err != nil {
		return fmt.Errorf("mounting a tmpfs: %w", err)
	}
	return nil
}

// mounted says whether dir is the root of a mount.
func mounted(dir string) (bool, error) {
	var d, p unix.Stat_t
	if err := unix.Lstat(dir, &d); err != nil {
		return false, err
	}
	if err := unix.Lstat(filepath.Dir(dir), &p); err != nil {
		return false, err
	}
	return d.Dev != p.Dev, nil
}

// hostPath makes what may be made and checks the type as the kubelet does (pkg/volume/hostpath).
func hostPath(h *corev1.HostPathVolumeSource) error {
	kind := corev1.HostPathUnset
	if h.Type != nil {
		kind = *h.Type
	}
	if _, err := os.Stat(h.Path); errors.Is(err, os.ErrNotExist) {
		switch kind {
		case corev1.HostPathUnset, corev1.HostPathDirectoryOrCreate:
			return os.MkdirAll(h.Path, 0o755)
		case corev1.HostPathFileOrCreate:
			f, err := os.OpenFile(h.Path, os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				return err
			}
			return f.Close()
		}
	}
	return layout.CheckType(h.Path, h.Path, string(kind))
}

// SandboxMounts implements Driver: the sandbox needs nothing.
func (n Near) SandboxMounts(*capsule.Capsule) []runtime.Mount { return nil }

// Remove implements Driver.
func (n Near) Remove(_ context.Context, uuid string) error {
	// It may come from a label, which anybody can write: ".." would be the state directory.
	if !filepath.IsLocal(uuid) || filepath.Base(uuid) != uuid || uuid == "." {
		return fmt.Errorf("%w: %q is not a capsule's UUID", errdefs.ErrInvalidArgument, uuid)
	}
	for _, dir := range []string{n.memory(uuid), n.disk(uuid)} {
		if err := RemoveTree(dir); err != nil {
			return err
		}
	}
	return nil
}

// memoryLimit is the size of an emptyDir in memory: its limit or, when that is less, what the containers may use together
// (kubelet: pkg/volume/emptydir, calculateEmptyDirMemorySize); 0 is no limit.
func memoryLimit(s *capsule.Spec, e *corev1.EmptyDirVolumeSource) int64 {
	var sum int64
	if whole, ok := s.Resources.Limits[corev1.ResourceMemory]; ok {
		return least(whole.Value(), e)
	}
	for i := range s.Containers {
		limit := s.Containers[i].Resources.Limits.Memory().Value()
		if limit == 0 {
			sum = 0
			break
		}
		sum += limit
	}
	return least(sum, e)
}

// least is the lesser of a limit and the volume's own, where 0 is none.
func least(limit int64, e *corev1.EmptyDirVolumeSource) int64 {
	if e.SizeLimit == nil || e.SizeLimit.Sign() <= 0 {
		return limit
	}
	if size := e.SizeLimit.Value(); limit == 0 || size < limit {
		return size
	}
	return limit
}

// TerminationMount implements Driver.
func (n Near) TerminationMount(_ context.Context, c *capsule.Capsule, _ Sandbox, container string, attempt int) (runtime.Mount, error) {
	path := n.terminationLog(c.UUID, container, attempt)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return runtime.Mount{}, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY|unix.O_NOFOLLOW, 0o666)
	if err != nil {
		return runtime.Mount{}, err
	}
	return runtime.Mount{Kind: runtime.MountBind, Source: path}, errors.Join(f.Chmod(0o666), f.Close())
}

func (n Near) terminationLog(uuid, container string, attempt int) string {
	return filepath.Join(n.disk(uuid), "..termination", fmt.Sprintf("%s.%d", container, attempt))
}

// TerminationMessage implements Driver.
func (n Near) TerminationMessage(_ context.Context, c *capsule.Capsule, container string, attempt int, _ string, limit int64) ([]byte, error) {
	f, err := os.Open(n.terminationLog(c.UUID, container, attempt))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
