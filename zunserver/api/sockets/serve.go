package sockets

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/containerd/errdefs"
	"github.com/gorilla/websocket"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// serve is GET /v1/websocket.
func (p *Proxy) serve(c *rest.Call) error {
	if !websocket.IsWebSocketUpgrade(c.R) {
		return rest.Refuse(http.StatusBadRequest, "invalid-value", "The connection has to be upgraded to a WebSocket")
	}
	if reason := p.fromElsewhere(c); reason != "" {
		return rest.Refuse(http.StatusForbidden, "", "The socket is refused: %s", reason)
	}
	q := c.R.URL.Query()
	t := p.tickets.find(p.Now(), q.Get("token"), q.Get("uuid"), q.Get("exec_id"))
	if t == nil {
		return p.noTicket()
	}
	one, err := p.Capsules.Capsule(c.R.Context(), t.capsule)
	if errdefs.IsNotFound(err) || err == nil && one.Project != t.project {
		return rest.NotFound(t.containerUUID)
	}
	if err != nil {
		return fmt.Errorf("get capsule %s: %w", t.capsule, err)
	}
	if _, err := joinable(one, t.container); err != nil {
		return err
	}
	leave, err := p.Limit.Enter(t.caller)
	if err != nil {
		return err
	}
	defer leave()
	sizes, close := p.terminals.follow(t.id, t.tty)
	defer close()
	if !p.tickets.take(p.Now(), q.Get("token")) {
		return p.noTicket()
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{binaryProtocol, base64Protocol}, CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(c.W, c.R, nil)
	if err != nil {
		c.Log.WithError(err).Debug("no WebSocket came about") // the library has answered
		return nil
	}
	c.Left()
	c.Caller = t.caller // for the log
	p.join(c, conn, t, one, sizes)
	return nil
}

func (p *Proxy) noTicket() error {
	return rest.Refuse(http.StatusUnauthorized, "", "There is no such token for this container: it was used, is older than %s, or the server "+
		"has been started since: ask for a new one", p.TokenLife)
}

// join carries the session until the process ends or the client is gone.
func (p *Proxy) join(c *rest.Call, conn *websocket.Conn, t *ticket, one *capsule.Capsule, sizes <-chan capsule.TerminalSize) {
	ctx, end := context.WithCancelCause(c.R.Context())
	defer end(nil)
	idle := time.AfterFunc(p.IdleTimeout, func() { end(errIdle) })
	defer idle.Stop()
	s := newSocket(conn, func() { idle.Reset(p.IdleTimeout) })
	go func() { end(s.listen()) }()
	go func() { end(s.ping(ctx)) }()
	// A client who takes nothing would keep the process' output, and with it the session, from ending.
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(farewell, func() { _ = conn.Close() }) })
	defer stop()
	stdout, stderr := &characters{to: s}, &characters{to: s}
	session := capsule.Session{TTY: t.tty, Stdin: s, Stdout: stdout, Resize: sizes}
	if !t.tty { // a terminal has one output
		session.Stderr = stderr
	}
	code, err := 0, error(nil)
	if t.command != nil {
		code, err = p.Backend.Exec(ctx, one, t.container, t.command, session)
	} else {
		err = p.Backend.Attach(ctx, one, t.container, session)
	}
	stdout.flush()
	stderr.flush()
	s.hangUp(goodbye(c, context.Cause(ctx), t.command != nil, code, err))
}

// goodbye is the code and the reason of the close frame.
func goodbye(c *rest.Call, cause error, command bool, exitCode int, err error) (code int, reason string) {
	switch {
	case errors.Is(cause, errBase64):
		return websocket.CloseInvalidFramePayloadData, cause.Error()
	case cause != nil:
		return websocket.CloseGoingAway, cause.Error()
	case err != nil:
		_, _, message := c.Verdict(err)
		return websocket.CloseInternalServerErr, message
	case command:
		return websocket.CloseNormalClosure, fmt.Sprintf("exited with %d", exitCode)
	default:
		return websocket.CloseNormalClosure, "the process has ended"
	}
}
