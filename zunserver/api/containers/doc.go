// Package containers is the resource /v1/containers: Zun's API of containers that are not of a capsule.
//
//	create.go   POST, by package creation      list.go, show.go    GET
//	wants.go    actions that change what is wanted: start, stop, reboot, pause, unpause, rebuild, update, delete
//	once.go     kill and commit, which are done once        network.go  networks and security groups
//
// Which container a path means, and in which states what may be asked of it, is in package target; what reaches into a container
// that runs (logs, commands, terminals, archives, figures) in package reach; what was asked, and what became of it, in package
// history.
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
// They are found by their UUID, and by name and in lists only where the request names the capsule (?capsule=), and can be looked
// into: shown, logged, attached to, run commands in, copied from and to. With the capsule named, their cpu and memory can be
// changed. They live and die with their capsule; whoever asks for something else is told so (409).
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
	"slices"

	"github.com/capsulet/capsulet/zunserver/api/containers/history"
	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Backend keeps the records; *store.Store says what each method does.
type Backend interface {
	target.Records
	CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error)
	UpdateStandalone(ctx context.Context, uuid string, update func(*capsule.Spec, *[]capsule.Standalone) error) (*capsule.Capsule, error)
	DeleteCapsule(ctx context.Context, uuid string, d capsule.Deletion) (*capsule.Capsule, error)
}

// Control reaches into containers; *agent.Agent says what each method does.
type Control interface {
	Kill(ctx context.Context, c *capsule.Capsule, container, signal string) error
	StopSignal(ctx context.Context, c *capsule.Capsule, container string) (string, error)
	Commit(ctx context.Context, c *capsule.Capsule, container, repository, tag string) (imageID string, err error)
}

// Hosts are known by the store.
type Hosts interface {
	Hosts(ctx context.Context) ([]capsule.Host, int64, error)
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
	target.Finder
	Backend    Backend
	Control    Control
	Hosts      Hosts
	Networks   Networks
	Registries Registries
	History    *history.Log
	Jobs       *Jobs
	// SizedVolumes: the disk of the host serves volumes with a size.
	SizedVolumes bool
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	return slices.Concat(r.resource(), r.actions())
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
			Summary: "Change the name, the cpu, the memory or auto_heal of a container, or cpu and memory of one of the capsule that is named.", Query: target.Query{}, Body: updateBody{}, Answers: map[int]any{200: shown}}},
		{Method: "DELETE", Path: "/v1/containers/{id}", Serve: r.remove, Doc: rest.Doc{
			Summary: "Delete a container.", Query: deleteQuery{}, Answers: map[int]any{204: nil}}},
		{Method: "POST", Path: "/v1/containers/{id}/rename", Serve: r.rename, Until: rest.V(13), Doc: rest.Doc{
			Summary: "Rename a container; from 1.14 on PATCH does it.", Query: renameQuery{}, Answers: map[int]any{200: shown}}},
		{Method: "POST", Path: "/v1/containers/{id}/resize_container", Serve: r.resizeContainer, Since: rest.V(19), Doc: rest.Doc{
			Summary: "Change the cpu and the memory of a container.", Query: target.Query{}, Body: resizeBody{}, Answers: map[int]any{202: shown}}},
	}
}

// actions answer with nothing, or with little.
func (r *Resource) actions() []rest.Route {
	groups := func(action string, serve rest.Handler) rest.Route {
		route := target.Post(action, serve, "Change the security groups of a container.", groupQuery{}, 202)
		route.Until = rest.V(14)
		return route
	}
	attach := target.Post("network_attach", r.networkAttach, "Connect the sandbox of a container to a network.", attachQuery{}, 200)
	detach := target.Post("network_detach", r.networkDetach, "Disconnect the sandbox of a container from a network.", detachQuery{}, 202)
	networks := target.Get("network_list", r.networkList, "List the networks of a container.", nil, networkList{})
	attach.Since, detach.Since, networks.Since = rest.V(8), rest.V(6), rest.V(13)
	return []rest.Route{
		attach, detach, networks, groups("add_security_group", r.addGroup), groups("remove_security_group", r.removeGroup),
		target.Post("start", r.start, "Start a container.", nil, 202),
		target.Post("stop", r.stop, "Stop a container.", timeoutQuery{}, 202),
		target.Post("reboot", r.reboot, "Stop a container and start it again.", timeoutQuery{}, 202),
		target.Post("pause", r.pause, "Freeze the processes of a container.", nil, 202),
		target.Post("unpause", r.unpause, "Let the processes of a paused container go on.", nil, 202),
		target.Post("rebuild", r.rebuild, "Make a container anew, from another image if one is named.", rebuildQuery{}, 202),
		target.Post("kill", r.kill, "Send a signal to a container.", killQuery{}, 202),
		{Method: "POST", Path: "/v1/containers/{id}/commit", Serve: r.commit, Doc: rest.Doc{
			Summary: "Make an image of what a container is.", Query: commitQuery{}, Answers: map[int]any{202: commitment{}}}},
	}
}
