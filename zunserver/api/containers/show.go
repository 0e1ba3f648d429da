package containers

import (
	"context"
	"net/http"

	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

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
func (r *Resource) shown(c *rest.Call, t target.Target) view.Container {
	return view.ContainerOf(t.Record, t.Name, view.For(c, r.Now()))
}

// show is GET /v1/containers/{id}.
func (r *Resource) show(c *rest.Call) error {
	if _, err := rest.AllProjects(c, "container:get_one_all_projects"); err != nil {
		return err
	}
	t, err := r.Find(c, "container:get_one")
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, r.shown(c, t))
}
