package docker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/inside"
)

const (
	// hangUpGrace is how long a command may take to end after SIGHUP.
	hangUpGrace = 5 * time.Second
	// hangUpTimeout bounds all of it.
	hangUpTimeout = 30 * time.Second
)

// hangUp ends a command whose caller is gone, as the end of a terminal does: SIGHUP to its process group and, if it still runs
// after a while, SIGKILL. It returns at once. What the command has put into a group or session of its own goes on.
func (h *Host) hangUp(ctx context.Context, id, exec string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangUpTimeout)
	h.hangUps.Add(1)
	go func() {
		defer h.hangUps.Done()
		defer cancel()
		stop := context.AfterFunc(h.closing, cancel) //nolint:contextcheck // the host's life, besides the caller's
		defer stop()
		if err := h.end(ctx, id, exec); err != nil {
			h.log.WithError(err).WithField("container", id).Warn("a command goes on whose caller is gone")
		}
	}()
}

func (h *Host) end(ctx context.Context, id, exec string) error {
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(hangUpGrace)
	for signal, pause := unix.SIGHUP, 10*time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		r, err := api.ContainerExecInspect(ctx, exec)
		if err != nil {
			return fail(err, "look at the command")
		}
		if !r.Running {
			return nil
		}
		late := time.Now().After(deadline)
		if late {
			signal = unix.SIGKILL
		}
		if signal != 0 && r.Pid != 0 { // it may not have been started yet
			if err := h.signal(ctx, api, signal, r.Pid, id); err != nil {
				return err
			}
			signal = 0 // once
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("it runs on: %w", ctx.Err())
		}
	}
}

// signal signals the process group of a command: near hosts' processes are this machine's, and on a far one a container among
// the host's processes does it.
func (h *Host) signal(ctx context.Context, api *connection, number unix.Signal, pid int, id string) error {
	if h.near {
		return inside.SignalGroup(number, pid, id)
	}
	image, err := h.EnsureSandboxImage(ctx, true)
	if err != nil {
		return err
	}
	const what = "signal a command from a container"
	made, err := api.ContainerCreate(ctx, &container.Config{
		Image: image, Entrypoint: []string{inside.Path, "signal", strconv.Itoa(int(number)), strconv.Itoa(pid), id},
	}, &container.HostConfig{PidMode: "host", NetworkMode: "none", AutoRemove: true, LogConfig: container.LogConfig{Type: "none"}}, nil, nil, "")
	if err != nil {
		return fail(err, what)
	}
	ended, failed := api.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
	if err := api.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return errors.Join(fail(err, what), api.ContainerRemove(ctx, made.ID, container.RemoveOptions{Force: true}))
	}
	select {
	case r := <-ended:
		if r.StatusCode != 0 {
			return fmt.Errorf("%s: it ended with %d", what, r.StatusCode)
		}
		return nil
	case err := <-failed:
		return fail(err, what)
	}
}
