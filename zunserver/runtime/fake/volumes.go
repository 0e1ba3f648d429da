package fake

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/inside"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest/look"
)

// vol is a volume of the engine. What is in it is kept where the host has a directory for volumes.
type vol struct {
	runtime.VolumeConfig
	instance string
	dir      string
}

// CreateVolume makes a volume, or finds it.
func (h *Host) CreateVolume(ctx context.Context, cfg runtime.VolumeConfig) (runtime.Volume, error) {
	var v *vol
	err := h.call(ctx, "createvolume", cfg.Name, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if v = h.volumes[cfg.Name]; v != nil {
			if v.instance != h.instance || v.Capsule != cfg.Capsule {
				return fmt.Errorf("volume %s is not this capsule's: %w", cfg.Name, errdefs.ErrAlreadyExists)
			}
			return nil
		}
		v = &vol{VolumeConfig: cfg, instance: h.instance, dir: filepath.Join("/fake/volumes", cfg.Name)}
		if h.cfg.VolumeDir != "" {
			v.dir = filepath.Join(h.cfg.VolumeDir, cfg.Name)
			if err := os.Mkdir(v.dir, 0o755); err != nil {
				return err
			}
		}
		h.volumes[cfg.Name] = v
		return nil
	})
	if err != nil {
		return runtime.Volume{}, err
	}
	return runtime.Volume{Name: v.Name, Mountpoint: v.dir}, nil
}

// ListVolumes returns the volumes of a capsule.
func (h *Host) ListVolumes(ctx context.Context, uuid string) ([]runtime.Volume, error) {
	var all []runtime.Volume
	err := h.call(ctx, "listvolumes", uuid, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, v := range h.volumes {
			if v.instance == h.instance && v.Capsule == uuid {
				all = append(all, runtime.Volume{Name: v.Name, Mountpoint: v.dir})
			}
		}
		return nil
	})
	return all, err
}

// RemoveVolume deletes a volume that no container has.
func (h *Host) RemoveVolume(ctx context.Context, name string) error {
	return h.call(ctx, "removevolume", name, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		v := h.volumes[name]
		if v == nil {
			return nil
		}
		for _, c := range h.containers {
			if c.has(name) {
				return fmt.Errorf("volume %s is used by container %s: %w", name, c.view.Name, errdefs.ErrFailedPrecondition)
			}
		}
		delete(h.volumes, name)
		if h.cfg.VolumeDir == "" {
			return nil
		}
		return os.RemoveAll(v.dir)
	})
}

// Stats returns what [Host.SetUsage] said of a running container.
func (h *Host) Stats(ctx context.Context, id string) (u capsule.Usage, networks []capsule.Interface, err error) {
	err = h.call(ctx, "stats", id, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err != nil {
			return err
		}
		if !c.running() {
			return fmt.Errorf("container %s does not run: %w", c.view.Name, errdefs.ErrNotFound)
		}
		u = c.usage
		u.At = h.now()
		if c.cfg.Sandbox == "" && c.cfg.Network != "host" && c.cfg.Network != "none" {
			networks = []capsule.Interface{{Name: "eth0"}}
		}
		return nil
	})
	return u, networks, err
}

// SetUsage makes a container, by ID or name, use so much.
func (h *Host) SetUsage(id string, u capsule.Usage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, err := h.find(id); err == nil {
		c.usage = u
	}
}

// has says whether the container mounts a volume.
func (c *container) has(name string) bool {
	for _, m := range c.cfg.Mounts {
		if m.Kind == runtime.MountNamed && m.Source == name {
			return true
		}
	}
	return false
}

// mount empties the volumes in memory that nobody has had since, as they are about to be had again; the caller holds mu.
func (e *engine) mount(c *container) error {
	for _, m := range c.cfg.Mounts {
		v := e.volumes[m.Source]
		if m.Kind != runtime.MountNamed || v == nil || !v.Memory || e.cfg.VolumeDir == "" {
			continue
		}
		held := false
		for _, other := range e.containers {
			held = held || other != c && other.running() && other.has(m.Source)
		}
		if held {
			continue
		}
		if err := os.RemoveAll(v.dir); err != nil {
			return err
		}
		if err := os.Mkdir(v.dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// hostsFile is the sandbox's own, which an engine shows to every container of it.
const hostsFile = "/etc/hosts"

// place finds a path of a container on this machine. What is not in a mount is in a directory of the container's own.
func (e *engine) place(c *container, path string) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	owner := c.view.ID
	if path == hostsFile && c.sandbox != "" {
		owner = c.sandbox
	}
	place, length, readOnly := filepath.Join(e.cfg.VolumeDir, "."+owner, path), -1, false
	if e.cfg.VolumeDir == "" {
		place = filepath.Join("/fake/nowhere", path)
	} else if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		e.violations = append(e.violations, err.Error())
	}
	for _, m := range c.cfg.Mounts {
		if path != m.Target && !strings.HasPrefix(path, m.Target+"/") || len(m.Target) <= length {
			continue
		}
		source := m.Source
		if v := e.volumes[m.Source]; m.Kind == runtime.MountNamed && v != nil {
			source = v.dir
		}
		place, length, readOnly = source+strings.TrimPrefix(path, m.Target), len(m.Target), m.ReadOnly
	}
	return place, readOnly
}

// builtin runs the programs that every fake has: the one inside of sandboxes, and testprog's look at files.
func (e *engine) builtin(ctx context.Context, c *container, x runtime.ExecConfig) (code int, is bool) {
	switch {
	case c.cfg.Inside && first(x.Command) == inside.Path:
		env := inside.Env{Place: func(p string) string {
			if strings.HasPrefix(p, "/proc/") {
				return p
			}
			at, _ := e.place(c, p)
			return at
		}}
		return env.Run(ctx, x.Command[1:], x.Stdin, x.Stdout, x.Stderr), true
	case len(x.Command) > 2 && x.Command[0] == TestprogPath && x.Command[1] == "fs":
		err := look.Env{Place: func(p string) (string, bool) { return e.place(c, p) }}.Run(x.Command[2:], x.Stdout)
		if err != nil {
			_, _ = fmt.Fprintln(x.Stderr, "testprog:", err)
			return 1, true
		}
		return 0, true
	}
	return 0, false
}
