// Package streams is what reaches into running capsules: logs, commands, attachments and forwarded ports. It finds the
// capsule, checks what may be asked of it and bounds how much may be under way (package limit); package remote speaks the
// protocols, and a Backend does the work.
package streams

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/capsules"
	"github.com/capsulet/capsulet/zunserver/api/limit"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Backend reads from, runs in, joins and reaches into the containers of capsules, until the end of what runs or that of ctx.
type Backend interface {
	// Logs reads the log of a container. It may write to both writers at once.
	Logs(ctx context.Context, c *capsule.Capsule, container string, previous bool, opts capsule.LogOptions,
		stdout, stderr io.Writer) error
	Exec(ctx context.Context, c *capsule.Capsule, container string, command []string, s capsule.Session) (exitCode int, err error)
	Attach(ctx context.Context, c *capsule.Capsule, container string, s capsule.Session) error
	// Dial connects to a TCP port inside the capsule.
	Dial(ctx context.Context, c *capsule.Capsule, port int32) (net.Conn, error)
}

// Resource serves streams. All of it but IdleTimeout is required.
type Resource struct {
	Capsules capsules.Lookup
	Backend  Backend
	Limit    *limit.Sessions
	// IdleTimeout ends a session in which nothing is said; 0 is the kubelet's, four hours.
	IdleTimeout time.Duration
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	routes := []rest.Route{{Method: "GET", Path: "/v1/capsules/{id}/logs", Serve: r.logs, Stream: true}}
	for action, serve := range map[string]rest.Handler{"exec": r.exec, "attach": r.attach, "portforward": r.portForward} {
		for _, method := range []string{"GET", "POST"} {
			routes = append(routes, rest.Route{Method: method, Path: "/v1/capsules/{id}/" + action, Serve: serve, Stream: true})
		}
	}
	return routes
}
