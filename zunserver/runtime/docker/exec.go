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

// detachKeys are what the engine takes for the wish to leave a terminal. It cannot be told to let everything through, and
// by itself takes ctrl-p and ctrl-q, of which a shell wants the first: its next key would come before it. Nobody types
// these, and the first alone, which the engine keeps until the next, is the one that is missed least.
const detachKeys = "ctrl-@,ctrl-],ctrl-^,ctrl-_,ctrl-@,ctrl-],ctrl-^,ctrl-_"

// Exec runs a command in a running container. A command that the engine cannot run is exit code 126 or 127 with the reason on
// its output, as a shell does it. When ctx ends or a stream fails, the command is hung up (hangup.go). Reading Stdin ends when
// the caller closes it.
func (h *Host) Exec(ctx context.Context, id string, cfg runtime.ExecConfig) (int, error) {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return 0, err
	}
	api, err := h.api(ctx)
	if err != nil {
		return 0, err
	}
	first := firstSize(ctx, cfg)
	created, err := api.ContainerExecCreate(ctx, r.ID, container.ExecOptions{
		ConsoleSize: first,
		Cmd:         cfg.Command, Env: cfg.Env, User: cfg.User, WorkingDir: cfg.WorkDir, Tty: cfg.TTY, DetachKeys: detachKeys,
		AttachStdin: cfg.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, fail(err, "exec in container %s", id)
	}
	conn, err := api.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{Tty: cfg.TTY, ConsoleSize: first})
	if err != nil {
		return 0, fail(err, "exec in container %s", id)
	}
	code := 0
	if err = exchange(ctx, api, created.ID, cfg, first, conn); err == nil {
		code, err = exitCode(ctx, api, created.ID)
	}
	if err != nil {
		h.hangUp(ctx, r.ID, created.ID)
		return 0, fail(err, "exec in container %s", id)
	}
	return code, nil
}

// exchange carries the streams until the command closes its output or ctx ends.
func exchange(ctx context.Context, api *connection, exec string, cfg runtime.ExecConfig, first *[2]uint,
	conn types.HijackedResponse,
) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	if cfg.Stdin != nil {
		go func() {
			// What fails here shows on the reading side or does not matter: the command need not read.
			_, _ = io.Copy(conn.Conn, cfg.Stdin)
			if !cfg.TTY { // a terminal has no end of input, and the engine would close the output
				_ = conn.CloseWrite()
			}
		}()
	}
	if cfg.TTY && cfg.Resize != nil {
		rctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go follow(rctx, first, cfg.Resize, func(o container.ResizeOptions) error { return api.ContainerExecResize(rctx, exec, o) })
	}
	err := demultiplex(cfg.TTY, cfg.Stdout, cfg.Stderr, conn.Reader)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// sizePatience is how long a command waits for the size of its terminal, which a client sends first of all.
const sizePatience = 100 * time.Millisecond

// firstSize is the size that the terminal shall begin with, height first; nil when nobody says. Engines before API 1.42 do
// not take it, and learn it from follow a moment after the start.
func firstSize(ctx context.Context, cfg runtime.ExecConfig) *[2]uint {
	if !cfg.TTY || cfg.Resize == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sizePatience)
	defer cancel()
	select {
	case s, ok := <-cfg.Resize:
		if ok {
			return &[2]uint{s.Height, s.Width}
		}
	case <-ctx.Done():
	}
	return nil
}

// follow sets the first size, if there is one, and those that come until there are no more. An engine refuses a size while
// the process is not there yet.
func follow(ctx context.Context, first *[2]uint, sizes <-chan runtime.TerminalSize, set func(container.ResizeOptions) error) {
	var want *container.ResizeOptions
	if first != nil {
		want = &container.ResizeOptions{Height: first[0], Width: first[1]}
	}
	for {
		var again <-chan time.Time
		if want != nil && set(*want) != nil {
			again = time.After(10 * time.Millisecond)
		} else {
			want = nil
		}
		select {
		case s, ok := <-sizes:
			if !ok {
				sizes = nil // the last one may still have to be set
				continue
			}
			want = &container.ResizeOptions{Height: s.Height, Width: s.Width}
		case <-again:
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
