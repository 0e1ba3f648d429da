package agent_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/agent"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/network"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// dialled remembers who was called.
type dialled struct{ network.Target }

func (d *dialled) Dial(_ context.Context, t network.Target, _ int32) (net.Conn, error) {
	d.Target = t
	return nil, errdefs.ErrUnavailable
}

func (d *dialled) DialAddress(ctx context.Context, t network.Target, _ string) (net.Conn, error) {
	return d.Dial(ctx, t, 0)
}

// notice is told that something was written.
type notice chan struct{}

func (n notice) Write(b []byte) (int, error) {
	select {
	case n <- struct{}{}:
	default:
	}
	return len(b), nil
}

func TestStreams(t *testing.T) {
	w := newWorld(t)
	w.host.AddImage("echo", fake.Behaviour{Echo: true, Exec: func(_ context.Context, x runtime.ExecConfig) int {
		b, err := io.ReadAll(x.Stdin)
		if err == nil {
			_, err = io.WriteString(x.Stdout, strings.Join(x.Command, "|")+" "+string(b))
		}
		if err != nil {
			return 1
		}
		return 42
	}})
	c := w.create(func(s *capsule.Spec) {
		s.RestartPolicy = capsule.RestartNever
		s.Containers[0].Image, s.Containers[0].Stdin, s.Containers[0].StdinOnce = "echo", true, true
	})
	c = w.await(c.UUID, "running", running)
	net := &dialled{}
	a := agent.New(agent.Config{Name: hostName, Runtime: w.host, Network: net, Log: w.log()})

	var out strings.Builder
	code, err := a.Exec(t.Context(), c, "app", []string{"a", "b c"}, capsule.Session{Stdin: strings.NewReader("in"), Stdout: &out})
	if err != nil || code != 42 || out.String() != "a|b c in" {
		t.Errorf("exec: %d, %v, %q", code, err, out.String())
	}
	if _, err := a.Dial(t.Context(), c, 80); !errdefs.IsUnavailable(err) || net.ID != c.Facts.Sandbox.ID || net.Pid == 0 {
		t.Errorf("dial: %v, %+v", err, net.Target)
	}
	// A host that is lost in the middle of a stream ends it.
	seen, lost := make(chan struct{}, 1), make(chan error, 1)
	go func() { lost <- a.Attach(t.Context(), c, "app", capsule.Session{Stdout: notice(seen)}) }()
	for attached := false; !attached; {
		w.host.Print(c.Facts.Container("app").Run.ID, "is anybody there?")
		select {
		case <-seen:
			attached = true
		case <-time.After(time.Millisecond):
		}
	}
	w.host.Partition(true)
	if err := <-lost; !errdefs.IsUnavailable(err) {
		t.Errorf("the host is lost: %v", err)
	}
	w.host.Partition(false)
	out.Reset()
	err = a.Attach(t.Context(), c, "app", capsule.Session{Stdin: strings.NewReader("hello\n"), Stdout: &out})
	if err != nil || out.String() != "hello\n" {
		t.Errorf("attach: %v, %q", err, out.String())
	}
	if _, err := a.Exec(t.Context(), c, "none", nil, capsule.Session{}); !errdefs.IsInvalidArgument(err) {
		t.Errorf("exec in no container: %v", err)
	}
	c = w.await(c.UUID, "ended", func(c *capsule.Capsule) bool { return c.Facts.Container("app").Run.State() == capsule.StateExited })
	if _, err := a.Exec(t.Context(), c, "app", nil, capsule.Session{}); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("exec after the end: %v", err)
	}
	if err := a.Attach(t.Context(), c, "app", capsule.Session{}); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("attach after the end: %v", err)
	}
}
