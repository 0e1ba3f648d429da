package fake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// sandboxRef is what a sandbox without an image shows.
const sandboxRef = "capsulet/sandbox:fake"

// List returns the containers of the instance.
func (h *Host) List(ctx context.Context, uuid string) ([]runtime.Container, error) {
	var out []runtime.Container
	err := h.call(ctx, "list", uuid, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, c := range h.sorted() {
			if h.ours(c.view.Identity) && (uuid == "" || c.view.Identity.Capsule == uuid) {
				out = append(out, c.snapshot())
			}
		}
		return nil
	})
	return out, err
}

// Inspect returns one container.
func (h *Host) Inspect(ctx context.Context, id string) (runtime.Container, error) {
	var out runtime.Container
	err := h.call(ctx, "inspect", id, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err != nil {
			return err
		}
		out = c.snapshot()
		return nil
	})
	return out, err
}

// Create makes a container.
func (h *Host) Create(ctx context.Context, cfg runtime.ContainerConfig) (string, error) {
	var id string
	err := h.call(ctx, "create", cfg.Name, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.newContainer(cfg)
		if err != nil {
			return fmt.Errorf("create container %s: %w", cfg.Name, err)
		}
		h.containers[c.view.ID] = c
		h.publish(c, "create")
		id = c.view.ID
		return nil
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

// newContainer checks a configuration as an engine does; the caller holds mu.
func (h *Host) newContainer(cfg runtime.ContainerConfig) (*container, error) {
	if cfg.Name == "" || cfg.Identity.Capsule == "" {
		return nil, fmt.Errorf("a name and a capsule are needed: %w", errdefs.ErrInvalidArgument)
	}
	if cfg.Identity.Instance == "" {
		cfg.Identity.Instance = h.instance
	}
	if !h.ours(cfg.Identity) {
		return nil, fmt.Errorf("instance %q is not %q: %w", cfg.Identity.Instance, h.instance, errdefs.ErrInvalidArgument)
	}
	if _, err := h.find(cfg.Name); err == nil {
		return nil, errdefs.ErrAlreadyExists
	}
	img, err := h.imageFor(&cfg)
	if err != nil {
		return nil, err
	}
	c := &container{cfg: cfg, files: map[string]file{}, changed: make(chan struct{})}
	maps.Copy(c.files, img.files)
	if cfg.Sandbox != "" {
		s, err := h.find(cfg.Sandbox)
		if err != nil {
			return nil, fmt.Errorf("sandbox %s does not exist: %w", cfg.Sandbox, errdefs.ErrFailedPrecondition)
		}
		c.sandbox = s.view.ID
	}
	for _, m := range cfg.Mounts {
		if m.Make && h.cfg.VolumeDir != "" {
			if err := os.MkdirAll(m.Source, 0o755); err != nil {
				return nil, err
			}
		}
	}
	if h.cfg.Near {
		if err := checkBinds(cfg.Mounts); err != nil {
			return nil, err
		}
	}
	c.view = runtime.Container{
		ID: h.newID("container"), Name: cfg.Name, Identity: cfg.Identity, State: capsule.StateCreated,
		CreatedAt: h.now(), Image: cfg.Image, ImageID: img.info.ID,
	}
	c.plug(&cfg)
	return c, nil
}

// imageFor finds the image of a container and the built-in one of a sandbox.
func (h *Host) imageFor(cfg *runtime.ContainerConfig) (*image, error) {
	if cfg.Identity.Sandbox() && cfg.Image == "" {
		cfg.Image = sandboxRef
		return &image{info: runtime.Image{ID: "sha256:sandbox"}}, nil
	}
	return h.image(cfg.Image)
}

func checkBinds(mounts []runtime.Mount) error {
	for _, m := range mounts {
		if m.Kind != runtime.MountBind {
			continue
		}
		if _, err := os.Stat(m.Source); err != nil {
			return fmt.Errorf("bind source path does not exist: %s: %w", m.Source, errdefs.ErrInvalidArgument)
		}
	}
	return nil
}

// Start starts a created container.
func (h *Host) Start(ctx context.Context, id string) error {
	return h.call(ctx, "start", id, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err != nil {
			return err
		}
		switch c.view.State {
		case capsule.StateRunning:
			return nil
		case capsule.StateCreated:
			h.watch(c)
			return h.start(c)
		default:
			return fmt.Errorf("start container %s: it has ended already, and a container is started once: %w",
				c.view.Name, errdefs.ErrFailedPrecondition)
		}
	})
}

// start is the engine's part of Start; the caller holds mu.
func (e *engine) start(c *container) error {
	if c.sandbox != "" {
		s, ok := e.containers[c.sandbox]
		if !ok || !s.running() {
			return fmt.Errorf("start container %s: its sandbox does not run: %w", c.view.Name, errdefs.ErrFailedPrecondition)
		}
	}
	c.behaviour = e.behaviour(c.cfg)
	b := c.behaviour
	if b.StartError != "" {
		// The engine leaves no time of such an end: the creation is the nearest known.
		c.view.State, c.view.Error, c.view.FinishedAt = capsule.StateExited, b.StartError, c.view.CreatedAt
		if c.view.ExitCode = b.StartCode; b.StartCode == 0 {
			c.view.ExitCode = 127
		}
		c.wake()
		return errors.New(b.StartError)
	}
	if err := e.mount(c); err != nil {
		return err
	}
	if err := e.join(c); err != nil {
		c.view.State, c.view.Error, c.view.FinishedAt, c.view.ExitCode = capsule.StateExited, err.Error(), c.view.CreatedAt, 128
		c.wake()
		return err
	}
	e.starts[c.view.Name]++
	c.view = runtime.Container{
		ID: c.view.ID, Name: c.view.Name, Identity: c.view.Identity, Image: c.view.Image, ImageID: c.view.ImageID, CreatedAt: c.view.CreatedAt,
		State: capsule.StateRunning, StartedAt: e.now(), Pid: 1000 + e.starts[c.view.Name] + len(e.starts),
	}
	c.showNetworks()
	for _, l := range b.Stdout {
		c.log = append(c.log, logLine{at: e.now(), text: l})
	}
	for _, l := range b.Stderr {
		c.log = append(c.log, logLine{at: e.now(), text: l, stderr: true})
	}
	e.publish(c, "start")
	if b.Exits {
		e.later(c, b.After, func() { e.exit(c, b.Code, b.OOM) })
	}
	c.wake()
	return nil
}

// watch notes what must never happen when a container is started for the first time; the caller holds mu.
func (e *engine) watch(c *container) {
	if n := e.starts[c.view.Name]; n > 0 {
		e.violations = append(e.violations, fmt.Sprintf("%s was started %d times", c.view.Name, n+1))
	}
	e.watchTwins(c)
}

// watchTwins notes the other live containers that are the same container of the capsule; the caller holds mu, and c does not
// run yet.
func (e *engine) watchTwins(c *container) {
	for _, o := range e.sorted() {
		a, b := o.view.Identity, c.view.Identity
		if o.running() && a.Instance == b.Instance && a.Capsule == b.Capsule && a.Container == b.Container {
			e.violations = append(e.violations, fmt.Sprintf("%s started while %s lives", c.view.Name, o.view.Name))
		}
	}
}

// later runs f under mu after d, if the container still runs then; the caller holds mu.
func (e *engine) later(c *container, d time.Duration, f func()) {
	c.timers = append(c.timers, e.clock.AfterFunc(d, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		switch {
		case c.view.Paused:
			c.held = append(c.held, f)
		case c.running():
			f()
		}
	}))
}

// exit ends a running container; the caller holds mu.
func (e *engine) exit(c *container, code int, oom bool) {
	if oom {
		code = 137
		e.publish(c, "oom")
	}
	for _, stop := range c.timers {
		stop()
	}
	network := c.view.Network
	e.leave(c)
	v := &c.view
	v.State, v.Pid, v.FinishedAt, v.ExitCode, v.OOM, v.Network = capsule.StateExited, 0, e.now(), code, oom, network
	v.Paused, c.killed, c.held, c.timers = false, false, nil, nil
	e.publish(c, "die")
	c.wake()
}

// Stop ends a container gently, then by force.
func (h *Host) Stop(ctx context.Context, id string, grace time.Duration) error {
	return h.call(ctx, "stop", id, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err != nil {
			return err
		}
		if !c.running() {
			return nil
		}
		h.terminate(c, grace)
		for c.running() {
			if err := h.wait(ctx, c); err != nil {
				return fmt.Errorf("stop container %s: %w", c.view.Name, err)
			}
		}
		return nil
	})
}

// terminate sends the stop signal and plans the kill; the caller holds mu.
func (e *engine) terminate(c *container, grace time.Duration) {
	b := c.behaviour
	e.thaw(c) // a signal ends it only when it is not frozen, so an engine lets it go on
	if !c.running() {
		return
	}
	if grace <= 0 {
		e.exit(c, 137, false)
		return
	}
	if !c.killed && !b.IgnoreTERM {
		e.later(c, b.StopAfter, func() { e.exit(c, b.StopCode, false) })
	}
	c.killed = true
	e.later(c, grace, func() { e.exit(c, 137, false) })
}

// wait gives up mu until the container changes, ctx ends or the link breaks.
func (e *engine) wait(ctx context.Context, c *container) error {
	changed, link := c.changed, e.link
	e.mu.Unlock()
	defer e.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-link:
		return errUnavailable()
	}
}

// Remove deletes a container.
func (h *Host) Remove(ctx context.Context, id string) error {
	return h.call(ctx, "remove", id, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if c, err := h.findOurs(id); err == nil {
			h.drop(c)
		}
		return nil
	})
}

// drop removes a container; the caller holds mu.
func (e *engine) drop(c *container) {
	if c.running() {
		e.exit(c, 137, false)
	}
	delete(e.containers, c.view.ID)
	e.publish(c, "destroy")
	c.wake()
}

// Update changes the limits of a container.
func (h *Host) Update(ctx context.Context, id string, r runtime.Resources) error {
	return h.call(ctx, "update", id, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err != nil {
			return err
		}
		c.cfg.Resources = r
		return nil
	})
}

func (h *Host) ours(i runtime.Identity) bool { return h.instance == "" || i.Instance == h.instance }

// findOurs is find for containers of this instance; the caller holds mu.
func (h *Host) findOurs(id string) (*container, error) {
	c, err := h.find(id)
	if err == nil && !h.ours(c.view.Identity) {
		return nil, fmt.Errorf("container %s: %w", id, errdefs.ErrNotFound)
	}
	return c, err
}

// sorted returns all containers, oldest first; the caller holds mu.
func (e *engine) sorted() []*container {
	return slices.SortedFunc(maps.Values(e.containers), func(a, b *container) int {
		return cmp.Or(a.view.CreatedAt.Compare(b.view.CreatedAt), cmp.Compare(a.view.ID, b.view.ID))
	})
}

func (c *container) snapshot() runtime.Container {
	v := c.view
	v.Addresses, v.Networks = slices.Clone(v.Addresses), slices.Clone(v.Networks)
	return v
}
