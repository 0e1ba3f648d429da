// Package capsules is the resource /v1/capsules: create, list, watch, get, update, delete, and what capsules use.
//
//	capsules.go  create, list, get, delete     find.go   whose capsules a caller sees, and which one a path means
//	update.go    PATCH                         watch.go  the stream of changes
//	stats.go     what they use
//
// It writes what is wanted into the store and never waits for it to come true.
package capsules

import (
	"context"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// Backend keeps the records of capsules; *store.Store says what each method does.
type Backend interface {
	Lookup
	CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error)
	UpdateSpec(ctx context.Context, uuid string, update func(*capsule.Spec) error) (*capsule.Capsule, error)
	DeleteCapsule(ctx context.Context, uuid string, d capsule.Deletion) (*capsule.Capsule, error)
	WatchCapsules(ctx context.Context, since int64) <-chan store.CapsuleEvent
}

// Stats tells what capsules and hosts use, without asking an engine. Capsules that do not run are left out.
type Stats interface {
	Stats(ctx context.Context, of []*capsule.Capsule) capsule.StatsReport
}

// Resource serves capsules. All of it is required.
type Resource struct {
	Backend Backend
	Stats   Stats
	Now     func() time.Time
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/v1/capsules", Serve: r.listCapsules},
		{Method: "POST", Path: "/v1/capsules", Serve: r.createCapsule},
		{Method: "GET", Path: "/v1/capsules/{id}", Serve: r.getCapsule}, // and the native /v1/capsules/stats
		{Method: "PATCH", Path: "/v1/capsules/{id}", Serve: r.updateCapsule},
		{Method: "DELETE", Path: "/v1/capsules/{id}", Serve: r.deleteCapsule},
	}
}
