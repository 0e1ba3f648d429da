package executor

import (
	"bytes"
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// The limits of termination messages are the kubelet's (pkg/kubelet/container/runtime.go).
const (
	maxMessageBytes    = 4096
	maxMessageLogBytes = 2048
	maxMessageLogLines = 80
)

// terminationMount mounts the file for the termination message, if the container asks for one.
func (e *Executor) terminationMount(ctx context.Context, c *capsule.Capsule, cs *capsule.ContainerSpec, act lifecycle.Action) ([]runtime.Mount, error) {
	if cs.TerminationMessagePath == "" {
		return nil, nil
	}
	m, err := e.cfg.Volumes.TerminationMount(ctx, c, e.sandboxOf(c, act.SandboxID), cs.Name, act.Attempt)
	m.Target = cs.TerminationMessagePath
	return []runtime.Mount{m}, err
}

// LastWords reads the termination messages of containers whose end is not in the facts yet.
func (e *Executor) LastWords(ctx context.Context, c *capsule.Capsule, seen []lifecycle.Instance) {
	for n := range seen {
		i := &seen[n]
		if i.Container == "" || i.State != capsule.StateExited || i.Error != "" {
			continue
		}
		cs, _ := c.Spec.Container(i.Container)
		cf := c.Facts.Container(i.Container)
		if cs == nil || (cf != nil && cf.Run != nil && (cf.Run.Attempt > i.Attempt || !cf.Run.FinishedAt.IsZero() && cf.Run.ID == i.ID)) {
			continue
		}
		i.Message = e.message(ctx, c, cs, i)
		if i.Message == "" && i.ExitCode != 0 && cs.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError {
			i.Message = e.lastLines(ctx, i.ID)
		}
	}
}

func (e *Executor) message(ctx context.Context, c *capsule.Capsule, cs *capsule.ContainerSpec, i *lifecycle.Instance) string {
	if cs.TerminationMessagePath == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	b, err := e.cfg.Volumes.TerminationMessage(ctx, c, cs.Name, i.Attempt, i.ID, maxMessageBytes)
	if err != nil {
		e.cfg.Log.WithError(err).WithField("capsule", c.UUID).Debug("Cannot read a termination message")
		return ""
	}
	return string(b)
}

// lastLines is the end of a container's log.
func (e *Executor) lastLines(ctx context.Context, id string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var out bytes.Buffer
	if err := e.cfg.Runtime.Logs(ctx, id, capsule.LogOptions{Tail: maxMessageLogLines}, &out, &out); err != nil {
		return ""
	}
	b := out.Bytes()
	return string(b[max(0, len(b)-maxMessageLogBytes):])
}
