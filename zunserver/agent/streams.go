package agent

import (
	"context"
	"fmt"
	"net"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/network"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Exec runs a command in a running container of a capsule of this host and returns its exit code.
func (a *Agent) Exec(ctx context.Context, c *capsule.Capsule, name string, command []string, s capsule.Session) (int, error) {
	run, err := runningRun(c, name)
	if err != nil {
		return 0, err
	}
	code, err := a.cfg.Runtime.Exec(ctx, run.ID, runtime.ExecConfig{
		Command: command, TTY: s.TTY, Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr, Resize: s.Resize,
	})
	if err != nil {
		return 0, fmt.Errorf("running a command in container %s: %w", name, err)
	}
	return code, nil
}

// Attach joins the main process of a running container of a capsule of this host. Input for a container that was made
// without stdin is not read.
func (a *Agent) Attach(ctx context.Context, c *capsule.Capsule, name string, s capsule.Session) error {
	run, err := runningRun(c, name)
	if err != nil {
		return err
	}
	if cs, _ := c.Spec.Container(name); !cs.Stdin {
		s.Stdin = nil
	}
	if err := a.cfg.Runtime.Attach(ctx, run.ID, s); err != nil {
		return fmt.Errorf("attaching to container %s: %w", name, err)
	}
	return nil
}

// Dial connects to a TCP port inside a capsule of this host.
func (a *Agent) Dial(ctx context.Context, c *capsule.Capsule, port int32) (net.Conn, error) {
	sandbox, err := a.cfg.Runtime.Inspect(ctx, c.Facts.Sandbox.ID)
	if err != nil {
		return nil, fmt.Errorf("looking at the sandbox of capsule %s: %w", c.Spec.Name, err)
	}
	t := network.Target{ID: sandbox.ID, Pid: sandbox.Pid}
	if len(sandbox.Addresses) > 0 {
		t.Address = sandbox.Addresses[0]
	}
	return a.cfg.Network.Dial(ctx, t, port)
}

// runningRun is the attempt of a container that runs.
func runningRun(c *capsule.Capsule, name string) (*capsule.Run, error) {
	if cs, _ := c.Spec.Container(name); cs == nil {
		return nil, fmt.Errorf("%w: container %s is not valid for capsule %s", errdefs.ErrInvalidArgument, name, c.Spec.Name)
	}
	cf := c.Facts.Container(name)
	if cf == nil || cf.Run.State() != capsule.StateRunning {
		return nil, fmt.Errorf("%w: container %s of capsule %s is not running", errdefs.ErrFailedPrecondition, name, c.Spec.Name)
	}
	return cf.Run, nil
}
