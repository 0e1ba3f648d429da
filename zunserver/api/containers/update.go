package containers

import (
	"net/http"

	"github.com/capsulet/capsulet/zunserver/api/containers/creation"
	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
)

// updateBody is the body of PATCH (zun/api/controllers/v1/schemas/containers.py, container_update).
type updateBody struct {
	resizeBody
	Name     *string `json:"name,omitempty"`
	AutoHeal any     `json:"auto_heal,omitempty"`
}

// resizeBody has the cpu in cores and the memory in MiB, as numbers or as strings of one.
type resizeBody struct {
	CPU    any `json:"cpu,omitempty"`
	Memory any `json:"memory,omitempty"`
}

type renameQuery struct {
	Name string `query:"name" description:"The new name."`
}

// update is PATCH /v1/containers/{id}.
func (r *Resource) update(c *rest.Call) error {
	var body updateBody
	if err := c.Decode(&body); err != nil {
		return err
	}
	return r.edit(c, "update", http.StatusOK, &body)
}

// resizeContainer is POST /v1/containers/{id}/resize_container, which takes all that PATCH does, as in Zun.
func (r *Resource) resizeContainer(c *rest.Call) error {
	p, err := target.ParamsOf(c, "cpu", "memory", "name", "auto_heal")
	if err != nil {
		return err
	}
	body := updateBody{resizeBody: resizeBody{p["cpu"], p["memory"]}, AutoHeal: p["auto_heal"]}
	if name, err := p.Text("name"); err != nil {
		return err
	} else if name != "" {
		body.Name = &name
	}
	return r.edit(c, "resize_container", http.StatusAccepted, &body)
}

// edit changes the container and shows it.
func (r *Resource) edit(c *rest.Call, action string, status int, body *updateBody) error {
	cpu, memory, err := creation.ParseResources(body.CPU, body.Memory)
	if err != nil {
		return err
	}
	heal, healGiven, err := creation.Truth("auto_heal", body.AutoHeal)
	if err != nil {
		return err
	}
	if body.Name != nil {
		if err := creation.CheckName(*body.Name); err != nil {
			return err
		}
	}
	t, err := r.Find(c, auth.Action("container:"+action))
	if err != nil {
		return err
	}
	if t.Own() == nil && auth.Allowed(auth.CapsuleUpdate, c.Caller, t.Record.Project) != nil {
		return rest.NotAllowed(auth.CapsuleUpdate) // it changes the capsule
	}
	t, err = r.change(c, t, action, func(t target.Target) error {
		if err := t.Check(action, r.Now()); err != nil {
			return err
		}
		if t.Own() == nil && (body.Name != nil || healGiven) {
			return rest.InvalidValue("Of a container of a capsule only cpu and memory can be updated; change the capsule's template")
		}
		if u := t.Record.Upgrade; t.Own() == nil && u != nil && u.Successor != "" {
			return rest.Refuse(http.StatusConflict, "invalid-state-exception", "Capsule %s is being upgraded, and the change would end with that: "+
				"change the template of the new revision, or wait", t.Record.UUID)
		}
		if cpu != nil || memory != nil {
			creation.Resize(t.Spec(), cpu, memory)
		}
		if body.Name != nil {
			t.Own().Name = *body.Name
		}
		if healGiven {
			t.Own().AutoHeal = heal
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.JSON(status, r.shown(c, t))
}

// rename is POST /v1/containers/{id}/rename.
func (r *Resource) rename(c *rest.Call) error {
	p, err := target.ParamsOf(c, "name")
	if err != nil {
		return err
	}
	name, err := p.Needed("name")
	if err == nil {
		err = creation.CheckName(name)
	}
	if err != nil {
		return err
	}
	t, err := r.Find(c, "container:rename")
	if err != nil {
		return err
	}
	t, err = r.change(c, t, "rename", func(t target.Target) error {
		if t.Own().Name == name {
			return rest.Refuse(http.StatusConflict, "conflict", "The new name for the container is the same as the old name.")
		}
		t.Own().Name = name
		return nil
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, r.shown(c, t))
}
