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
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
	"github.com/capsulet/capsulet/zunserver/store"
)

// Backend keeps the records of capsules; *store.Store says what each method does.
type Backend interface {
	Lookup
	CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error)
	ReviseCapsule(ctx context.Context, uuid string, plan func(*capsule.Capsule) (successor *capsule.Capsule, err error)) (*capsule.Capsule, error)
	UpdateSpec(ctx context.Context, uuid string, update func(*capsule.Spec) error) (*capsule.Capsule, error)
	DeleteCapsule(ctx context.Context, uuid string, d capsule.Deletion) (*capsule.Capsule, error)
	WatchCapsules(ctx context.Context, since int64) <-chan store.CapsuleEvent
}

// Stats tells what capsules and hosts use, without asking an engine. Capsules that do not run are left out.
type Stats interface {
	Stats(ctx context.Context, of []*capsule.Capsule) capsule.StatsReport
}

// Resource serves capsules. All of it but Templates and FromPod is required.
type Resource struct {
	Backend Backend
	Stats   Stats
	// Templates are what the operator has decided about templates.
	Templates template.Options
	// FromPod makes a capsule of a Pod's manifest; nil: manifests are refused. Its errors are as those of package template.
	FromPod func(manifest []byte) (spec capsule.Spec, uid string, err error)
	Now     func() time.Time

	cache rendered
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	one := []any{view.Capsule132{}, view.Capsule131{}}
	return []rest.Route{
		{Method: "GET", Path: "/v1/capsules", Serve: r.listCapsules, Doc: rest.Doc{
			Summary: "List capsules, or watch them.", Query: listQuery{},
			Answers: map[int]any{200: view.CapsuleList{}}, Native: nativeList{},
		}},
		{Method: "POST", Path: "/v1/capsules", Serve: r.createCapsule, Doc: rest.Doc{
			Summary: "Create a capsule from a template.", Body: createBody{}, Answers: map[int]any{202: one}, Native: capsule.Capsule{},
		}},
		{Method: "GET", Path: "/v1/capsules/{id}", Serve: r.getCapsule, Doc: rest.Doc{ // and the native /v1/capsules/stats
			Summary: "Show a capsule, by UUID or name.", Answers: map[int]any{200: one}, Native: capsule.Capsule{},
		}},
		{Method: "PATCH", Path: "/v1/capsules/{id}", Serve: r.updateCapsule, Doc: rest.Doc{
			Summary: "Change a capsule to a whole new template: in place, or by an upgrade (202).", Query: updateQuery{}, Body: createBody{},
			Answers: map[int]any{200: one, 202: one}, Native: capsule.Capsule{},
		}},
		{Method: "DELETE", Path: "/v1/capsules/{id}", Serve: r.deleteCapsule, Doc: rest.Doc{
			Summary: "Ask for the end of a capsule.", Query: deleteQuery{}, Answers: map[int]any{204: nil},
		}},
	}
}

// The parameters and bodies, for the OpenAPI document.
type (
	listQuery struct {
		rest.PageQuery
		Watch  string `query:"watch" description:"true: a line of JSON for each change after since"`
		Since  int64  `query:"since" description:"the revision that a watch goes on from; without it what is there comes first"`
		Labels string `query:"labels" description:"a selector of labels: app=web,tier!=db"`
		Label  string `query:"label" description:"the same; may be repeated"`
	}
	updateQuery struct {
		Upgrade string `query:"upgrade" description:"false: an image changes in place too, and what else cannot is refused instead of making an upgrade"`
		Timeout int64  `query:"timeout" description:"seconds until a new revision that is not healthy is given up; 600 when not given"`
	}
	deleteQuery struct {
		GracePeriod int64  `query:"grace_period" description:"seconds until containers are killed; the template's when not given"`
		Force       string `query:"force" description:"true: give a capsule up whose host is away"`
	}
	createBody struct {
		Template any `json:"template" required:"true" description:"a capsule template as an object, or as a string of JSON or YAML"`
	}
	nativeList struct {
		Capsules []*capsule.Capsule `json:"capsules"`
		Revision int64              `json:"revision"`
	}
)
