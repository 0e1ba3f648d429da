package docker

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Exec runs a command in a running container. A command that the engine cannot run is exit code 126 or 127 with the reason on
// its output, as a shell does it. When ctx ends, the streams are closed and the command goes on by itself: the engine
// has no way to end it. Reading Stdin ends when the caller closes it.
func (h *Host) Exec(ctx context.Context, id string, cfg runtime.ExecConfig) (int, error) {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return 0, err
	}
	api, err := h.api(ctx)
	if err != nil {
		return 0, err
	}
	created, err := api.ContainerExecCreate(ctx, r.ID, container.ExecOptions{
		Cmd: cfg.Command, Env: cfg.Env, User: cfg.User, WorkingDir: cfg.WorkDir, Tty: cfg.TTY,
		AttachStdin: cfg.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, fail(err, "exec in container %s", id)
	}
	conn, err := api.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{Tty: cfg.TTY})
	if err != nil {
		return 0, fail(err, "exec in container %s", id)
	}
	if err := exchange(ctx, api, created.ID, cfg, conn); err != nil {
		return 0, fail(err, "exec in container %s", id)
	}
	code, err := exitCode(ctx, api, created.ID)
	if err != nil {
		return 0, fail(err, "exec in container %s", id)
	}
	return code, nil
}

// exchange carries the streams until the command closes its output or ctx ends.
func exchange(ctx context.Context, api *connection, exec string, cfg runtime.ExecConfig, conn types.HijackedResponse) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	if cfg.Stdin != nil {
		go func() {
			// What fails here shows on the reading side or does not matter: the command need not read.
			_, _ = io.Copy(conn.Conn, cfg.Stdin)
			_ = conn.CloseWrite()
		}()
	}
	if cfg.TTY && cfg.Resize != nil {
		rctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go follow(rctx, cfg.Resize, func(o container.ResizeOptions) error { return api.ContainerExecResize(rctx, exec, o) })
	}
	err := demultiplex(cfg.TTY, cfg.Stdout, cfg.Stderr, conn.Reader)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// follow passes the sizes of a terminal on until there are no more.
func follow(ctx context.Context, sizes <-chan runtime.TerminalSize, set func(container.ResizeOptions) error) {
	for {
		select {
		case s, ok := <-sizes:
			if !ok {
				return
			}
			// A size that came too late for the process is no failure of it.
			_ = set(container.ResizeOptions{Height: s.Height, Width: s.Width})
		case <-ctx.Done():
			return
		}
	}
}

// exitCode waits until the command has ended: its output may close before, and no call waits for it.
func exitCode(ctx context.Context, api *connection, exec string) (int, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		r, err := api.ContainerExecInspect(ctx, exec)
		if err != nil {
			return 0, fmt.Errorf("ask for the exit code: %w", err)
		}
		if !r.Running {
			return r.ExitCode, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
