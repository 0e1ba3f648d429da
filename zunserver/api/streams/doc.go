// Package streams is what reaches into capsules: logs, commands, attachments, forwarded ports, files, and what runs and what it uses.
// It finds the capsule, checks what may be asked of it and bounds how much may be under way (package limit); package remote
// speaks the protocols, and a Backend does the work.
//
// Decisions (2026-11-26): files travel as Docker's archive API has them, as a tar in the body and what lies at the path in a header,
// and not as the strings in JSON of Zun's containers: so they have no limit, and nobody keeps them in memory.
package streams

import (
	"context"
	"io"
	"net"
	"slices"
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

// Control reaches into containers otherwise; *agent.Agent says what each method does.
type Control interface {
	Processes(ctx context.Context, c *capsule.Capsule, container, psArgs string) (capsule.ProcessTable, error)
	CopyFrom(ctx context.Context, c *capsule.Capsule, container, path string) (io.ReadCloser, capsule.PathStat, error)
	CopyTo(ctx context.Context, c *capsule.Capsule, container, path string, tar io.Reader) error
}

// Resource serves streams. All of it but IdleTimeout is required.
type Resource struct {
	Capsules capsules.Lookup
	Backend  Backend
	Control  Control
	Stats    capsules.Stats
	Limit    *limit.Sessions
	// IdleTimeout ends a session in which nothing is said; 0 is the kubelet's, four hours.
	IdleTimeout time.Duration
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	routes := []rest.Route{{Method: "GET", Path: "/v1/capsules/{id}/logs", Serve: r.logs, Stream: true, Doc: rest.Doc{
		Summary: "Read the log of a container of a capsule.", Query: logsQuery{},
		Answers: map[int]any{200: ""}, MediaType: "application/octet-stream",
	}}}
	session := func(action, summary string, query any, serve rest.Handler) {
		for _, method := range []string{"GET", "POST"} {
			doc := rest.Doc{Summary: summary, Query: query, Answers: map[int]any{101: nil}}
			if action == "exec" && method == "POST" { // without an upgrade
				doc.Answers[200], doc.MediaType = "", "application/octet-stream"
			}
			routes = append(routes, rest.Route{Method: method, Path: "/v1/capsules/{id}/" + action, Serve: serve, Stream: true, Doc: doc})
		}
	}
	session("exec", "Run a command in a container of a capsule.", execQuery{}, r.exec)
	session("attach", "Join the main process of a container of a capsule.", sessionQuery{}, r.attach)
	session("portforward", "Reach ports inside a capsule.", portsQuery{}, r.portForward)
	return slices.Concat(routes, r.files(), r.looks())
}

// The parameters, for the OpenAPI document.
type (
	containerQuery struct {
		Container string `query:"container" description:"name of the container; the only one, or the first, when not given"`
	}
	logsQuery struct {
		containerQuery
		Previous   string `query:"previous" description:"true: the attempt before the current one"`
		Follow     string `query:"follow" description:"true: go on until the container ends"`
		Timestamps string `query:"timestamps" description:"true: the time before each line"`
		Tail       string `query:"tail" description:"number of last lines, or all"`
		Since      string `query:"since" description:"RFC 3339 or seconds since 1970"`
		Until      string `query:"until" description:"RFC 3339 or seconds since 1970"`
		Stdout     string `query:"stdout" description:"true, and stderr not: this one only"`
		Stderr     string `query:"stderr" description:"true, and stdout not: this one only"`
	}
	sessionQuery struct {
		containerQuery
		Stdin  string `query:"stdin"`
		Stdout string `query:"stdout"`
		Stderr string `query:"stderr"`
		TTY    string `query:"tty"`
	}
	execQuery struct {
		sessionQuery
		Command []string `query:"command" description:"once for each word"`
	}
	portsQuery struct {
		Ports string `query:"ports" description:"for WebSocket clients: the ports, with commas between"`
	}
)
