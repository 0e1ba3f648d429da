package streams

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/capsules"
	"github.com/capsulet/capsulet/zunserver/api/remote"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	// maxPorts is how many ports one WebSocket may forward.
	maxPorts = 100
	// exitCodeTrailer follows the output of a command that was run without an upgrade.
	exitCodeTrailer = "Capsulet-Exit-Code"
)

// exec is GET and POST /v1/capsules/{id}/exec. A POST without an upgrade is a command without input, whose output is the
// answer.
func (r *Resource) exec(c *rest.Call) error {
	// Elsewhere a parameter that cannot be read is as good as none; a word of a command must not get lost.
	query, err := url.ParseQuery(c.R.URL.RawQuery)
	if err != nil {
		return rest.InvalidValue("The parameters cannot be read: %s", err)
	}
	command := query["command"]
	if len(command) == 0 || command[0] == "" {
		return rest.InvalidValue("A command is needed: command=…, once for each word of it")
	}
	one, container, err := r.running(c, auth.CapsuleExec)
	if err != nil {
		return err
	}
	run := func(ctx context.Context, s capsule.Session) (int, error) {
		return r.Backend.Exec(ctx, one, container, command, s)
	}
	if !c.Upgrades() && c.R.Method == http.MethodPost {
		return r.output(c, run)
	}
	o, err := sessionOptions(c)
	if err != nil {
		return err
	}
	return r.session(c, o, run)
}

// attach is GET and POST /v1/capsules/{id}/attach.
func (r *Resource) attach(c *rest.Call) error {
	one, container, err := r.running(c, auth.CapsuleAttach)
	if err != nil {
		return err
	}
	o, err := sessionOptions(c)
	if err != nil {
		return err
	}
	cs, _ := one.Spec.Container(container)
	if o.Attach, o.TTY = true, cs.TTY; cs.TTY { // a process has a terminal or not, whatever the caller would like
		o.Stderr = false
	}
	return r.session(c, o, func(ctx context.Context, s capsule.Session) (int, error) {
		return 0, r.Backend.Attach(ctx, one, container, s)
	})
}

// running finds the capsule and its container, which has to run.
func (r *Resource) running(c *rest.Call, action auth.Action) (*capsule.Capsule, string, error) {
	one, container, err := r.find(c, action)
	if err != nil {
		return nil, "", err
	}
	if cf := one.Facts.Container(container); cf == nil || cf.Run.State() != capsule.StateRunning {
		return nil, "", notRunning("Container %s of capsule %s is not running", container, one.UUID)
	}
	return one, container, nil
}

func notRunning(format string, args ...any) error {
	return rest.Refuse(http.StatusConflict, "invalid-state-exception", format, args...)
}

// sessionOptions reads which streams are wanted.
func sessionOptions(c *rest.Call) (o remote.Options, err error) {
	for _, p := range []struct {
		name string
		into *bool
	}{{"stdin", &o.Stdin}, {"stdout", &o.Stdout}, {"stderr", &o.Stderr}, {"tty", &o.TTY}} {
		if *p.into, err = c.Flag(p.name); err != nil {
			return o, err
		}
	}
	o.Stderr = o.Stderr && !o.TTY // a terminal has one output
	switch {
	case !o.Stdin && !o.Stdout && !o.Stderr:
		return o, rest.InvalidValue("At least one of stdin, stdout and stderr is needed")
	case !c.Upgrades():
		return o, needsUpgrade()
	}
	return o, nil
}

func needsUpgrade() error {
	return rest.InvalidValue("The connection has to be upgraded: to SPDY/3.1 or to a WebSocket, with a protocol of Kubernetes")
}

// session joins the caller with a process until one of them is gone.
func (r *Resource) session(c *rest.Call, o remote.Options, p remote.Process) error {
	leave, err := r.Limit.Enter(c.Caller)
	if err != nil {
		return err
	}
	defer leave()
	o.IdleTimeout = r.IdleTimeout
	remote.Serve(c.W, c.R, o, func(ctx context.Context, s capsule.Session) (int, error) {
		code, err := p(ctx, s)
		return code, told(c, ctx, err)
	})
	c.Left()
	return nil
}

// told is what the caller is told of an error once the connection has left HTTP.
func told(c *rest.Call, ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	_, _, message := c.Verdict(err)
	return errors.New(message)
}

// output answers with the output of a command; its exit code is in the trailer.
func (r *Resource) output(c *rest.Call, run remote.Process) error {
	leave, err := r.Limit.Enter(c.Caller)
	if err != nil {
		return err
	}
	defer leave()
	c.W.Header().Set("Trailer", exitCodeTrailer)
	s := c.Stream("application/octet-stream")
	defer s.Close()
	timer := time.AfterFunc(rest.HeaderDelay, s.Begin)
	defer timer.Stop()
	code, err := run(c.R.Context(), capsule.Session{Stdout: s, Stderr: s})
	if err != nil {
		c.W.Header().Del("Trailer")
		return fmt.Errorf("run a command: %w", err)
	}
	s.Begin()
	c.W.Header().Set(exitCodeTrailer, strconv.Itoa(code))
	return nil
}

// portForward is GET and POST /v1/capsules/{id}/portforward.
func (r *Resource) portForward(c *rest.Call) error {
	one, err := capsules.Find(c, r.Capsules, auth.CapsulePortForward)
	if err != nil {
		return err
	}
	ports, err := ports(c)
	switch {
	case err != nil:
		return err
	case !one.Facts.Sandbox.Ready:
		return notRunning("Capsule %s is not running", one.UUID)
	case !c.Upgrades():
		return needsUpgrade()
	case remote.NeedsPorts(c.R) && len(ports) == 0:
		return rest.InvalidValue("This WebSocket protocol needs ports=…, once for each port")
	}
	leave, err := r.Limit.Enter(c.Caller)
	if err != nil {
		return err
	}
	defer leave()
	to := remote.Ports{Name: one.Spec.Name, UID: one.UUID, Ports: ports, IdleTimeout: r.IdleTimeout}
	remote.Forward(c.W, c.R, to, func(ctx context.Context, port int32, stream io.ReadWriteCloser) error {
		leave, err := r.Limit.Enter(c.Caller)
		if err != nil {
			return told(c, ctx, err)
		}
		defer leave()
		conn, err := r.Backend.Dial(ctx, one, port)
		if err != nil {
			return told(c, ctx, err)
		}
		return remote.Join(ctx, stream, conn)
	})
	c.Left()
	return nil
}

// ports reads the parameter ports.
func ports(c *rest.Call) (ports []int32, err error) {
	for _, text := range c.R.URL.Query()["ports"] {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return nil, rest.InvalidValue("Invalid value for ports: '%.64s' is no port", text)
		}
		ports = append(ports, int32(n))
	}
	if len(ports) > maxPorts {
		return nil, rest.InvalidValue("%d ports are more than the %d that one connection may forward", len(ports), maxPorts)
	}
	return ports, nil
}
