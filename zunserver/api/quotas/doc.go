// Package quotas is the resources /v1/quotas and /v1/quota_classes: how much a project may have (zun/common/quota.py). The
// limits are containers, memory in MiB, cpu in cores and disk in GiB; -1 is no limit.
//
//	the project's own  >  the class "default"  >  the configuration
//
// The project of the administrator's generated token, which Kubernetes' Pods belong to, has no limits but its own.
//
// Package admission enforces them. What is in use is what the records of the project ask for, capsules and sandboxes too, which
// Zun leaves out: init containers count as containers, cpu and memory are those of the records as a whole.
package quotas

import (
	"context"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// Own are limits that were set; nil is one that was not.
type Own struct {
	Containers *int64 `json:"containers,omitempty"`
	Memory     *int64 `json:"memory,omitempty"`
	CPU        *int64 `json:"cpu,omitempty"`
	Disk       *int64 `json:"disk,omitempty"`
}

// Table keeps limits by project, or by class; *store.Table says what each method does.
type Table interface {
	Get(ctx context.Context, key string) (store.Record[Own], error)
	Change(ctx context.Context, key string, change func(*Own, bool) error) (store.Record[Own], error)
	Remove(ctx context.Context, key string) error
}

// Capsules are what is in use.
type Capsules interface {
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
}

// Resource serves quotas. All of it is required.
type Resource struct {
	Projects, Classes Table
	Capsules          Capsules
	// Defaults are those of the configuration.
	Defaults view.Quotas
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	limits := map[int]any{200: view.Quotas{}}
	return []rest.Route{
		{Method: "GET", Path: "/v1/quotas/{project}", Serve: r.get, Doc: rest.Doc{
			Summary: "Show the limits of a project.", Query: getQuery{}, Answers: map[int]any{200: []any{view.Quotas{}, view.Usages{}}}}},
		{Method: "PUT", Path: "/v1/quotas/{project}", Serve: r.put, Doc: rest.Doc{
			Summary: "Change limits of a project.", Body: body{}, Answers: limits}},
		{Method: "DELETE", Path: "/v1/quotas/{project}", Serve: r.remove, Doc: rest.Doc{
			Summary: "Give a project the default limits.", Answers: map[int]any{204: nil}}},
		{Method: "GET", Path: "/v1/quotas/{project}/defaults", Serve: r.getDefaults, Doc: rest.Doc{
			Summary: "Show the default limits.", Answers: limits}},
		{Method: "GET", Path: "/v1/quota_classes/{class}", Serve: r.getClass, Doc: rest.Doc{
			Summary: "Show the limits of a class.", Answers: limits}},
		{Method: "PUT", Path: "/v1/quota_classes/{class}", Serve: r.putClass, Doc: rest.Doc{
			Summary: "Change limits of a class; those of the class default are the defaults.", Body: body{}, Answers: limits}},
	}
}

type getQuery struct {
	Usages bool `query:"usages" description:"show what is in use, too"`
}
