// Package registries is the resource /v1/registries: logins at registries of images, of a project, used for its pulls
// (zun/api/controllers/v1/registries.py, since microversion 1.30).
//
//	registries.go  list, get, create, update, delete     login.go  which login is for an image
//
// Passwords are sealed in the store and shown to nobody: every answer has "***" in their place.
//
// Decisions (2026-11-26): a record gets the logins of its project's registries when it is made or gets another image, after those
// that were given with it. What is pulled later for it uses those: a password that changes is taken over with the next change of
// the record.
package registries

import (
	"context"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// Table keeps registries by project and UUID; *store.Table says what each method does.
type Table interface {
	List(ctx context.Context, prefix string) ([]store.Record[capsule.Registry], error)
	Create(ctx context.Context, key string, value capsule.Registry) (store.Record[capsule.Registry], error)
	Change(ctx context.Context, key string, change func(*capsule.Registry, bool) error) (store.Record[capsule.Registry], error)
	Remove(ctx context.Context, key string) error
}

// Resource serves registries. All of it is required.
type Resource struct {
	Table Table
	Now   func() time.Time
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/v1/registries", Serve: r.list, Doc: rest.Doc{
			Summary: "List registries.", Query: listQuery{}, Answers: map[int]any{200: page{}}}},
		{Method: "POST", Path: "/v1/registries", Serve: r.create, Doc: rest.Doc{
			Summary: "Add a registry.", Body: body{}, Answers: map[int]any{201: answer{}}}},
		{Method: "GET", Path: "/v1/registries/{id}", Serve: r.get, Doc: rest.Doc{
			Summary: "Show a registry, by UUID or name.", Answers: map[int]any{200: answer{}}}},
		{Method: "PATCH", Path: "/v1/registries/{id}", Serve: r.update, Doc: rest.Doc{
			Summary: "Change a registry.", Body: body{}, Answers: map[int]any{200: answer{}}}},
		{Method: "DELETE", Path: "/v1/registries/{id}", Serve: r.remove, Doc: rest.Doc{
			Summary: "Delete a registry.", Answers: map[int]any{204: nil}}},
	}
}

type page struct {
	Registries []view.Registry `json:"registries"`
	Next       *string         `json:"next"`
}

type answer struct {
	Registry view.Registry `json:"registry"`
}

// body is that of POST and PATCH (zun/api/controllers/v1/schemas/registries.py).
type body struct {
	Registry *properties `json:"registry"`
}

type properties struct {
	Name     *string `json:"name,omitempty"`
	Domain   *string `json:"domain,omitempty"`
	Username *string `json:"username,omitempty"`
	Password *string `json:"password,omitempty"`
}

type listQuery struct {
	Name        string `query:"name" description:"only those of this name"`
	Domain      string `query:"domain" description:"only those of this domain"`
	Username    string `query:"username" description:"only those of this username"`
	ProjectID   string `query:"project_id" description:"only those of this project"`
	UserID      string `query:"user_id" description:"only those of this user"`
	AllProjects bool   `query:"all_projects" description:"those of all projects, for administrators"`
	Limit       int    `query:"limit" description:"how many at most; 1000 if not given"`
	Marker      string `query:"marker" description:"the UUID that the page before ended with"`
	SortKey     string `query:"sort_key" description:"id, uuid, name, domain, username, project_id, user_id or created_at"`
	SortDir     string `query:"sort_dir" description:"asc or desc"`
}
