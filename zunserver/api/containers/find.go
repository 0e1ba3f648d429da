package containers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// target is the container that a request means, in its record.
type target struct {
	record *capsule.Capsule
	// name is that in the spec.
	name string
	// inCapsule says that the request named the capsule, too.
	inCapsule bool
}

// spec is the container's.
func (t target) spec() *capsule.ContainerSpec {
	cs, _ := t.record.Spec.Container(t.name)
	return cs
}

// own is the container's entry, nil for one of a capsule.
func (t target) own() *capsule.Standalone { return t.record.StandaloneOf(t.name) }

// called is the name that people know it by.
func (t target) called() string {
	if s := t.own(); s != nil {
		return s.Name
	}
	return t.name
}

// made is when it was asked for.
func (t target) made() time.Time {
	if s := t.own(); s != nil {
		return s.At
	}
	return t.record.CreatedAt
}

// capsuleParam names the capsule of a container, by UUID or name. Only with it a container of a capsule is found by its name and
// listed, and may be updated (composition specification).
const capsuleParam = "capsule"

// known refuses parameters that the route does not have.
func known(c *rest.Call, names ...string) error { return c.KnownOnly(append(names, capsuleParam)...) }

// within says whether a record is the capsule that ident means.
func within(one *capsule.Capsule, ident string) bool {
	return one.Kind == capsule.KindCapsule && (one.UUID == ident || one.Spec.Name == ident)
}

// each calls f for every container of a record.
func each(one *capsule.Capsule, f func(*capsule.ContainerSpec)) {
	for _, list := range [][]capsule.ContainerSpec{one.Spec.Containers, one.Spec.InitContainers, one.Spec.EphemeralContainers} {
		for i := range list {
			f(&list[i])
		}
	}
}

// find looks the path's {id} up: the UUID of any container, or the name of one that is not of a capsule or is of the capsule that
// the request names. What the caller may not do action with is not found.
func (r *Resource) find(c *rest.Call, action auth.Action) (target, error) {
	ident, in := c.R.PathValue("id"), c.R.URL.Query().Get(capsuleParam)
	id, err := uuid.Parse(ident)
	byUUID := err == nil && len(ident) == 36
	if byUUID && in == "" {
		one, err := r.Backend.Capsule(c.R.Context(), id.String())
		switch {
		case errdefs.IsNotFound(err):
		case err != nil:
			return target{}, fmt.Errorf("get container %s: %w", id, err)
		case one.Kind == capsule.KindContainer && len(one.Spec.Containers) == 1:
			return allowed(c, action, ident, []target{{record: one, name: one.Spec.Containers[0].Name}})
		}
	}
	all, _, err := r.Backend.Capsules(c.R.Context())
	if err != nil {
		return target{}, fmt.Errorf("find container %.255s: %w", ident, err)
	}
	var found []target
	for _, one := range all {
		if in != "" && !within(one, in) {
			continue
		}
		each(one, func(cs *capsule.ContainerSpec) {
			t := target{one, cs.Name, in != ""}
			if byUUID && cs.UUID == id.String() || (t.own() != nil || t.inCapsule) && t.called() == ident {
				found = append(found, t)
			}
		})
	}
	return allowed(c, action, ident, found)
}

// allowed chooses the only one of found that the caller may do action with.
func allowed(c *rest.Call, action auth.Action, ident string, found []target) (target, error) {
	var mine []target
	for _, t := range found {
		if auth.Allowed(action, c.Caller, t.record.Project) == nil {
			mine = append(mine, t)
		}
	}
	switch len(mine) {
	case 0:
		return target{}, rest.NotFound(ident)
	case 1:
		return mine[0], nil
	default:
		return target{}, rest.Refuse(http.StatusConflict, "conflict",
			"Multiple containers exist with same name. Please use the container uuid instead.")
	}
}

// rewrite changes the spec and the standalone containers of a record. edit sees the record with its facts: they are read between
// the store's own read and its write, which fails, and is tried again, when anything of the record has changed in that time.
func (r *Resource) rewrite(ctx context.Context, uuid string, edit func(*capsule.Capsule) error) (*capsule.Capsule, error) {
	return r.Backend.UpdateStandalone(ctx, uuid, func(s *capsule.Spec, all *[]capsule.Standalone) error {
		one, err := r.Backend.Capsule(ctx, uuid)
		if err != nil {
			return err
		}
		now := *one
		now.Spec, now.Standalone = *s, *all
		err = edit(&now)
		*s, *all = now.Spec, now.Standalone
		return err
	})
}

// shown is the container as the caller sees it.
func (r *Resource) shown(c *rest.Call, t target) view.Container {
	return view.ContainerOf(t.record, t.name, view.For(c, r.Now()))
}

// show is GET /v1/containers/{id}.
func (r *Resource) show(c *rest.Call) error {
	if _, err := rest.AllProjects(c, "container:get_one_all_projects"); err != nil {
		return err
	}
	t, err := r.find(c, "container:get_one")
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, r.shown(c, t))
}
