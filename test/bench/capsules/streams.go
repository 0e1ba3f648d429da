package capsules

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/capsulet/capsulet/test/bench/report"
	"github.com/capsulet/capsulet/test/bench/round"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	// logLines of logWidth bytes are less than what an engine keeps.
	logLines, logWidth = 300_000, 100
	logBytes           = logLines * logWidth
	// A log is fast enough at 100 MB/s, or when it is as fast as the engine's own.
	logBar  = 1.0
	logMost = logBytes * time.Second / 100e6
	execBar = 1.3
	// pourMegabytes go through a port.
	pourMegabytes = 128
	pourPort      = 4000
)

// turns measures both sides of one thing after another.
func turns(ctx context.Context, w io.Writer, f *report.Figure, rounds, warmUp int, ours, theirs func() error) error {
	for i := range rounds + warmUp {
		var took [2]time.Duration
		timed := func(d *time.Duration, act func() error) func() error {
			return func() error {
				began := time.Now()
				err := act()
				*d = time.Since(began)
				round.Pause(ctx, round.Rest)
				return errors.Join(err, ctx.Err())
			}
		}
		if err := round.Sides(i, timed(&took[0], ours), timed(&took[1], theirs)); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if i < warmUp {
			continue
		}
		f.Add(took[0], took[1])
		fmt.Fprintf(w, "  %s, %d of %d: %.1f ms, raw %.1f ms\n", f.Name, i-warmUp+1, rounds, report.Milliseconds(took[0]), report.Milliseconds(took[1]))
	}
	return nil
}

// exactly reads a stream to its end.
func exactly(r io.Reader, want int64) error {
	n, err := io.Copy(io.Discard, r)
	if err == nil && n != want {
		err = fmt.Errorf("%d bytes came, and %d were expected", n, want)
	}
	return err
}

// engineID is the engine's ID of a capsule's first app.
func (s *server) engineID(ctx context.Context, id string) (string, error) {
	c, err := s.client.Get(ctx, id)
	if err != nil {
		return "", err
	}
	if cf := c.Facts.Container("app0"); cf != nil && cf.Run != nil {
		return cf.Run.ID, nil
	}
	return "", fmt.Errorf("capsule %s has no container: %+v", id, c.Facts)
}

// logs follows the log of one container to its end.
func (b Bench) logs(ctx context.Context, s *server) (f report.Figure, err error) {
	f = report.Figure{Name: fmt.Sprintf("%d MB of a log, followed", logBytes/1_000_000), Bar: logBar, Most: logMost, Either: true}
	ended := func(c *capsule.Capsule) bool {
		return c != nil && c.Facts.Container("app0") != nil && c.Facts.Container("app0").Run.State() == capsule.StateExited
	}
	id, err := s.create(ctx, 1, ended, "flood", strconv.Itoa(logLines))
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.down(ctx, id)) }()
	engineID, err := s.engineID(ctx, id)
	if err != nil {
		return f, err
	}
	ours := func() error {
		log, err := s.client.Logs(ctx, id, "app0", false, capsule.LogOptions{Follow: true, Tail: -1})
		if err != nil {
			return err
		}
		defer log.Close()
		return exactly(log, logBytes)
	}
	theirs := func() error {
		log, err := b.Engine.ContainerLogs(ctx, engineID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true, Tail: "all"})
		if err != nil {
			return err
		}
		defer log.Close()
		n, err := stdcopy.StdCopy(io.Discard, io.Discard, log)
		if err == nil && n != logBytes {
			err = fmt.Errorf("%d bytes came, and %d were expected", n, logBytes)
		}
		return err
	}
	return f, turns(ctx, b.Out, &f, b.Logs, 1, ours, theirs)
}

// execs runs a command that ends at once.
func (b Bench) execs(ctx context.Context, s *server) (f report.Figure, err error) {
	f = report.Figure{Name: "exec, command → exit code", Bar: execBar}
	id, err := s.up(ctx, 1)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.down(ctx, id)) }()
	engineID, err := s.engineID(ctx, id)
	if err != nil {
		return f, err
	}
	command := []string{"/testprog", "exit", "3"}
	ours := func() error {
		_, code, err := s.client.Run(ctx, id, "app0", command)
		return expect(code, err)
	}
	theirs := func() error {
		e, err := b.Engine.ContainerExecCreate(ctx, engineID, container.ExecOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
		if err != nil {
			return err
		}
		conn, err := b.Engine.ContainerExecAttach(ctx, e.ID, container.ExecAttachOptions{})
		if err != nil {
			return err
		}
		_, err = stdcopy.StdCopy(io.Discard, io.Discard, conn.Reader)
		conn.Close()
		for err == nil {
			r, err := b.Engine.ContainerExecInspect(ctx, e.ID)
			if err != nil || !r.Running {
				return expect(r.ExitCode, err)
			}
			round.Pause(ctx, time.Millisecond)
		}
		return err
	}
	return f, turns(ctx, b.Out, &f, b.Execs, 2, ours, theirs)
}

func expect(code int, err error) error {
	if err == nil && code != 3 {
		err = fmt.Errorf("the exit code is %d", code)
	}
	return err
}

// forwards reads from a port of a capsule, through a Kubernetes client's port-forward and directly.
func (b Bench) forwards(ctx context.Context, s *server) (f report.Figure, err error) {
	f = report.Figure{Name: fmt.Sprintf("%d MB from a port of a capsule, port-forward → direct", pourMegabytes)}
	id, err := s.create(ctx, 1, allRunning, "pour", strconv.Itoa(pourPort), strconv.Itoa(pourMegabytes))
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.down(ctx, id)) }()
	c, err := s.client.Get(ctx, id)
	if err != nil {
		return f, err
	}
	if len(c.Facts.Sandbox.Addresses) == 0 {
		return f, fmt.Errorf("capsule %s has no address", id)
	}
	direct := net.JoinHostPort(c.Facts.Sandbox.Addresses[0], strconv.Itoa(pourPort))
	if err := listens(ctx, direct); err != nil {
		return f, err
	}
	local, stop, err := s.forward(id)
	if err != nil {
		return f, err
	}
	defer stop()
	from := func(address string) func() error {
		return func() error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			defer conn.Close()
			return exactly(conn, pourMegabytes<<20)
		}
	}
	return f, turns(ctx, b.Out, &f, b.Forwards, 1, from(local), from(direct))
}

// listens waits until an address answers: a process that runs need not listen yet.
func listens(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if ctx.Err() != nil {
			return fmt.Errorf("nothing listens: %w", err)
		}
		round.Pause(ctx, 20*time.Millisecond)
	}
}

// forward opens a local port that leads to the capsule's, over SPDY as kubectl has it by default.
func (s *server) forward(id string) (address string, end func(), err error) {
	u, err := url.Parse(s.url + "/v1/capsules/" + id + "/portforward")
	if err != nil {
		return "", nil, err
	}
	cfg := &rest.Config{Host: s.url, BearerToken: s.token}
	transport, upgrader, err := spdy.RoundTripperFor(cfg)
	if err != nil {
		return "", nil, err
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, u)
	stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	f, err := portforward.New(dialer, []string{"0:" + strconv.Itoa(pourPort)}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		return "", nil, err
	}
	go func() { done <- f.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-done:
		return "", nil, err
	}
	ports, err := f.GetPorts()
	if err != nil {
		return "", nil, err
	}
	end = func() {
		close(stop)
		<-done //nolint:errcheck // it was stopped
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(ports[0].Local))), end, nil
}
