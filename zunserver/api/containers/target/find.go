// Package target is which container a request of /v1/containers means, in which states what may be asked of it, and with which
// parameters: what all routes of a container begin with.
package target

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Target is the container that a request means, in its record.
type Target struct {
	Record *capsule.Capsule
	// Name is that in the spec.
	Name string
	// InCapsule says that the request named the capsule, too.
	InCapsule bool
}

// Spec is the container's.
func (t Target) Spec() *capsule.ContainerSpec {
	cs, _ := t.Record.Spec.Container(t.Name)
	return cs
}

// Own is the container's entry, nil for one of a capsule.
func (t Target) Own() *capsule.Standalone { return t.Record.StandaloneOf(t.Name) }

// Called is the name that people know it by.
func (t Target) Called() string {
	if s := t.Own(); s != nil {
		return s.Name
	}
	return t.Name
}

// Made is when it was asked for.
func (t Target) Made() time.Time {
	if s := t.Own(); s != nil {
		return s.At
	}
	return t.Record.CreatedAt
}

// CapsuleParam names the capsule of a container, by UUID or name. Only with it a container of a capsule is found by its name and
// listed, and may be updated (composition specification).
const CapsuleParam = "capsule"

// Query is of every route of a container.
type Query struct {
	Capsule string `query:"capsule" description:"The capsule that the container belongs to, by UUID or name."`
}

// Post is the route of an action whose answer is empty.
func Post(action string, serve rest.Handler, summary string, query any, status int) rest.Route {
	return rest.Route{Method: "POST", Path: "/v1/containers/{id}/" + action, Serve: serve,
		Doc: rest.Doc{Summary: summary, Query: query, Answers: map[int]any{status: nil}}}
}

// Get is the route of a question.
func Get(name string, serve rest.Handler, summary string, query, answer any) rest.Route {
	return rest.Route{Method: "GET", Path: "/v1/containers/{id}/" + name, Serve: serve,
		Doc: rest.Doc{Summary: summary, Query: query, Answers: map[int]any{200: answer}}}
}

// Known refuses parameters that the route does not have.
func Known(c *rest.Call, names ...string) error { return c.KnownOnly(append(names, CapsuleParam)...) }

// Within says whether a record is the capsule that ident means.
func Within(one *capsule.Capsule, ident string) bool {
	return one.Kind == capsule.KindCapsule && (one.UUID == ident || one.Spec.Name == ident)
}

// Each calls f for every container of a record.
func Each(one *capsule.Capsule, f func(*capsule.ContainerSpec)) {
	for _, list := range [][]capsule.ContainerSpec{one.Spec.Containers, one.Spec.InitContainers, one.Spec.EphemeralContainers} {
		for i := range list {
			f(&list[i])
		}
	}
}

// Records are the store's; *store.Store says what each method does.
type Records interface {
	Capsule(ctx context.Context, uuid string) (*capsule.Capsule, error)
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
}

// Finder finds the containers that requests mean. Its fields are required.
type Finder struct {
	Records Records
	Now     func() time.Time
}

// Look finds the container of an action that its state has to allow.
func (f *Finder) Look(c *rest.Call, action string) (Target, error) {
	t, err := f.Find(c, auth.Action("container:"+action))
	if err != nil {
		return t, err
	}
	return t, t.Check(action, f.Now())
}

// Find looks the path's {id} up: the UUID of any container, or the name of one that is not of a capsule or is of the capsule that
// the request names. What the caller may not do action with is not found.
func (f *Finder) Find(c *rest.Call, action auth.Action) (Target, error) {
	ident, in := c.R.PathValue("id"), c.R.URL.Query().Get(CapsuleParam)
	id, err := uuid.Parse(ident)
	byUUID := err == nil && len(ident) == 36
	if byUUID && in == "" {
		one, err := f.Records.Capsule(c.R.Context(), id.String())
		switch {
		case errdefs.IsNotFound(err):
		case err != nil:
			return Target{}, fmt.Errorf("get container %s: %w", id, err)
		case one.Kind == capsule.KindContainer && len(one.Spec.Containers) == 1:
			return allowed(c, action, ident, []Target{{Record: one, Name: one.Spec.Containers[0].Name}})
		}
	}
	all, _, err := f.Records.Capsules(c.R.Context())
	if err != nil {
		return Target{}, fmt.Errorf("find container %.255s: %w", ident, err)
	}
	var found []Target
	for _, one := range all {
		if in != "" && !Within(one, in) {
			continue
		}
		Each(one, func(cs *capsule.ContainerSpec) {
			t := Target{one, cs.Name, in != ""}
			if byUUID && cs.UUID == id.String() || (t.Own() != nil || t.InCapsule) && t.Called() == ident {
				found = append(found, t)
			}
		})
	}
	return allowed(c, action, ident, found)
}

// allowed chooses the only one of found that the caller may do action with.
func allowed(c *rest.Call, action auth.Action, ident string, found []Target) (Target, error) {
	var mine []Target
	for _, t := range found {
		if auth.Allowed(action, c.Caller, t.Record.Project) == nil {
			mine = append(mine, t)
		}
	}
	switch len(mine) {
	case 0:
		return Target{}, rest.NotFound(ident)
	case 1:
		return mine[0], nil
	default:
		return Target{}, rest.Refuse(http.StatusConflict, "conflict",
			"Multiple containers exist with same name. Please use the container uuid instead.")
	}
}
