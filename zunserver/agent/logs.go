package agent

import (
	"context"
	"fmt"
	"io"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Logs copies the log of one container of a capsule of this host: of its newest attempt, or of the one before it. The
// messages are the kubelet's (pkg/kubelet/kubelet_pods.go, validateContainerLogStatus).
func (a *Agent) Logs(ctx context.Context, c *capsule.Capsule, container string, previous bool, opts capsule.LogOptions,
	stdout, stderr io.Writer,
) error {
	cs, _ := c.Spec.Container(container)
	if cs == nil {
		return fmt.Errorf("%w: container %s is not valid for capsule %s", errdefs.ErrInvalidArgument, container, c.Spec.Name)
	}
	cf := c.Facts.Container(container)
	var run *capsule.Run
	switch {
	case cf == nil:
	case previous:
		run = cf.Last
	default:
		run = cf.Run
	}
	if run == nil {
		what := "container"
		if previous {
			what = "previous terminated container"
		}
		waiting := ""
		if cf != nil && cf.Failure != nil {
			waiting = ": " + cf.Failure.Message
		} else if !previous {
			waiting = ": it has not started yet"
		}
		return fmt.Errorf("%w: %s %q in capsule %q not found%s", errdefs.ErrInvalidArgument, what, container, c.Spec.Name, waiting)
	}
	if err := a.cfg.Runtime.Logs(ctx, run.ID, opts, stdout, stderr); err != nil {
		return fmt.Errorf("reading the log of container %s: %w", container, err)
	}
	return nil
}
