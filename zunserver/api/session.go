package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/remote"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	// maxSessions is how many sessions and forwarded connections there may be at a time: each holds a few goroutines and
	// file descriptors.
	maxSessions = 1024
	// maxPorts is how many ports one WebSocket may forward.
	maxPorts = 100
	// exitCodeTrailer follows the output of a command that was run without an upgrade.
	exitCodeTrailer = "Capsulet-Exit-Code"
)

// exec is GET and POST /v1/capsules/{id}/exec. A POST without an upgrade is a command without input, whose output is the
// answer.
func (a *api) exec(c *call) error {
	// Elsewhere a parameter that cannot be read is as good as none; a word of a command must not get lost.
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return invalidValue("The parameters cannot be read: %s", err)
	}
	command := query["command"]
	if len(command) == 0 || command[0] == "" {
		return invalidValue("A command is needed: command=…, once for each word of it")
	}
	one, container, err := a.running(c, auth.CapsuleExec)
	if err != nil {
		return err
	}
	run := func(ctx context.Context, s capsule.Session) (int, error) {
		return a.Streams.Exec(ctx, one, container, command, s)
	}
	if !remote.Upgrades(c.r) && c.r.Method == http.MethodPost {
		return a.output(c, run)
	}
	o, err := c.sessionOptions()
	if err != nil {
		return err
	}
	return a.session(c, o, run)
}

// attach is GET and POST /v1/capsules/{id}/attach.
func (a *api) attach(c *call) error {
	one, container, err := a.running(c, auth.CapsuleAttach)
	if err != nil {
		return err
	}
	o, err := c.sessionOptions()
	if err != nil {
		return err
	}
	cs, _ := one.Spec.Container(container)
	if o.Attach, o.TTY = true, cs.TTY; cs.TTY { // a process has a terminal or not, whatever the caller would like
		o.Stderr = false
	}
	return a.session(c, o, func(ctx context.Context, s capsule.Session) (int, error) {
		return 0, a.Streams.Attach(ctx, one, container, s)
	})
}

// running finds the capsule and its container, which has to run.
func (a *api) running(c *call, action auth.Action) (*capsule.Capsule, string, error) {
	one, err := a.find(c, action)
	if err != nil {
		return nil, "", err
	}
	container, err := containerOf(one, c.r.URL.Query().Get("container"))
	if err != nil {
		return nil, "", err
	}
	if cf := one.Facts.Container(container); cf == nil || cf.Run.State() != capsule.StateRunning {
		return nil, "", notRunning("Container %s of capsule %s is not running", container, one.UUID)
	}
	return one, container, nil
}

func notRunning(format string, args ...any) error {
	return &refusal{http.StatusConflict, "invalid-state-exception", fmt.Sprintf(format, args...)}
}

// sessionOptions reads which streams are wanted.
func (c *call) sessionOptions() (o remote.Options, err error) {
	for _, p := range []struct {
		name string
		into *bool
	}{{"stdin", &o.Stdin}, {"stdout", &o.Stdout}, {"stderr", &o.Stderr}, {"tty", &o.TTY}} {
		if *p.into, err = c.flag(p.name); err != nil {
			return o, err
		}
	}
	o.Stderr = o.Stderr && !o.TTY // a terminal has one output
	switch {
	case !o.Stdin && !o.Stdout && !o.Stderr:
		return o, invalidValue("At least one of stdin, stdout and stderr is needed")
	case !remote.Upgrades(c.r):
		return o, needsUpgrade()
	}
	return o, nil
}

func needsUpgrade() error {
	return invalidValue("The connection has to be upgraded: to SPDY/3.1 or to a WebSocket, with a protocol of Kubernetes")
}

// session joins the caller with a process until one of them is gone.
func (a *api) session(c *call, o remote.Options, p remote.Process) error {
	if err := a.sessions.enter(); err != nil {
		return err
	}
	defer a.sessions.leave()
	remote.Serve(c.w, c.r, o, func(ctx context.Context, s capsule.Session) (int, error) {
		code, err := p(ctx, s)
		return code, c.told(ctx, err)
	})
	c.left()
	return nil
}

// told is what the caller is told of an error once the connection has left HTTP.
func (c *call) told(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	_, _, message := c.verdict(err)
	return errors.New(message)
}

// left notes that the connection left HTTP, if nothing else was answered: a library may write the head by itself.
func (c *call) left() {
	if c.w.status == 0 {
		c.w.status = http.StatusSwitchingProtocols
	}
}

// output answers with the output of a command; its exit code is in the trailer.
func (a *api) output(c *call, run remote.Process) error {
	if err := a.sessions.enter(); err != nil {
		return err
	}
	defer a.sessions.leave()
	c.w.Header().Set("Trailer", exitCodeTrailer)
	s := c.stream("application/octet-stream")
	defer s.close()
	timer := time.AfterFunc(headerDelay, s.begin)
	defer timer.Stop()
	code, err := run(c.r.Context(), capsule.Session{Stdout: s, Stderr: s})
	if err != nil {
		c.w.Header().Del("Trailer")
		return fmt.Errorf("run a command: %w", err)
	}
	s.begin()
	c.w.Header().Set(exitCodeTrailer, strconv.Itoa(code))
	return nil
}

// portForward is GET and POST /v1/capsules/{id}/portforward.
func (a *api) portForward(c *call) error {
	one, err := a.find(c, auth.CapsulePortForward)
	if err != nil {
		return err
	}
	ports, err := c.ports()
	switch {
	case err != nil:
		return err
	case !one.Facts.Sandbox.Ready:
		return notRunning("Capsule %s is not running", one.UUID)
	case !remote.Upgrades(c.r):
		return needsUpgrade()
	case remote.NeedsPorts(c.r) && len(ports) == 0:
		return invalidValue("This WebSocket protocol needs ports=…, once for each port")
	}
	if err := a.sessions.enter(); err != nil {
		return err
	}
	defer a.sessions.leave()
	remote.Forward(c.w, c.r, one.Spec.Name, one.UUID, ports, func(ctx context.Context, port int32, stream io.ReadWriteCloser) error {
		if err := a.sessions.enter(); err != nil {
			return c.told(ctx, err)
		}
		defer a.sessions.leave()
		conn, err := a.Streams.Dial(ctx, one, port)
		if err != nil {
			return c.told(ctx, err)
		}
		return remote.Join(ctx, stream, conn)
	})
	c.left()
	return nil
}

// ports reads the parameter ports.
func (c *call) ports() (ports []int32, err error) {
	for _, text := range c.r.URL.Query()["ports"] {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return nil, invalidValue("Invalid value for ports: '%.64s' is no port", text)
		}
		ports = append(ports, int32(n))
	}
	if len(ports) > maxPorts {
		return nil, invalidValue("%d ports are more than the %d that one connection may forward", len(ports), maxPorts)
	}
	return ports, nil
}

// slots admits so many at a time and no more.
type slots chan struct{}

func (s slots) enter() error {
	select {
	case s <- struct{}{}:
		return nil
	default:
		return fmt.Errorf("%d sessions are under way, which is the limit: %w", cap(s), errdefs.ErrResourceExhausted)
	}
}

func (s slots) leave() { <-s }
