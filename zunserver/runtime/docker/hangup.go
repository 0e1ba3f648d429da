package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// hangUpGrace is how long a command may take to end after SIGHUP.
	hangUpGrace = 5 * time.Second
	// hangUpTimeout bounds all of it.
	hangUpTimeout = 30 * time.Second
)

var errFar = errors.New("the engine has no way to end a command, and its processes are not this machine's")

// hangUp ends a command whose caller is gone, as the end of a terminal does: SIGHUP to its process group and, if it still runs
// after a while, SIGKILL. It returns at once. What the command has put into a group or session of its own goes on.
func (h *Host) hangUp(ctx context.Context, container, exec string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangUpTimeout)
	h.hangUps.Add(1)
	go func() {
		defer h.hangUps.Done()
		defer cancel()
		stop := context.AfterFunc(h.closing, cancel)
		defer stop()
		if err := h.end(ctx, container, exec); err != nil {
			h.log.WithError(err).WithField("container", container).Warn("a command goes on whose caller is gone")
		}
	}()
}

func (h *Host) end(ctx context.Context, container, exec string) error {
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
			if !h.near {
				return errFar
			}
			if err := signalGroup(r.Pid, container, signal); err != nil {
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

// signalGroup signals the process group of a command: the engine makes each command the leader of one. Numbers of processes are
// used again, so the process has to be one of the container's.
func signalGroup(pid int, container string, signal unix.Signal) error {
	groups, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if errors.Is(err, os.ErrNotExist) {
		return nil // it has ended
	}
	if err != nil {
		return fmt.Errorf("look at process %d: %w", pid, err)
	}
	if !bytes.Contains(groups, []byte(container)) {
		return fmt.Errorf("process %d is not one of container %s here: are the engine's processes this machine's?", pid, container)
	}
	if err := unix.Kill(-pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal the command: %w", err)
	}
	return nil
}
