package docker

import (
	"context"
	"fmt"
	"maps"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/container"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/convert"
)

// Restart starts a container that has ended once more.
func (h *Host) Restart(ctx context.Context, id string) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	switch convert.State(r.State) {
	case capsule.StateRunning:
		return nil
	case capsule.StateExited:
		h.seen.Forget(r.ID)
		return h.start(ctx, id, r)
	default:
		return fmt.Errorf("restart container %s: it was not started yet: %w", id, errdefs.ErrFailedPrecondition)
	}
}

// Pause freezes a container.
func (h *Host) Pause(ctx context.Context, id string) error {
	r, err := h.inspect(ctx, id)
	if err != nil || r.State.Paused {
		return err
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if err := api.ContainerPause(ctx, r.ID); err != nil {
		return fail(err, "pause container %s", id)
	}
	return nil
}

// Unpause lets a frozen container go on.
func (h *Host) Unpause(ctx context.Context, id string) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	switch {
	case convert.State(r.State) != capsule.StateRunning: // which the engine calls a failure of its own
		return fmt.Errorf("unpause container %s: it does not run: %w", id, errdefs.ErrFailedPrecondition)
	case !r.State.Paused:
		return nil
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if err := api.ContainerUnpause(ctx, r.ID); err != nil {
		return fail(err, "unpause container %s", id)
	}
	return nil
}

// Kill sends a signal.
func (h *Host) Kill(ctx context.Context, id, signal string) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if err := api.ContainerKill(ctx, r.ID, signal); err != nil {
		return fail(err, "send %.20q to container %s", signal, id)
	}
	return nil
}

// Processes lists what runs in a container.
func (h *Host) Processes(ctx context.Context, id string, psArgs []string) (capsule.ProcessTable, error) {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return capsule.ProcessTable{}, err
	}
	api, err := h.api(ctx)
	if err != nil {
		return capsule.ProcessTable{}, err
	}
	top, err := api.ContainerTop(ctx, r.ID, psArgs)
	if err != nil {
		// Older engines call it a failure of their own.
		if now, ierr := h.inspect(ctx, id); ierr == nil && convert.State(now.State) != capsule.StateRunning {
			err = fmt.Errorf("it does not run: %w", errdefs.ErrFailedPrecondition)
		}
		return capsule.ProcessTable{}, fail(err, "list the processes of container %s", id)
	}
	return capsule.ProcessTable{Titles: top.Titles, Processes: top.Processes}, nil
}

// Commit makes an image of a container.
func (h *Host) Commit(ctx context.Context, id, ref string, labels map[string]string) (string, error) {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return "", err
	}
	api, err := h.api(ctx)
	if err != nil {
		return "", err
	}
	if _, err := reference.ParseNormalizedNamed(ref); err != nil {
		return "", fmt.Errorf("make image %.255q of container %s: %w: %w", ref, id, err, errdefs.ErrInvalidArgument)
	}
	cfg := &container.Config{Labels: maps.Clone(labels)}
	if cfg.Labels == nil {
		cfg.Labels = map[string]string{}
	}
	for k := range runtime.IdentityOf(r.Config.Labels).Labels() {
		cfg.Labels[k] = "" // what is made of the image is not this container
	}
	made, err := api.ContainerCommit(ctx, r.ID, container.CommitOptions{Reference: ref, Pause: true, Config: cfg})
	if err != nil {
		return "", fail(err, "make image %.255q of container %s", ref, id)
	}
	return made.ID, nil
}
