package containers

import (
	"fmt"
	"net/http"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/containers/creation"
	"github.com/capsulet/capsulet/zunserver/api/containers/history"
	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// stopSeconds is the grace of delete?stop=true (zun/api/controllers/v1/containers.py, delete).
const stopSeconds = 10

type showQuery struct {
	target.Query
	AllProjects bool `query:"all_projects" description:"Of any project; for administrators, who find those without it as well."`
}

type deleteQuery struct {
	showQuery
	Force bool `query:"force" description:"Kill it when it runs; for administrators."`
	Stop  bool `query:"stop" description:"Stop it first."`
}

// remove is DELETE /v1/containers/{id}; it only asks for the end.
func (r *Resource) remove(c *rest.Call) error {
	if err := target.Known(c, "force", "stop", "all_projects"); err != nil {
		return err
	}
	if _, err := rest.AllProjects(c, "container:delete_all_projects"); err != nil {
		return err
	}
	t, err := r.Find(c, "container:delete")
	if err != nil {
		return err
	}
	if err := t.Alone("delete"); err != nil {
		return err
	}
	d, err := r.deletion(c, t)
	if err != nil {
		return err
	}
	if t.Record.Kind == capsule.KindContainer {
		_, err = r.Backend.DeleteCapsule(c.R.Context(), t.Record.UUID, d)
	} else {
		_, err = r.rewrite(c.R.Context(), t.Record.UUID, func(one *capsule.Capsule) error {
			creation.Remove(one, t.Name)
			return nil
		})
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("delete container %s: %w", t.Spec().UUID, err)
	}
	r.record(c, t, "delete", history.Goal{Gone: true})
	c.W.WriteHeader(http.StatusNoContent)
	return nil
}

// deletion is what the flags ask for, if the state allows it.
func (r *Resource) deletion(c *rest.Call, t target.Target) (d capsule.Deletion, err error) {
	force, err := c.Flag("force")
	if err != nil {
		return d, err
	}
	stop, err := c.Flag("stop")
	if err != nil {
		return d, err
	}
	d.At = r.Now().UTC()
	switch {
	case stop:
		if err := c.NewIn("stop", rest.V(12)); err != nil {
			return d, err
		}
		if auth.Allowed("container:stop", c.Caller, t.Record.Project) != nil {
			return d, rest.NotAllowed("container:stop")
		}
		d.GraceSeconds = stopSeconds
		return d, t.Deletable("delete_after_stop", d.At)
	case force:
		if err := c.NewIn("force", rest.V(7)); err != nil {
			return d, err
		}
		if auth.Allowed("container:delete_force", c.Caller, "") != nil {
			return d, rest.NotAllowed("container:delete_force")
		}
		d.Force = true
		return d, t.Deletable("delete_force", d.At)
	default:
		return d, t.Deletable("delete", d.At)
	}
}
