package volume

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/inside"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// FarHost is what [Far] asks of a host.
type FarHost interface {
	runtime.Containers
	runtime.Streams
	runtime.Volumes
}

// execs is how many commands are run in the sandboxes of a host at a time: each costs the engine about 50 ms of CPU.
const execs = 4

// Far keeps volumes in the engine of a host whose file system is out of reach, and works on them in the sandbox. Make it with
// NewFar.
type Far struct {
	host  FarHost
	slots chan struct{}

	mu    sync.Mutex
	known map[string]*known // by capsule
}

// known is what was done for a capsule. Its actions, which come one after another, are the only ones that write to it, but
// for what was measured; sandbox and measured are read beside them and have the lock of the driver.
type known struct {
	// points are the mount points of its volumes on the host, by the engine's name.
	points map[string]string
	// sandbox is the ID of the one that was filled, in the life that began then, with these volumes.
	sandbox string
	began   time.Time
	volumes []capsule.Volume
	// touched are the files for termination messages.
	touched  map[string]bool
	measured measured
}

// NewFar returns the driver of a far host.
func NewFar(host FarHost) *Far {
	return &Far{host: host, slots: make(chan struct{}, execs), known: map[string]*known{}}
}

var _ Driver = (*Far)(nil)

// of returns what is known of a capsule; callers for one capsule come one after another.
func (f *Far) of(uuid string) *known {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.known[uuid]
	if k == nil {
		k = &known{points: map[string]string{}, touched: map[string]bool{}}
		f.known[uuid] = k
	}
	return k
}

// own is the volume for files of our own, whose name no volume of a capsule has.
const own = "..own"

// engineName is what a volume of a capsule is called on the host. Letters that an engine does not take are spelled out.
func engineName(uuid, name string) string {
	if name == own {
		return "capsulet_" + uuid
	}
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-'
	}
	if strings.IndexFunc(name, func(r rune) bool { return !ok(r) }) >= 0 {
		return "capsulet_" + uuid + "_x." + hex.EncodeToString([]byte(name))
	}
	return "capsulet_" + uuid + "_" + name
}

// dir is where the sandbox has a volume.
func dir(name string) string { return path.Join(inside.Volumes, name) }

// Prepare implements Driver.
func (f *Far) Prepare(ctx context.Context, c *capsule.Capsule) (map[string]runtime.Mount, error) {
	k := f.of(c.UUID)
	mounts := make(map[string]runtime.Mount, len(c.Spec.Volumes))
	for i := range c.Spec.Volumes {
		v := &c.Spec.Volumes[i]
		m, cfg, err := farMount(c, v)
		if err != nil {
			return nil, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
		}
		if cfg != nil {
			if err := f.make(ctx, k, *cfg); err != nil {
				return nil, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
			}
		}
		mounts[v.Name] = m
	}
	if hasLastWords(&c.Spec) {
		return mounts, f.make(ctx, k, runtime.VolumeConfig{Name: engineName(c.UUID, own), Capsule: c.UUID})
	}
	return mounts, nil
}

func (f *Far) make(ctx context.Context, k *known, cfg runtime.VolumeConfig) error {
	v, err := f.host.CreateVolume(ctx, cfg)
	if err != nil {
		return err
	}
	k.points[v.Name] = v.Mountpoint
	return nil
}

// farMount says how containers mount a volume, and which volume of the engine that is. Files are in memory whether they are
// sensitive or not: their one home is the record of the capsule.
func farMount(c *capsule.Capsule, v *capsule.Volume) (runtime.Mount, *runtime.VolumeConfig, error) {
	m := runtime.Mount{Kind: runtime.MountNamed, Source: engineName(c.UUID, v.Name)}
	cfg := &runtime.VolumeConfig{Name: m.Source, Capsule: c.UUID}
	switch {
	case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory:
		cfg.Memory, cfg.SizeBytes = true, memoryLimit(&c.Spec, v.EmptyDir)
	case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumDefault:
	case v.EmptyDir != nil:
		return m, nil, fmt.Errorf("%w: emptyDir.medium %q is not supported", errdefs.ErrInvalidArgument, v.EmptyDir.Medium)
	case v.Files != nil:
		m.ReadOnly, cfg.Memory = true, true
		if _, err := filesOf(v); err != nil {
			return m, nil, err
		}
	case v.HostPath != nil:
		if hostPathType(v.HostPath) == corev1.HostPathFileOrCreate {
			return m, nil, fmt.Errorf("%w: hostPath.type FileOrCreate: an engine cannot make a file on a host that does not share "+
				"capsulet's file system; make %s there and ask for File", errdefs.ErrInvalidArgument, v.HostPath.Path)
		}
		return runtime.Mount{Kind: runtime.MountBind, Source: v.HostPath.Path, ReadOnly: v.ReadOnly}, nil, nil
	case v.NFS != nil:
		return m, nil, fmt.Errorf("%w: nfs on a host that does not share capsulet's file system is not supported: mount it there "+
			"and name the directory as a hostPath", errdefs.ErrInvalidArgument)
	case v.Local != nil:
		return m, nil, fmt.Errorf("%w: local volumes on a host that does not share capsulet's file system are not supported: name "+
			"the directory as a hostPath", errdefs.ErrInvalidArgument)
	default:
		return m, nil, fmt.Errorf("%w: it has no source that works on a host that does not share capsulet's file system",
			errdefs.ErrInvalidArgument)
	}
	m.ReadOnly = m.ReadOnly || v.ReadOnly
	return m, cfg, nil
}

func hostPathType(h *corev1.HostPathVolumeSource) corev1.HostPathType {
	if h.Type == nil {
		return corev1.HostPathUnset
	}
	return *h.Type
}

// SandboxMounts implements Driver: everything, to be written to, but what is the host's own.
func (f *Far) SandboxMounts(c *capsule.Capsule) []runtime.Mount {
	var ms []runtime.Mount
	for i := range c.Spec.Volumes {
		v := &c.Spec.Volumes[i]
		m, _, err := farMount(c, v)
		if err != nil {
			continue // Prepare has refused it
		}
		m.Target, m.ReadOnly = dir(v.Name), v.HostPath != nil
		if v.HostPath != nil {
			kind := hostPathType(v.HostPath)
			m.Make = kind == corev1.HostPathUnset || kind == corev1.HostPathDirectoryOrCreate
		}
		ms = append(ms, m)
	}
	if hasLastWords(&c.Spec) {
		ms = append(ms, runtime.Mount{Kind: runtime.MountNamed, Source: engineName(c.UUID, own), Target: dir(own)})
	}
	return ms
}

// Fill implements Driver.
func (f *Far) Fill(ctx context.Context, c *capsule.Capsule, s Sandbox) error {
	k := f.of(c.UUID)
	if k.sandbox == s.ID && k.began.Equal(s.StartedAt) && reflect.DeepEqual(k.volumes, c.Spec.Volumes) {
		return nil
	}
	addresses, err := f.await(ctx, s.ID)
	if err != nil {
		return err
	}
	r, err := request(c, s, addresses)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(r, inside.Request{}) {
		if _, err := f.run(ctx, s.ID, r, "fill"); err != nil {
			return err
		}
	}
	for _, t := range r.Touch {
		k.touched[t] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k.sandbox, k.began, k.volumes = s.ID, s.StartedAt, c.Spec.Volumes
	return nil
}

// request is everything that the sandbox has to have.
func request(c *capsule.Capsule, s Sandbox, addresses []string) (inside.Request, error) {
	var r inside.Request
	group := fsGroup(&c.Spec)
	for i := range c.Spec.Volumes {
		v := &c.Spec.Volumes[i]
		switch {
		case v.EmptyDir != nil:
			r.Dirs = append(r.Dirs, inside.Dir{Dir: dir(v.Name), Group: group})
		case v.HostPath != nil:
			if kind := hostPathType(v.HostPath); kind != corev1.HostPathUnset {
				r.Checks = append(r.Checks, inside.Check{Dir: dir(v.Name), Path: v.HostPath.Path, Type: string(kind)})
			}
		case v.Files != nil:
			files, err := filesOf(v)
			if err != nil {
				return r, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
			}
			r.Files = append(r.Files, inside.Files{Dir: dir(v.Name), Group: group, Files: files})
		}
	}
	for _, cs := range all(&c.Spec) {
		if cs.TerminationMessagePath != "" {
			attempt := 0
			if cf := c.Facts.Container(cs.Name); cf != nil && cf.Run != nil {
				attempt = cf.Run.Attempt + 1
			}
			r.Touch = append(r.Touch, lastWords(cs.Name, attempt))
		}
	}
	if s.Hosts != nil {
		before, own, after := s.Hosts(addresses)
		r.Hosts = &inside.Hosts{Before: before, Own: own, After: after}
	}
	return r, nil
}

// all are the containers of every kind.
func all(s *capsule.Spec) []*capsule.ContainerSpec {
	var out []*capsule.ContainerSpec
	for _, list := range [][]capsule.ContainerSpec{s.InitContainers, s.Containers, s.EphemeralContainers} {
		for i := range list {
			out = append(out, &list[i])
		}
	}
	return out
}

func hasLastWords(s *capsule.Spec) bool {
	return slices.ContainsFunc(all(s), func(cs *capsule.ContainerSpec) bool { return cs.TerminationMessagePath != "" })
}

// await waits until the sandbox runs and returns its addresses.
func (f *Far) await(ctx context.Context, id string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		c, err := f.host.Inspect(ctx, id)
		switch {
		case err != nil:
			return nil, fmt.Errorf("waiting for the sandbox: %w", err)
		case c.State == capsule.StateRunning:
			return c.Addresses, nil
		case c.State != capsule.StateCreated:
			return nil, fmt.Errorf("the sandbox does not run any more: %w", errdefs.ErrUnavailable)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the sandbox: %w", ctx.Err())
		case <-time.After(pause):
		}
	}
}

// run runs the program in the sandbox with a document as its input, and returns what it prints.
func (f *Far) run(ctx context.Context, sandbox string, input any, args ...string) ([]byte, error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	cfg := runtime.ExecConfig{Command: append([]string{inside.Path}, args...)}
	if input != nil {
		doc, err := json.Marshal(input)
		if err != nil {
			return nil, err
		}
		cfg.Stdin = bytes.NewReader(doc)
	}
	var out, failed bytes.Buffer
	cfg.Stdout, cfg.Stderr = &out, &failed
	code, err := f.host.Exec(ctx, sandbox, cfg)
	switch {
	case err != nil:
		return nil, fmt.Errorf("working in the sandbox: %w", err)
	case code == 126 || code == 127:
		return nil, fmt.Errorf("%w: the sandbox has no program %s: it was made by another version of capsulet, or for a host that "+
			"was near; make the capsule anew", errdefs.ErrFailedPrecondition, inside.Path)
	case code == inside.ExitMissing:
		return nil, fmt.Errorf("%w: %s", ErrMissingSubPath, strings.TrimSpace(failed.String()))
	case code != 0:
		return nil, errors.New(strings.TrimSpace(failed.String()))
	}
	return out.Bytes(), nil
}

// Remove implements Driver.
func (f *Far) Remove(ctx context.Context, uuid string) error {
	volumes, err := f.host.ListVolumes(ctx, uuid)
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range volumes {
		errs = append(errs, f.host.RemoveVolume(ctx, v.Name))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, uuid)
	return errors.Join(errs...)
}
