package docker

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/classes"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/convert"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/logs"
)

// inspectors is how many containers List looks at at once.
const inspectors = 4

// List returns the containers of the instance, of one capsule when uuid is not empty.
func (h *Host) List(ctx context.Context, uuid string) ([]runtime.Container, error) {
	api, err := h.api(ctx)
	if err != nil {
		return nil, err
	}
	by := filters.NewArgs(filters.Arg("label", runtime.LabelInstance+"="+h.cfg.Instance))
	if uuid != "" {
		by.Add("label", runtime.LabelCapsule+"="+uuid)
	}
	list, err := api.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
	if err != nil {
		return nil, fail(err, "list containers")
	}
	found := make([]*runtime.Container, len(list))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inspectors)
	for i, s := range list {
		if c, ok := h.seen.Get(s.ID, s.State); ok && convert.SameNetworks(s, c) {
			found[i] = &c
			continue
		}
		g.Go(func() error {
			c, err := h.Inspect(gctx, s.ID)
			if errdefs.IsNotFound(err) {
				return nil // gone since
			}
			found[i] = &c
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	if uuid == "" {
		h.seen.Keep(list)
	}
	out := make([]runtime.Container, 0, len(found))
	for _, c := range found {
		if c != nil {
			out = append(out, *c)
		}
	}
	return out, nil
}

// Inspect returns one container by ID or name. What belongs to another instance is not found.
func (h *Host) Inspect(ctx context.Context, id string) (runtime.Container, error) {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return runtime.Container{}, err
	}
	c := convert.Inspected(r)
	if r.HostConfig.LogConfig.Type == convert.LogDriver { // of which the engine does not say where it writes
		if root, err := h.rootDir(ctx); err == nil {
			c.LogPath = logs.Path(root, c.ID)
		}
	}
	h.seen.Put(r.State.Status, c)
	return c, nil
}

func (h *Host) inspect(ctx context.Context, id string) (container.InspectResponse, error) {
	api, err := h.api(ctx)
	if err != nil {
		return container.InspectResponse{}, err
	}
	r, err := api.ContainerInspect(ctx, id)
	if err != nil {
		return r, fail(err, "inspect container %s", id)
	}
	if r.ContainerJSONBase == nil || r.State == nil || r.Config == nil || r.HostConfig == nil {
		return r, fmt.Errorf("inspect container %s: the engine's answer lacks its parts", id)
	}
	if r.Config.Labels[runtime.LabelInstance] != h.cfg.Instance {
		return r, fmt.Errorf("inspect container %s: it is not of instance %s: %w", id, h.cfg.Instance, errdefs.ErrNotFound)
	}
	return r, nil
}

// Create makes a container. A sandbox without an image gets the configured or the built-in one, which is imported if it
// is not there.
func (h *Host) Create(ctx context.Context, cfg runtime.ContainerConfig) (string, error) {
	if cfg.Identity.Instance == "" {
		cfg.Identity.Instance = h.cfg.Instance
	}
	if cfg.Identity.Instance != h.cfg.Instance {
		return "", fmt.Errorf("create container %s: instance %q is not %q: %w",
			cfg.Name, cfg.Identity.Instance, h.cfg.Instance, errdefs.ErrInvalidArgument)
	}
	if !cfg.Identity.Sandbox() || cfg.Image != "" {
		return h.create(ctx, cfg)
	}
	ref, _, err := h.sandboxImage(ctx, cfg.Inside)
	if err != nil {
		return "", fmt.Errorf("create container %s: %w", cfg.Name, err)
	}
	cfg.Image = ref
	id, err := h.create(ctx, cfg)
	if !errdefs.IsNotFound(err) {
		return id, err
	}
	if _, err := h.EnsureSandboxImage(ctx, cfg.Inside); err != nil {
		return "", fmt.Errorf("create container %s: %w", cfg.Name, err)
	}
	return h.create(ctx, cfg)
}

func (h *Host) create(ctx context.Context, cfg runtime.ContainerConfig) (string, error) {
	api, err := h.api(ctx)
	if err != nil {
		return "", err
	}
	s, err := convert.Container(cfg, h.dropOOMScore.Load())
	if err != nil {
		return "", fmt.Errorf("create container %s: %w", cfg.Name, err)
	}
	r, err := api.ContainerCreate(ctx, s.Config, s.Host, s.Networking, nil, cfg.Name)
	if err != nil {
		return "", fmt.Errorf("create container %s: %w", cfg.Name, classes.OfCreate(err))
	}
	for _, w := range r.Warnings {
		h.log.WithField("container", cfg.Name).WithField("cause", w).Debug("The engine warned about a new container")
	}
	return r.ID, nil
}

// Start starts a created container. The engine would start an exited one again, and would use up one whose sandbox
// does not run; both are refused before.
func (h *Host) Start(ctx context.Context, id string) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	switch convert.State(r.State) {
	case capsule.StateRunning:
		return nil
	case capsule.StateCreated:
		return h.start(ctx, id, r)
	default:
		return fmt.Errorf("start container %s: it has ended already, and a container is started once: %w",
			id, errdefs.ErrFailedPrecondition)
	}
}

// start starts a container whose sandbox runs.
func (h *Host) start(ctx context.Context, id string, r container.InspectResponse) error {
	if sandbox := r.HostConfig.NetworkMode.ConnectedContainer(); sandbox != "" {
		s, err := h.inspect(ctx, sandbox)
		if err != nil && !errdefs.IsNotFound(err) {
			return err
		}
		if err != nil || convert.State(s.State) != capsule.StateRunning {
			return fmt.Errorf("start container %s: its sandbox does not run: %w", id, errdefs.ErrFailedPrecondition)
		}
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if err := api.ContainerStart(ctx, r.ID, container.StartOptions{}); err != nil {
		if r.HostConfig.OomScoreAdj < 0 && strings.Contains(err.Error(), oomScoreRefused) {
			h.refuseOOMScore(err.Error())
		}
		return fmt.Errorf("start container %s: %w", id, classes.OfStart(err))
	}
	return nil
}

// Stop ends a container. The engine counts in whole seconds, rounded up here; it carries on if ctx ends before.
func (h *Host) Stop(ctx context.Context, id string, grace time.Duration) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	if convert.State(r.State) != capsule.StateRunning {
		return nil
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if grace > 0 {
		seconds := int(math.Ceil(grace.Seconds()))
		err = api.ContainerStop(ctx, r.ID, container.StopOptions{Timeout: &seconds})
	} else {
		err = api.ContainerKill(ctx, r.ID, "KILL")
	}
	if err != nil && !errdefs.IsConflict(err) { // a conflict: it has ended since
		return fail(err, "stop container %s", id)
	}
	return h.waitFor(ctx, api, r.ID, container.WaitConditionNotRunning)
}

// waitFor returns when the container is as the condition says.
func (h *Host) waitFor(ctx context.Context, api *connection, id string, cond container.WaitCondition) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer, failed := api.ContainerWait(ctx, id, cond)
	select {
	case <-answer:
		return nil
	case err := <-failed:
		return fail(err, "wait for the end of container %s", id)
	}
}

// Remove deletes a container by force. A removal that somebody else has begun is waited for.
func (h *Host) Remove(ctx context.Context, id string) error {
	r, err := h.inspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	err = api.ContainerRemove(ctx, r.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress") {
		err = h.waitFor(ctx, api, r.ID, container.WaitConditionRemoved)
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return fail(err, "remove container %s", id)
	}
	h.seen.Forget(r.ID)
	return nil
}

// Update changes the limits of a container in place.
func (h *Host) Update(ctx context.Context, id string, res runtime.Resources) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	_, err = api.ContainerUpdate(ctx, r.ID, container.UpdateConfig{Resources: convert.Update(res)})
	if err != nil {
		return fail(err, "update container %s", id)
	}
	return nil
}

// WritableBytes implements runtime.Sizer.
func (h *Host) WritableBytes(ctx context.Context, id string) (int64, error) {
	api, err := h.api(ctx)
	if err != nil {
		return 0, err
	}
	r, _, err := api.ContainerInspectWithRaw(ctx, id, true)
	if err != nil {
		return 0, fail(err, "measure container %s", id)
	}
	if r.ContainerJSONBase == nil || r.SizeRw == nil {
		return 0, nil // it wrote nothing
	}
	return *r.SizeRw, nil
}
