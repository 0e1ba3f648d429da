package volume

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// HostsMount implements Driver: the engine shows every container of a capsule the sandbox's own /etc/hosts.
func (f *Far) HostsMount(*capsule.Capsule) ([]runtime.Mount, error) { return nil, nil }

// lastWords is the file for the termination message of an attempt, in the sandbox.
func lastWords(container string, attempt int) string {
	return path.Join(dir(own), fmt.Sprintf("%s.%d", container, attempt))
}

// TerminationMount implements Driver.
func (f *Far) TerminationMount(ctx context.Context, c *capsule.Capsule, s Sandbox, container string, attempt int) (runtime.Mount, error) {
	if err := f.Fill(ctx, c, s); err != nil {
		return runtime.Mount{}, err
	}
	k, file := f.of(c.UUID), lastWords(container, attempt)
	if !k.touched[file] {
		if _, err := f.run(ctx, s.ID, map[string]any{"touch": []string{file}}, "fill"); err != nil {
			return runtime.Mount{}, err
		}
		k.touched[file] = true
	}
	return runtime.Mount{Kind: runtime.MountBind, Source: path.Join(k.points[engineName(c.UUID, own)], path.Base(file))}, nil
}

// TerminationMessage implements Driver, through the archive of the container.
func (f *Far) TerminationMessage(ctx context.Context, c *capsule.Capsule, container string, _ int, id string, limit int64) ([]byte, error) {
	cs, _ := c.Spec.Container(container)
	if cs == nil {
		return nil, nil
	}
	archive, _, err := f.host.CopyFrom(ctx, id, cs.TerminationMessagePath)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	r := tar.NewReader(archive)
	if _, err := r.Next(); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, limit))
}

// SubPath implements Driver. The sandbox finds what the path leads to, and the engine mounts that by its path on the host.
// Between the two nobody may move it, so this works for volumes that containers cannot write to and for those where no
// other container can write to a directory on the way.
func (f *Far) SubPath(ctx context.Context, c *capsule.Capsule, s Sandbox, sub SubPath) (runtime.Mount, error) {
	cs, _ := c.Spec.Container(sub.Container)
	if cs == nil || sub.Index >= len(cs.VolumeMounts) {
		return runtime.Mount{}, fmt.Errorf("%w: container %q has no such volume mount", errdefs.ErrInvalidArgument, sub.Container)
	}
	name := cs.VolumeMounts[sub.Index].Name
	field := fmt.Sprintf("volumeMounts[%d].subPath", sub.Index)
	if sub.Recursive {
		return runtime.Mount{}, fmt.Errorf("%w: volumeMounts[%d].recursiveReadOnly: only where capsulet shares the host's file system",
			errdefs.ErrInvalidArgument, sub.Index)
	}
	if sub.Volume.Kind != runtime.MountNamed {
		return runtime.Mount{}, fmt.Errorf("%w: %s: a part of a hostPath can be mounted only where capsulet shares the host's "+
			"file system: name the part in hostPath.path", errdefs.ErrInvalidArgument, field)
	}
	if !sub.Volume.ReadOnly {
		if other := whoCanMove(&c.Spec, cs, name, path.Clean(sub.Path)); other != "" {
			return runtime.Mount{}, fmt.Errorf("%w: %s: container %q can write to the directories on the way to it while this one "+
				"starts, which is safe only where capsulet shares the host's file system: give it a subPath of its own or readOnly",
				errdefs.ErrInvalidArgument, field, other)
		}
	}
	if err := f.Fill(ctx, c, s); err != nil {
		return runtime.Mount{}, err
	}
	out, err := f.run(ctx, s.ID, nil, "subpath", dir(name), sub.Path)
	if err != nil {
		return runtime.Mount{}, err
	}
	var found string
	if err := json.Unmarshal(out, &found); err != nil {
		return runtime.Mount{}, fmt.Errorf("finding the subPath: %w", err)
	}
	m := sub.Volume
	m.Kind, m.Source = runtime.MountBind, path.Join(f.of(c.UUID).points[sub.Volume.Source], found)
	return m, nil
}

// whoCanMove returns the container that may run while cs starts and that can write to a directory on the way to a part of a
// volume; empty when there is none.
func whoCanMove(s *capsule.Spec, cs *capsule.ContainerSpec, volume, part string) string {
	_, init := s.Container(cs.Name)
	for _, other := range all(s) {
		_, early := s.Container(other.Name)
		if other.Name == cs.Name || early && !other.Sidecar() && !init {
			continue // it has ended by then
		}
		for _, vm := range other.VolumeMounts {
			root := path.Clean("/" + vm.SubPath)[1:]
			if vm.Name != volume || vm.ReadOnly {
				continue
			}
			// What is mounted into the other is itself out of its reach; what lies beneath is not.
			if vm.SubPathExpr != "" || root == "" || strings.HasPrefix(part, root+"/") {
				return other.Name
			}
		}
	}
	return ""
}

// measureAgain is how old a measurement of a volume may be: measuring costs a command in the sandbox.
const measureAgain = 30 * time.Second

// measured is what the volumes of a capsule took of the disk, by name.
type measured struct {
	at   time.Time
	used map[string]int64
	err  error
}

// Overfull implements Driver.
func (f *Far) Overfull(ctx context.Context, c *capsule.Capsule) (string, error) {
	used, err := f.measure(ctx, c)
	if err != nil {
		return "", err
	}
	for i := range c.Spec.Volumes {
		v := &c.Spec.Volumes[i]
		if n, ok := used[v.Name]; ok && limited(v) {
			if why := over(v, n); why != "" {
				return why, nil
			}
		}
	}
	return "", nil
}

// Used implements Driver, for what is on the disk.
func (f *Far) Used(ctx context.Context, c *capsule.Capsule) (all []capsule.VolumeStorage, err error) {
	used, err := f.measure(ctx, c)
	for i := range c.Spec.Volumes {
		if n, ok := used[c.Spec.Volumes[i].Name]; ok {
			all = append(all, capsule.VolumeStorage{Name: c.Spec.Volumes[i].Name, UsedBytes: uint64(n), Ephemeral: true})
		}
	}
	return all, err
}

// measure looks at every emptyDir on the disk, unless it did so not long ago.
func (f *Far) measure(ctx context.Context, c *capsule.Capsule) (map[string]int64, error) {
	f.mu.Lock()
	k := f.known[c.UUID]
	if k == nil || k.sandbox == "" || time.Since(k.measured.at) < measureAgain {
		defer f.mu.Unlock()
		if k == nil {
			return nil, nil
		}
		return k.measured.used, k.measured.err
	}
	k.measured.at = time.Now()
	f.mu.Unlock()
	used, err := f.usage(ctx, c)
	f.mu.Lock()
	defer f.mu.Unlock()
	k.measured.used, k.measured.err = used, err
	return used, err
}

func (f *Far) usage(ctx context.Context, c *capsule.Capsule) (map[string]int64, error) {
	var names []string
	args := []string{"usage"}
	for i := range c.Spec.Volumes {
		if v := &c.Spec.Volumes[i]; v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumDefault {
			names, args = append(names, v.Name), append(args, dir(v.Name))
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	out, err := f.run(ctx, c.Facts.Sandbox.ID, nil, args...)
	if err != nil {
		return nil, fmt.Errorf("measuring volumes: %w", err)
	}
	var bytes []int64
	if err := json.Unmarshal(out, &bytes); err != nil || len(bytes) != len(names) {
		return nil, fmt.Errorf("measuring volumes: the answer %q does not fit: %w", out, err)
	}
	used := make(map[string]int64, len(names))
	for i, name := range names {
		used[name] = bytes[i]
	}
	return used, nil
}
