package executor

import (
	"bytes"
	"context"
	"io"
	"os"
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

// terminationLogs is what a volume driver may be able to do besides: a file that a container writes its last words to.
type terminationLogs interface {
	TerminationLog(uuid, container string, attempt int) (path string, err error)
}

// terminationMount mounts the file for the termination message, if the container asks for one and the host can.
func (e *Executor) terminationMount(c *capsule.Capsule, cs *capsule.ContainerSpec, attempt int) ([]runtime.Mount, error) {
	logs, ok := e.cfg.Volumes.(terminationLogs)
	if !ok || cs.TerminationMessagePath == "" {
		return nil, nil
	}
	path, err := logs.TerminationLog(c.UUID, cs.Name, attempt)
	if err != nil {
		return nil, err
	}
	return []runtime.Mount{{Kind: runtime.MountBind, Source: path, Target: cs.TerminationMessagePath}}, nil
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
		i.Message = e.message(c.UUID, cs, i)
		if i.Message == "" && i.ExitCode != 0 && cs.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError {
			i.Message = e.lastLines(ctx, i.ID)
		}
	}
}

func (e *Executor) message(uuid string, cs *capsule.ContainerSpec, i *lifecycle.Instance) string {
	logs, ok := e.cfg.Volumes.(terminationLogs)
	if !ok || cs.TerminationMessagePath == "" {
		return ""
	}
	path, err := logs.TerminationLog(uuid, cs.Name, i.Attempt)
	if err != nil {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMessageBytes))
	if err != nil {
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
