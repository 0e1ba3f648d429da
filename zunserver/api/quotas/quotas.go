package quotas

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// The actions of these resources.
const (
	actionGet         auth.Action = "quota:get"
	actionDefaults    auth.Action = "quota:get_default"
	actionUpdate      auth.Action = "quota:update"
	actionDelete      auth.Action = "quota:delete"
	actionGetClass    auth.Action = "quota_class:get"
	actionUpdateClass auth.Action = "quota_class:update"
)

// defaultClass is the class that holds for all projects (zun/db/api.py, DEFAULT_QUOTA_CLASS_NAME).
const defaultClass = "default"

// Unlimited is no limit.
const Unlimited = -1

// number is an integer from -1 on, or a string of one (zun/api/controllers/v1/schemas/quotas.py).
type number int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(string(bytes.Trim(b, `"`)), 10, 64)
	if err != nil || v < Unlimited || v > 1<<53 {
		return rest.InvalidValue("Invalid input for a quota: %.40s is not an integer from -1 on", b)
	}
	*n = number(v)
	return nil
}

// body is what is set.
type body struct {
	Containers *number `json:"containers,omitempty"`
	Memory     *number `json:"memory,omitempty"`
	CPU        *number `json:"cpu,omitempty"`
	Disk       *number `json:"disk,omitempty"`
}

func (b *body) change(o *Own) {
	for _, f := range []struct {
		to   **int64
		from *number
	}{{&o.Containers, b.Containers}, {&o.Memory, b.Memory}, {&o.CPU, b.CPU}, {&o.Disk, b.Disk}} {
		if f.from != nil {
			v := int64(*f.from)
			*f.to = &v
		}
	}
}

// over are the limits in which what is set replaces what is not.
func (o *Own) over(q view.Quotas) view.Quotas {
	for _, f := range []struct {
		to   *int64
		from *int64
	}{{&q.Containers, o.Containers}, {&q.Memory, o.Memory}, {&q.CPU, o.CPU}, {&q.Disk, o.Disk}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	return q
}

// own is what was set under a key, nothing if nothing was.
func own(ctx context.Context, t Table, key string) (Own, error) {
	r, err := t.Get(ctx, key)
	if errdefs.IsNotFound(err) {
		return Own{}, nil
	}
	return r.Value, err
}

// Limits are those of a project.
func (r *Resource) Limits(ctx context.Context, project string) (view.Quotas, error) {
	base := view.Quotas{Containers: Unlimited, Memory: Unlimited, CPU: Unlimited, Disk: Unlimited}
	if project != auth.AdminProject {
		var err error
		if base, err = r.defaults(ctx); err != nil {
			return base, err
		}
	}
	set, err := own(ctx, r.Projects, project)
	if err != nil {
		return base, fmt.Errorf("look for the quotas of project %.64s: %w", project, err)
	}
	return set.over(base), nil
}

func (r *Resource) defaults(ctx context.Context) (view.Quotas, error) {
	set, err := own(ctx, r.Classes, defaultClass)
	if err != nil {
		return r.Defaults, fmt.Errorf("look for the default quotas: %w", err)
	}
	return set.over(r.Defaults), nil
}

// Used is what records ask for: cpu in cores, memory in MiB, disk in GiB.
type Used struct{ Containers, Memory, CPU, Disk float64 }

// Add counts a record.
func (u *Used) Add(c *capsule.Capsule) {
	u.Containers += float64(len(c.Spec.Containers) + len(c.Spec.InitContainers))
	u.CPU += float64(c.Spec.CPU()) / 1000
	u.Memory += float64(c.Spec.Memory()) / (1 << 20)
	for i := range c.Standalone {
		u.Disk += float64(c.Standalone[i].DiskGiB)
	}
}

// project is the project of the path, whose quotas the caller may see or change.
func project(c *rest.Call, action auth.Action) (string, error) {
	p := c.R.PathValue("project")
	if err := auth.Allowed(action, c.Caller, p); err != nil {
		return "", rest.NotAllowed(action)
	}
	return key(p)
}

func key(name string) (string, error) {
	if len(name) > 255 {
		return "", rest.InvalidValue("'%.40s…' is longer than 255 bytes", name)
	}
	return name, nil
}

// get is GET /v1/quotas/{project}.
func (r *Resource) get(c *rest.Call) error {
	p, err := project(c, actionGet)
	if err != nil {
		return err
	}
	usages, err := c.Flag("usages")
	if err != nil {
		return err
	}
	limits, err := r.Limits(c.R.Context(), p)
	if err != nil || !usages {
		return answer(c, limits, err)
	}
	all, _, err := r.Capsules.Capsules(c.R.Context())
	if err != nil {
		return fmt.Errorf("count what project %.64s uses: %w", p, err)
	}
	var used Used
	for _, one := range all {
		if one.Project == p {
			used.Add(one)
		}
	}
	return c.JSON(http.StatusOK, view.Usages{
		Containers: view.Usage{Limit: limits.Containers, InUse: used.Containers}, Memory: view.Usage{Limit: limits.Memory, InUse: used.Memory},
		CPU: view.Usage{Limit: limits.CPU, InUse: used.CPU}, Disk: view.Usage{Limit: limits.Disk, InUse: used.Disk},
	})
}

func answer(c *rest.Call, limits view.Quotas, err error) error {
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, limits)
}

// getDefaults is GET /v1/quotas/{project}/defaults.
func (r *Resource) getDefaults(c *rest.Call) error {
	if _, err := project(c, actionDefaults); err != nil {
		return err
	}
	limits, err := r.defaults(c.R.Context())
	return answer(c, limits, err)
}

// put is PUT /v1/quotas/{project}.
func (r *Resource) put(c *rest.Call) error {
	p, err := project(c, actionUpdate)
	if err != nil {
		return err
	}
	if err := set(c, r.Projects, p); err != nil {
		return err
	}
	limits, err := r.Limits(c.R.Context(), p)
	return answer(c, limits, err)
}

// set writes the limits of the body.
func set(c *rest.Call, t Table, key string) error {
	if err := c.KnownOnly(); err != nil {
		return err
	}
	var b body
	if err := c.Decode(&b); err != nil {
		return err
	}
	if b == (body{}) {
		return nil
	}
	_, err := t.Change(c.R.Context(), key, func(o *Own, _ bool) error { b.change(o); return nil })
	return err
}

// remove is DELETE /v1/quotas/{project}; it is no error when nothing was set.
func (r *Resource) remove(c *rest.Call) error {
	p, err := project(c, actionDelete)
	if err != nil {
		return err
	}
	if err := r.Projects.Remove(c.R.Context(), p); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	c.W.WriteHeader(http.StatusNoContent)
	return nil
}

// getClass is GET /v1/quota_classes/{class}.
func (r *Resource) getClass(c *rest.Call) error {
	if err := auth.Allowed(actionGetClass, c.Caller, ""); err != nil {
		return rest.NotAllowed(actionGetClass)
	}
	return r.class(c)
}

func (r *Resource) class(c *rest.Call) error {
	name, err := key(c.R.PathValue("class"))
	if err != nil {
		return err
	}
	limits, err := own(c.R.Context(), r.Classes, name)
	return answer(c, limits.over(r.Defaults), err)
}

// putClass is PUT /v1/quota_classes/{class}; the class is made if there is none.
func (r *Resource) putClass(c *rest.Call) error {
	if err := auth.Allowed(actionUpdateClass, c.Caller, ""); err != nil {
		return rest.NotAllowed(actionUpdateClass)
	}
	name, err := key(c.R.PathValue("class"))
	if err == nil {
		err = set(c, r.Classes, name)
	}
	if err != nil {
		return err
	}
	return r.class(c)
}
