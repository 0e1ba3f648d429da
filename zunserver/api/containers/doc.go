// Package containers is the resource /v1/containers: Zun's API of containers that are not of a capsule.
//
//	create.go   POST, by package creation      find.go    which container a path means, whose it is
//	list.go     GET                            state.go   in which states an action may be asked for
//	wants.go    actions that change what is wanted: start, stop, reboot, pause, unpause, rebuild, update, delete
//	query.go    what it says: logs, top, stats      exec.go     commands and terminals
//	archive.go  copies from and to                  network.go  networks and security groups
//	actions.go  kill and commit, which are done once, and the history of all (package history)
//
// # Wanting and doing
//
// A container is one in a record (package capsule, Standalone), of its own (KindContainer) or in a sandbox with others. An action
// that its owner asks for changes what is wanted, in one write that is refused when the state does not allow the action
// any more, and is answered with 202; the agent brings it about, after a restart of everything too. Errors land in status,
// status_reason and the record of the action.
//
// # Containers of capsules
//
// They are found by their UUID and never by name, are not listed, and can be looked into: shown, logged, attached to, run
// commands in, copied from and to. They live and die with their capsule; whoever asks for something else is told so (409).
//
// Decisions (2026-11-26): a parameter may come in the query or in a JSON body, as pecan takes it; an unknown one is 400 for every
// action, where Zun ignores it for some. Kill with SIGKILL is a stop without grace, so that it is not forgotten when a
// server dies; other signals are sent once. As Docker documents its kill (moby/moby#11065, #26464), SIGKILL and the stop signal of
// the container (its image's, SIGTERM by default) suspend its restart policy until the next start, and other signals leave it in
// force; Docker itself takes any signal for the stop signal where the image names none, so that a SIGHUP ends the policy, and Zun
// with it: that is not copied. A start while one is under way is that one and no reboot.
package containers

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/containers/history"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Backend keeps the records; *store.Store says what each method does.
type Backend interface {
	Capsule(ctx context.Context, uuid string) (*capsule.Capsule, error)
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
	CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error)
	UpdateStandalone(ctx context.Context, uuid string, update func(*capsule.Spec, *[]capsule.Standalone) error) (*capsule.Capsule, error)
	DeleteCapsule(ctx context.Context, uuid string, d capsule.Deletion) (*capsule.Capsule, error)
}

// Control reaches into containers; *agent.Agent says what each method does.
type Control interface {
	Kill(ctx context.Context, c *capsule.Capsule, container, signal string) error
	StopSignal(ctx context.Context, c *capsule.Capsule, container string) (string, error)
	Processes(ctx context.Context, c *capsule.Capsule, container, psArgs string) (capsule.ProcessTable, error)
	CopyFrom(ctx context.Context, c *capsule.Capsule, container, path string) (io.ReadCloser, capsule.PathStat, error)
	CopyTo(ctx context.Context, c *capsule.Capsule, container, path string, tar io.Reader) error
	Commit(ctx context.Context, c *capsule.Capsule, container, repository, tag string) (imageID string, err error)
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

// Networks replaces what a project calls its networks by what a record has; an error is a refusal.
type Networks interface {
	Resolve(ctx context.Context, project string, nets []capsule.Net, path string) error
}

// Registries know the login at what a project calls a registry, and the registry's UUID; an error is a refusal.
type Registries interface {
	Credential(ctx context.Context, project, ident string) (capsule.Credential, string, error)
}

// Resource serves containers. All of it but SizedVolumes is required.
type Resource struct {
	Backend    Backend
	Control    Control
	Streams    Streams
	Stats      Stats
	Hosts      Hosts
	Sockets    Sockets
	Networks   Networks
	Registries Registries
	History    *history.Log
	Jobs       *Jobs
	Now        func() time.Time
	// SizedVolumes: the disk of the host serves volumes with a size.
	SizedVolumes bool
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	return slices.Concat(r.resource(), r.actions(), r.queries())
}

func (r *Resource) resource() []rest.Route {
	shown := view.Container{}
	return []rest.Route{
		{Method: "GET", Path: "/v1/containers", Serve: r.list, Doc: rest.Doc{
			Summary: "List containers.", Query: listQuery{}, Answers: map[int]any{200: page{}}}},
		{Method: "POST", Path: "/v1/containers", Serve: r.create, Doc: rest.Doc{
			Summary: "Create a container, and start it with run=true.", Query: createQuery{}, Body: createBody{}, Answers: map[int]any{202: shown}}},
		{Method: "GET", Path: "/v1/containers/{id}", Serve: r.show, Doc: rest.Doc{
			Summary: "Show a container, also one of a capsule.", Query: showQuery{}, Answers: map[int]any{200: shown}}},
		{Method: "PATCH", Path: "/v1/containers/{id}", Serve: r.update, Doc: rest.Doc{
			Summary: "Change the name, the cpu, the memory or auto_heal of a container, or cpu and memory of one of the capsule that is named.", Query: capsuleQuery{}, Body: updateBody{}, Answers: map[int]any{200: shown}}},
		{Method: "DELETE", Path: "/v1/containers/{id}", Serve: r.remove, Doc: rest.Doc{
			Summary: "Delete a container.", Query: deleteQuery{}, Answers: map[int]any{204: nil}}},
		{Method: "POST", Path: "/v1/containers/{id}/rename", Serve: r.rename, Until: v(13), Doc: rest.Doc{
			Summary: "Rename a container; from 1.14 on PATCH does it.", Query: renameQuery{}, Answers: map[int]any{200: shown}}},
		{Method: "POST", Path: "/v1/containers/{id}/resize_container", Serve: r.resizeContainer, Since: v(19), Doc: rest.Doc{
			Summary: "Change the cpu and the memory of a container.", Query: capsuleQuery{}, Body: resizeBody{}, Answers: map[int]any{202: shown}}},
	}
}

// actions answer with nothing, or with little.
func (r *Resource) actions() []rest.Route {
	groups := func(action string, serve rest.Handler) rest.Route {
		route := r.post(action, serve, "Change the security groups of a container.", groupQuery{}, 202)
		route.Until = v(14)
		return route
	}
	attach := r.post("network_attach", r.networkAttach, "Connect the sandbox of a container to a network.", attachQuery{}, 200)
	detach := r.post("network_detach", r.networkDetach, "Disconnect the sandbox of a container from a network.", detachQuery{}, 202)
	attach.Since, detach.Since = v(8), v(6)
	return []rest.Route{
		attach, detach, groups("add_security_group", r.addGroup), groups("remove_security_group", r.removeGroup),
		r.post("start", r.start, "Start a container.", nil, 202),
		r.post("stop", r.stop, "Stop a container.", timeoutQuery{}, 202),
		r.post("reboot", r.reboot, "Stop a container and start it again.", timeoutQuery{}, 202),
		r.post("pause", r.pause, "Freeze the processes of a container.", nil, 202),
		r.post("unpause", r.unpause, "Let the processes of a paused container go on.", nil, 202),
		r.post("rebuild", r.rebuild, "Make a container anew, from another image if one is named.", rebuildQuery{}, 202),
		r.post("kill", r.kill, "Send a signal to a container.", killQuery{}, 202),
		r.post("resize", r.resize, "Set the size of the terminal of a container.", sizeQuery{}, 200),
		r.post("execute_resize", r.executeResize, "Set the size of the terminal of a command.", execSizeQuery{}, 200),
		{Method: "POST", Path: "/v1/containers/{id}/commit", Serve: r.commit, Doc: rest.Doc{
			Summary: "Make an image of what a container is.", Query: commitQuery{}, Answers: map[int]any{202: commitment{}}}},
		{Method: "POST", Path: "/v1/containers/{id}/execute", Serve: r.execute, Doc: rest.Doc{
			Summary: "Run a command in a container.", Query: execQuery{}, Answers: map[int]any{200: execution{}}}},
		{Method: "POST", Path: "/v1/containers/{id}/put_archive", Serve: r.putArchive, MaxBodyBytes: maxArchiveBody, Doc: rest.Doc{
			Summary: "Unpack a tar in a directory of a container.", Query: pathQuery{}, Body: archiveBody{}, Answers: map[int]any{200: nil}}},
	}
}

func (r *Resource) queries() []rest.Route {
	get := func(name string, serve rest.Handler, summary string, query, answer any) rest.Route {
		return rest.Route{Method: "GET", Path: "/v1/containers/{id}/" + name, Serve: serve,
			Doc: rest.Doc{Summary: summary, Query: query, Answers: map[int]any{200: answer}}}
	}
	networks := get("network_list", r.networkList, "List the networks of a container.", nil, networkList{})
	networks.Since = v(13)
	return []rest.Route{
		networks,
		get("logs", r.logs, "Read the log of a container.", logsQuery{}, ""),
		get("attach", r.attach, "Get the URL of a WebSocket that is attached to a container.", nil, ""),
		get("top", r.top, "List the processes of a container.", topQuery{}, capsule.ProcessTable{}),
		get("stats", r.stats, "Read what a container uses.", nil, usage{}),
		get("get_archive", r.getArchive, "Pack a path of a container into a tar.", pathQuery{}, archive{}),
		get("container_actions", r.listActions, "List what was asked of a container.", nil, actions{}),
		get("container_actions/{request}", r.showAction, "Show one thing that was asked of a container.", nil, action{}),
	}
}

// post is the route of an action whose answer is empty.
func (r *Resource) post(action string, serve rest.Handler, summary string, query any, status int) rest.Route {
	return rest.Route{Method: "POST", Path: "/v1/containers/{id}/" + action, Serve: serve,
		Doc: rest.Doc{Summary: summary, Query: query, Answers: map[int]any{status: nil}}}
}

// v is microversion 1.minor.
func v(minor int) rest.Version { return rest.Version{Major: 1, Minor: minor} }
