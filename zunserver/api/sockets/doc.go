// Package sockets is Zun's protocol for terminals in the browser and in its clients: attach and execute answer a URL with a
// token, and the WebSocket there carries the bytes of the terminal (zun/websocket/websocketproxy.py; the client is
// zunclient/common/websocketclient).
//
//	resource ─ Attach, Exec ─► ticket (tickets.go) ─► URL ─► client ─► /v1/websocket?token=&uuid=[&exec_id=] ─► ticket taken
//	                                                                        │ frames (socket.go)
//	resource ─ Resize ─► terminal (terminals.go) ─ sizes ─► Backend ◄───────┘
//
// What is input is the content of the frames that come, and what goes is the output, standard error with it: with the
// subprotocol binary as it is, with base64 in text frames that are encoded one by one, and without a subprotocol as binary. A
// frame ends with a character (characters.go).
// The size of a window comes over REST. The end of the process closes the socket after its last output: 1000 with the exit code
// as the reason, 1011 with what went wrong. A client who is gone has left: its command is hung up, an attachment let go.
//
// Decisions (2026-11-26): a token is random, bound to the caller, the capsule and the container that it was made for, and
// dies after ten minutes; Zun's never do. It is good for one command, which must not run twice; an attachment may be joined
// again with it for half a minute, for who loses a connection at once. Tokens are in the memory of one server: another one, or
// the same after a restart, answers 401. The token is all that a socket has of identity, so it is kept as a digest and in no
// log. A browser sends an Origin, which has to be this host's or one that the configuration names; no Origin is no browser. The
// command of an execute starts when its socket is there and not before, so that no output is lost. The library is
// gorilla/websocket, which etcd's gateway brings along anyway: golang.org/x/net/websocket, which the protocols of
// Kubernetes are served with, cannot answer pings or send a reason.
package sockets

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/capsules"
	"github.com/capsulet/capsulet/zunserver/api/limit"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	// path is where the sockets are.
	path = "/v1/websocket"
	// idleTimeout is that of the sessions of Kubernetes' protocols.
	idleTimeout = 4 * time.Hour
)

// Backend runs in and joins the containers of capsules, until the end of what runs or that of ctx.
type Backend interface {
	Exec(ctx context.Context, c *capsule.Capsule, container string, command []string, s capsule.Session) (exitCode int, err error)
	Attach(ctx context.Context, c *capsule.Capsule, container string, s capsule.Session) error
}

// Config is what a proxy is made of. Capsules, Backend and Limit are required.
type Config struct {
	Capsules capsules.Lookup
	Backend  Backend
	Limit    *limit.Sessions
	// URL is where clients reach the sockets, as wss://zun.example/v1/websocket ([websocket_proxy]base_url of Zun); the
	// address that a request came to when empty.
	URL string
	// Origins are host names, or whole origins, whose pages may open a socket besides those of this host
	// ([websocket_proxy]allowed_origins of Zun).
	Origins []string
	// IdleTimeout ends a session in which nothing is said; 0 is the kubelet's, four hours.
	IdleTimeout time.Duration
	// TokenLife is how long a token waits for its socket; 0 is ten minutes.
	TokenLife time.Duration
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// Proxy makes URLs of sockets and serves the sockets. It is safe for concurrent use. Make it with New.
type Proxy struct {
	Config
	tickets   *tickets
	terminals *terminals
}

// New makes a proxy.
func New(cfg Config) *Proxy {
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, idleTimeout)
	cfg.TokenLife = cmp.Or(cfg.TokenLife, tokenLife)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	terminals := newTerminals()
	return &Proxy{Config: cfg, terminals: terminals, tickets: newTickets(cfg.TokenLife, terminals)}
}

// query is what a socket is asked for with.
type query struct {
	Token  string `query:"token" description:"of the answer to attach or execute"`
	UUID   string `query:"uuid" description:"of the container"`
	ExecID string `query:"exec_id" description:"of the answer to execute; none for an attachment"`
}

// Routes are what it serves.
func (p *Proxy) Routes() []rest.Route {
	return []rest.Route{{Method: "GET", Path: path, Serve: p.serve, Public: true, Stream: true, Doc: rest.Doc{
		Summary: "Join a terminal, as a WebSocket with the subprotocol binary or base64.",
		Query:   query{}, Answers: map[int]any{http.StatusSwitchingProtocols: nil},
	}}}
}

// Attach makes the URL of an attachment to a running container, of the class of capsules that the caller may attach to. It has to
// have been made with stdin (Zun: interactive).
func (p *Proxy) Attach(c *rest.Call, one *capsule.Capsule, container string) (url string, err error) {
	cs, err := joinable(one, container)
	if err != nil {
		return "", err
	}
	if !cs.Stdin {
		return "", rest.Refuse(http.StatusBadRequest, "no-interactive-flag",
			"Container %s was not created with the interactive flag, so that there is nothing to attach to", container)
	}
	token, err := p.tickets.issue(p.Now(), ticket{
		id: cs.UUID, caller: c.Caller, capsule: one.UUID, project: one.Project, container: container, containerUUID: cs.UUID, tty: cs.TTY,
	})
	if err != nil {
		return "", err
	}
	return p.url(c, token, cs.UUID, ""), nil
}

// Exec makes the URL of a command in a running container, which runs when a client comes there.
func (p *Proxy) Exec(c *rest.Call, one *capsule.Capsule, container string, command []string, tty bool) (execID, token, url string, err error) {
	cs, err := joinable(one, container)
	if err != nil {
		return "", "", "", err
	}
	if len(command) == 0 || command[0] == "" {
		return "", "", "", rest.InvalidValue("A command is needed")
	}
	execID = newExecID()
	token, err = p.tickets.issue(p.Now(), ticket{
		id: execID, caller: c.Caller, capsule: one.UUID, project: one.Project, container: container, containerUUID: cs.UUID, command: command, tty: tty,
	})
	if err != nil {
		return "", "", "", err
	}
	return execID, token, p.url(c, token, cs.UUID, execID), nil
}

// Resize sets the size of the terminals of a command (by its exec ID) or of the attachments to a container (by the container's
// UUID), also of those whose client is still on the way. NotFound: there is none; FailedPrecondition: it is no terminal.
func (p *Proxy) Resize(_ context.Context, id string, size capsule.TerminalSize) error {
	p.tickets.expire(p.Now())
	return p.terminals.resize(id, size)
}

// joinable is the container, which has to run.
func joinable(one *capsule.Capsule, container string) (*capsule.ContainerSpec, error) {
	cs, _ := one.Spec.Container(container)
	if cs == nil {
		return nil, rest.NotFound(container)
	}
	if cf := one.Facts.Container(container); cf == nil || cf.Run.State() != capsule.StateRunning || cf.Run.Paused {
		return nil, rest.Refuse(http.StatusConflict, "invalid-state-exception", "Container %s of %s is not running", container, one.UUID)
	}
	return cs, nil
}

// url is in the order of Zun's.
func (p *Proxy) url(c *rest.Call, token, uuid, execID string) string {
	u := fmt.Sprintf("%s?token=%s&uuid=%s", p.base(c), url.QueryEscape(token), url.QueryEscape(uuid))
	if execID != "" {
		u += "&exec_id=" + url.QueryEscape(execID)
	}
	return u
}

// base is where clients reach the sockets.
func (p *Proxy) base(c *rest.Call) string {
	return cmp.Or(p.URL, "ws"+strings.TrimPrefix(c.Base(), "http")+path)
}
