// Package reach is what reaches into the containers of /v1/containers, those of capsules among them, in the forms of Zun: one answer in
// JSON each, or the URL of a WebSocket.
//
//	query.go    what it says: logs, top, stats
//	exec.go     commands and terminals
//	archive.go  copies from and to
package reach

import (
	"context"
	"io"

	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Control looks into containers; *agent.Agent says what each method does.
type Control interface {
	Processes(ctx context.Context, c *capsule.Capsule, container, psArgs string) (capsule.ProcessTable, error)
	CopyFrom(ctx context.Context, c *capsule.Capsule, container, path string) (io.ReadCloser, capsule.PathStat, error)
	CopyTo(ctx context.Context, c *capsule.Capsule, container, path string, tar io.Reader) error
}

// Streams read from and run in containers, as those of package api/streams.
type Streams interface {
	Logs(ctx context.Context, c *capsule.Capsule, container string, previous bool, opts capsule.LogOptions, stdout, stderr io.Writer) error
	Exec(ctx context.Context, c *capsule.Capsule, container string, command []string, s capsule.Session) (exitCode int, err error)
}

// Stats tell what records use, without those that do not run.
type Stats interface {
	Stats(ctx context.Context, of []*capsule.Capsule) capsule.StatsReport
}

// Hosts are known by the store.
type Hosts interface {
	Hosts(ctx context.Context) ([]capsule.Host, int64, error)
}

// Sockets are terminals over WebSockets; *sockets.Proxy says what each method does.
type Sockets interface {
	Attach(c *rest.Call, one *capsule.Capsule, container string) (url string, err error)
	Exec(c *rest.Call, one *capsule.Capsule, container string, command []string, tty bool) (execID, token, url string, err error)
	Resize(ctx context.Context, id string, size capsule.TerminalSize) error
}

// Resource serves what reaches into containers. All of it is required.
type Resource struct {
	target.Finder
	Control Control
	Streams Streams
	Stats   Stats
	Hosts   Hosts
	Sockets Sockets
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	return []rest.Route{
		target.Get("logs", r.logs, "Read the log of a container.", logsQuery{}, ""),
		target.Get("attach", r.attach, "Get the URL of a WebSocket that is attached to a container.", nil, ""),
		target.Get("top", r.top, "List the processes of a container.", topQuery{}, capsule.ProcessTable{}),
		target.Get("stats", r.stats, "Read what a container uses.", nil, usage{}),
		target.Get("get_archive", r.getArchive, "Pack a path of a container into a tar.", pathQuery{}, archive{}),
		target.Post("resize", r.resize, "Set the size of the terminal of a container.", sizeQuery{}, 200),
		target.Post("execute_resize", r.executeResize, "Set the size of the terminal of a command.", execSizeQuery{}, 200),
		{Method: "POST", Path: "/v1/containers/{id}/execute", Serve: r.execute, Doc: rest.Doc{
			Summary: "Run a command in a container.", Query: execQuery{}, Answers: map[int]any{200: execution{}}}},
		{Method: "POST", Path: "/v1/containers/{id}/put_archive", Serve: r.putArchive, MaxBodyBytes: maxArchiveBody, Doc: rest.Doc{
			Summary: "Unpack a tar in a directory of a container.", Query: pathQuery{}, Body: archiveBody{}, Answers: map[int]any{200: nil}}},
	}
}
