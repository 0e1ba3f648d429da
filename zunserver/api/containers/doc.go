// Package containers is the resource /v1/containers: Zun's API of containers that are not of a capsule.
//
//	create.go   POST, by package creation      find.go    which container a path means, whose it is
//	list.go     GET                            state.go   in which states an action may be asked for
//	wants.go    actions that change what is wanted: start, stop, reboot, pause, unpause, rebuild, update, delete
//	query.go    what it says: logs, top, stats, networks
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
// server dies; other signals are sent once.
package containers

import (
	"context"
	"time"

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

// Resource serves containers. All of it is required.
type Resource struct {
	Backend Backend
	Now     func() time.Time
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	shown := view.Container{}
	return []rest.Route{
		{Method: "GET", Path: "/v1/containers", Serve: r.list, Doc: rest.Doc{
			Summary: "List containers.", Query: listQuery{}, Answers: map[int]any{200: page{}}}},
		{Method: "POST", Path: "/v1/containers", Serve: r.create, Doc: rest.Doc{
			Summary: "Create a container, and start it with run=true.", Query: createQuery{}, Body: createBody{}, Answers: map[int]any{202: shown}}},
		{Method: "GET", Path: "/v1/containers/{id}", Serve: r.show, Doc: rest.Doc{
			Summary: "Show a container, also one of a capsule.", Query: showQuery{}, Answers: map[int]any{200: shown}}},
		{Method: "PATCH", Path: "/v1/containers/{id}", Serve: r.update, Doc: rest.Doc{
			Summary: "Change the name, the cpu, the memory or auto_heal of a container.", Body: updateBody{}, Answers: map[int]any{200: shown}}},
		{Method: "DELETE", Path: "/v1/containers/{id}", Serve: r.remove, Doc: rest.Doc{
			Summary: "Delete a container.", Query: deleteQuery{}, Answers: map[int]any{204: nil}}},
		r.post("start", r.start, "Start a container.", nil, 202),
		r.post("stop", r.stop, "Stop a container.", timeoutQuery{}, 202),
		r.post("reboot", r.reboot, "Stop a container and start it again.", timeoutQuery{}, 202),
		r.post("pause", r.pause, "Freeze the processes of a container.", nil, 202),
		r.post("unpause", r.unpause, "Let the processes of a paused container go on.", nil, 202),
		r.post("rebuild", r.rebuild, "Make a container anew, from another image if one is named.", rebuildQuery{}, 202),
		{Method: "POST", Path: "/v1/containers/{id}/rename", Serve: r.rename, Until: v(13), Doc: rest.Doc{
			Summary: "Rename a container; from 1.14 on PATCH does it.", Query: renameQuery{}, Answers: map[int]any{200: shown}}},
		{Method: "POST", Path: "/v1/containers/{id}/resize_container", Serve: r.resizeContainer, Since: v(19), Doc: rest.Doc{
			Summary: "Change the cpu and the memory of a container.", Body: resizeBody{}, Answers: map[int]any{202: shown}}},
	}
}

// post is the route of an action whose answer is empty.
func (r *Resource) post(action string, serve rest.Handler, summary string, query any, status int) rest.Route {
	return rest.Route{Method: "POST", Path: "/v1/containers/{id}/" + action, Serve: serve,
		Doc: rest.Doc{Summary: summary, Query: query, Answers: map[int]any{status: nil}}}
}

// v is microversion 1.minor.
func v(minor int) rest.Version { return rest.Version{Major: 1, Minor: minor} }
