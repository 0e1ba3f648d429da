package zunserver

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/agent"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// streams finds the agent that has the capsule.
type streams struct{ agents map[string]*agent.Agent }

func (s streams) of(c *capsule.Capsule) (*agent.Agent, error) {
	if a := s.agents[c.Claim.Host]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("%w: the host of capsule %s, %q, is not served by this server", errdefs.ErrUnavailable, c.Spec.Name, c.Claim.Host)
}

// Logs implements the Backend of package api/streams.
func (s streams) Logs(ctx context.Context, c *capsule.Capsule, container string, previous bool, opts capsule.LogOptions,
	stdout, stderr io.Writer,
) error {
	a, err := s.of(c)
	if err != nil {
		return err
	}
	return a.Logs(ctx, c, container, previous, opts, stdout, stderr)
}

// Exec implements the Backend of package api/streams.
func (s streams) Exec(ctx context.Context, c *capsule.Capsule, container string, command []string, session capsule.Session) (int, error) {
	a, err := s.of(c)
	if err != nil {
		return 0, err
	}
	return a.Exec(ctx, c, container, command, session)
}

// Attach implements the Backend of package api/streams.
func (s streams) Attach(ctx context.Context, c *capsule.Capsule, container string, session capsule.Session) error {
	a, err := s.of(c)
	if err != nil {
		return err
	}
	return a.Attach(ctx, c, container, session)
}

// Dial implements the Backend of package api/streams.
func (s streams) Dial(ctx context.Context, c *capsule.Capsule, port int32) (net.Conn, error) {
	a, err := s.of(c)
	if err != nil {
		return nil, err
	}
	return a.Dial(ctx, c, port)
}

// Kill sends a signal to the main process of a container.
func (s streams) Kill(ctx context.Context, c *capsule.Capsule, container, signal string) error {
	a, err := s.of(c)
	if err != nil {
		return err
	}
	return a.Kill(ctx, c, container, signal)
}

// StopSignal is the signal that stops a container.
func (s streams) StopSignal(ctx context.Context, c *capsule.Capsule, container string) (string, error) {
	a, err := s.of(c)
	if err != nil {
		return "", err
	}
	return a.StopSignal(ctx, c, container)
}

// Processes lists what runs in a container.
func (s streams) Processes(ctx context.Context, c *capsule.Capsule, container, psArgs string) (capsule.ProcessTable, error) {
	a, err := s.of(c)
	if err != nil {
		return capsule.ProcessTable{}, err
	}
	return a.Processes(ctx, c, container, psArgs)
}

// CopyFrom returns a tar stream of a path in a container, which the caller closes.
func (s streams) CopyFrom(ctx context.Context, c *capsule.Capsule, container, path string) (io.ReadCloser, capsule.PathStat, error) {
	a, err := s.of(c)
	if err != nil {
		return nil, capsule.PathStat{}, err
	}
	return a.CopyFrom(ctx, c, container, path)
}

// CopyTo unpacks a tar stream in a directory of a container.
func (s streams) CopyTo(ctx context.Context, c *capsule.Capsule, container, path string, tar io.Reader) error {
	a, err := s.of(c)
	if err != nil {
		return err
	}
	return a.CopyTo(ctx, c, container, path, tar)
}

// Commit makes an image of a container.
func (s streams) Commit(ctx context.Context, c *capsule.Capsule, container, repository, tag string) (imageID string, err error) {
	a, err := s.of(c)
	if err != nil {
		return "", err
	}
	return a.Commit(ctx, c, container, repository, tag)
}
