package executor

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/agent/container"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
)

// resize gives a container the limits that its spec asks for now.
func (e *Executor) resize(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) error {
	cs, _ := c.Spec.Container(act.Container)
	if cs == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	if err := e.cfg.Runtime.Update(ctx, act.ID, container.Resources(&c.Spec, cs)); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("resizing container: %w", err)
	}
	e.sized(c, act, true)
	return nil
}

// freeze pauses a container or lets it go on.
func (e *Executor) freeze(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) error {
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	do := e.cfg.Runtime.Pause
	if act.Op == lifecycle.Unpause {
		do = e.cfg.Runtime.Unpause
	}
	err := do(ctx, act.ID)
	e.cfg.Observer.Refresh(ctx, c.UUID, act.ID)
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsFailedPrecondition(err) { // it has ended since
		return fmt.Errorf("%s container: %w", act.Op, err)
	}
	return nil
}
