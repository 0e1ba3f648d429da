package docker

import (
	"context"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Attach joins the main process of a running container. The end of the input is the engine's business: it closes the
// process' input only when the container has StdinOnce.
func (h *Host) Attach(ctx context.Context, id string, s capsule.Session) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	if r.State == nil || !r.State.Running {
		return fmt.Errorf("attach to container %s: it does not run: %w", id, errdefs.ErrFailedPrecondition)
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	stdin := s.Stdin != nil && r.Config.OpenStdin
	conn, err := api.ContainerAttach(ctx, r.ID, container.AttachOptions{
		Stream: true, Stdin: stdin, Stdout: true, Stderr: true, DetachKeys: detachKeys})
	if err != nil {
		return fail(err, "attach to container %s", id)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	if stdin {
		go func() {
			// What fails here shows on the reading side or does not matter: the process need not read.
			_, _ = io.Copy(conn.Conn, s.Stdin)
			// Without StdinOnce, or with a terminal, the engine does not close the process' input: it closes the output.
			if r.Config.StdinOnce && !r.Config.Tty {
				_ = conn.CloseWrite()
			}
		}()
	}
	if r.Config.Tty && s.Resize != nil {
		rctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go follow(rctx, nil, s.Resize, func(o container.ResizeOptions) error { return api.ContainerResize(rctx, r.ID, o) })
	}
	if err := demultiplex(r.Config.Tty, s.Stdout, s.Stderr, conn.Reader); err != nil && ctx.Err() == nil {
		return fail(err, "attach to container %s", id)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// An engine that goes down ends its answers as if all were said. That the container runs on says nothing: the engine
	// ends an attachment with a terminal with its input.
	if _, err := h.ping(ctx); err != nil {
		return fmt.Errorf("attach to container %s: it broke off: %w", id, err)
	}
	return nil
}
