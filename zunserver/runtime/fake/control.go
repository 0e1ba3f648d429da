package fake

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// control runs one operation on a container of this instance under mu.
func (h *Host) control(ctx context.Context, op, id string, f func(*container) error) error {
	return h.call(ctx, op, id, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err == nil {
			err = f(c)
		}
		if err != nil {
			return fmt.Errorf("%s container %s: %w", op, id, err)
		}
		return nil
	})
}

func errNotRunning() error { return fmt.Errorf("it does not run: %w", errdefs.ErrFailedPrecondition) }

// Restart starts a container that has ended once more.
func (h *Host) Restart(ctx context.Context, id string) error {
	return h.control(ctx, "restart", id, func(c *container) error {
		switch c.view.State {
		case capsule.StateRunning:
			return nil
		case capsule.StateExited:
			h.watchTwins(c)
			return h.start(c)
		default:
			return fmt.Errorf("it was not started yet: %w", errdefs.ErrFailedPrecondition)
		}
	})
}

// Pause freezes a container.
func (h *Host) Pause(ctx context.Context, id string) error {
	return h.control(ctx, "pause", id, func(c *container) error {
		if !c.running() {
			return errNotRunning()
		}
		if !c.view.Paused {
			c.view.Paused = true
			h.publish(c, "pause")
		}
		return nil
	})
}

// Unpause lets a frozen container go on.
func (h *Host) Unpause(ctx context.Context, id string) error {
	return h.control(ctx, "unpause", id, func(c *container) error {
		if !c.running() {
			return errNotRunning()
		}
		h.thaw(c)
		return nil
	})
}

// thaw lets happen what was held while the container was frozen; the caller holds mu.
func (e *engine) thaw(c *container) {
	if !c.view.Paused {
		return
	}
	c.view.Paused = false
	e.publish(c, "unpause")
	held := c.held
	c.held = nil
	for _, f := range held {
		if c.running() {
			f()
		}
	}
}

// Kill sends a signal: KILL ends a process, TERM, INT and QUIT as its stop signal does, and the others do nothing.
func (h *Host) Kill(ctx context.Context, id, signal string) error {
	return h.control(ctx, "kill", id, func(c *container) error {
		number, err := strconv.Atoi(signal)
		if err != nil {
			number = int(unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(signal), "SIG")))
		}
		if number < 1 || number > 64 {
			return fmt.Errorf("no such signal %.20q: %w", signal, errdefs.ErrInvalidArgument)
		}
		if !c.running() {
			return errNotRunning()
		}
		switch unix.Signal(number) {
		case unix.SIGKILL:
			h.exit(c, 137, false)
		case unix.SIGTERM, unix.SIGINT, unix.SIGQUIT:
			if b := c.behaviour; !b.IgnoreTERM {
				h.later(c, b.StopAfter, func() { h.exit(c, b.StopCode, false) })
			}
		}
		return nil
	})
}

// Processes shows the main process.
func (h *Host) Processes(ctx context.Context, id string, _ []string) (capsule.ProcessTable, error) {
	var t capsule.ProcessTable
	err := h.control(ctx, "top", id, func(c *container) error {
		if !c.running() {
			return errNotRunning()
		}
		line := strings.Join(append(append([]string(nil), c.cfg.Command...), c.cfg.Args...), " ")
		t = capsule.ProcessTable{
			Titles:    []string{"UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"},
			Processes: [][]string{{"root", strconv.Itoa(c.view.Pid), "1", "0", "00:00", "?", "00:00:00", line}},
		}
		return nil
	})
	return t, err
}

// Commit makes an image that behaves as the container's does.
func (h *Host) Commit(ctx context.Context, id, ref string, labels map[string]string) (string, error) {
	var made string
	err := h.control(ctx, "commit", id, func(c *container) error {
		key, err := normalise(ref)
		if err != nil {
			return err
		}
		img := &image{}
		if from, err := h.image(c.cfg.Image); err == nil {
			*img = *from
		}
		img.info = runtime.Image{
			ID: "sha256:" + h.newID("image"), Tags: []string{ref}, CreatedAt: h.now(), Labels: maps.Clone(labels),
			Entrypoint: img.info.Entrypoint, Cmd: img.info.Cmd, Env: img.info.Env, User: img.info.User, WorkDir: img.info.WorkDir,
		}
		img.files = maps.Clone(c.files)
		h.local[key] = img
		made = img.info.ID
		return nil
	})
	return made, err
}
