// Package sandboxes is the resource /v1/sandboxes, from the sandbox specification of Zun, which Zun's API never had: what
// containers of the container API live in together. A sandbox has an address and a place before its first container and
// after its last; POST /v1/containers with its UUID or name as sandbox puts one in.
//
// A sandbox that has containers is not deleted (409): they go first. It is an extension, so it is behind no microversion.
package sandboxes

import (
	"context"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/capsules"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Backend keeps the records; *store.Store says what each method does.
type Backend interface {
	capsules.Lookup
	CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error)
	DeleteCapsule(ctx context.Context, uuid string, d capsule.Deletion) (*capsule.Capsule, error)
}

// Resource serves sandboxes. All of it is required.
type Resource struct {
	Backend Backend
	Now     func() time.Time
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/v1/sandboxes", Serve: r.list, Doc: rest.Doc{
			Summary: "List sandboxes.", Query: listQuery{}, Answers: map[int]any{200: page{}}}},
		{Method: "POST", Path: "/v1/sandboxes", Serve: r.create, Doc: rest.Doc{
			Summary: "Create a sandbox.", Body: createBody{}, Answers: map[int]any{202: view.Sandbox{}}}},
		{Method: "GET", Path: "/v1/sandboxes/{id}", Serve: r.show, Doc: rest.Doc{
			Summary: "Show a sandbox and its containers.", Answers: map[int]any{200: view.Sandbox{}}}},
		{Method: "DELETE", Path: "/v1/sandboxes/{id}", Serve: r.remove, Doc: rest.Doc{
			Summary: "Delete a sandbox that has no containers.", Answers: map[int]any{204: nil}}},
	}
}
