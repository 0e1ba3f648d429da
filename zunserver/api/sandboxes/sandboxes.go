package sandboxes

import (
	"fmt"
	"net/http"
	"regexp"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/containers/creation"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// createBody is the body of POST; what is not given is chosen.
type createBody struct {
	Name             string            `json:"name,omitempty"`
	Labels           map[string]string `json:"labels,omitempty"`
	Hostname         string            `json:"hostname,omitempty"`
	AvailabilityZone string            `json:"availability_zone,omitempty"`
	// Nets are the networks that it is in; without any, that of the engine.
	Nets []creation.Net `json:"nets,omitempty"`
	// Runtime is for administrators.
	Runtime string `json:"runtime,omitempty"`
}

const maxLabels, maxNets = 256, 256

var hostname = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,255}$`)

// create is POST /v1/sandboxes.
func (r *Resource) create(c *rest.Call) error {
	if auth.Allowed("sandbox:create", c.Caller, c.Caller.Project) != nil {
		return rest.NotAllowed("sandbox:create")
	}
	if err := c.KnownOnly(); err != nil {
		return err
	}
	var b createBody
	if err := c.Decode(&b); err != nil {
		return err
	}
	if b.Name == "" {
		b.Name = creation.RandomName("sandbox")
	}
	switch {
	case creation.CheckName(b.Name) != nil:
		return creation.CheckName(b.Name)
	case b.Hostname != "" && !hostname.MatchString(b.Hostname):
		return rest.InvalidField("hostname", "Value: '%.300s'. It does not match '%s'", b.Hostname, hostname)
	case len(b.Labels) > maxLabels:
		return rest.InvalidField("labels", "It has %d entries, and may have %d", len(b.Labels), maxLabels)
	case len(b.Nets) > maxNets:
		return rest.InvalidField("nets", "It has %d entries, and may have %d", len(b.Nets), maxNets)
	case len(b.AvailabilityZone) > 255:
		return rest.InvalidField("availability_zone", "It has more than 255 characters")
	case b.Runtime != "" && auth.Allowed("container:create:runtime", c.Caller, "") != nil:
		return rest.NotAllowed("container:create:runtime")
	}
	nets, err := creation.Nets(b.Nets)
	if err != nil {
		return err
	}
	id := uuid.NewString()
	made, err := r.Backend.CreateCapsule(c.R.Context(), &capsule.Capsule{
		UUID: id, Kind: capsule.KindSandbox, Project: c.Caller.Project, User: c.Caller.User, CreatedAt: r.Now().UTC(),
		Spec: capsule.Spec{
			Name: b.Name, Labels: b.Labels, Hostname: b.Hostname, AvailabilityZone: b.AvailabilityZone, Runtime: b.Runtime, Nets: nets,
			RestartPolicy: capsule.RestartNever, Containers: []capsule.ContainerSpec{},
		},
	})
	if err != nil {
		return fmt.Errorf("create sandbox %s: %w", id, err)
	}
	c.W.Header().Set("Location", c.Base()+"/v1/sandboxes/"+id)
	return c.JSON(http.StatusAccepted, r.shown(c, made))
}

func (r *Resource) shown(c *rest.Call, one *capsule.Capsule) view.Sandbox {
	return view.SandboxOf(one, view.For(c, r.Now()))
}

// only are the records that are sandboxes.
func only(all []*capsule.Capsule) []*capsule.Capsule {
	var some []*capsule.Capsule
	for _, one := range all {
		if one.Kind == capsule.KindSandbox {
			some = append(some, one)
		}
	}
	return some
}

// find looks the path's {id} up, which is a UUID or a name. What the caller may not see is not found.
func (r *Resource) find(c *rest.Call, action auth.Action) (*capsule.Capsule, error) {
	ident := c.R.PathValue("id")
	all, _, err := r.Backend.Capsules(c.R.Context())
	if err != nil {
		return nil, fmt.Errorf("find sandbox %.255s: %w", ident, err)
	}
	var found []*capsule.Capsule
	for _, one := range only(all) {
		if (one.UUID == ident || one.Spec.Name == ident) && auth.Allowed(action, c.Caller, one.Project) == nil {
			found = append(found, one)
		}
	}
	switch len(found) {
	case 0:
		return nil, rest.Refuse(http.StatusNotFound, "sandbox-not-found", "Sandbox %.255s could not be found.", ident)
	case 1:
		return found[0], nil
	default:
		return nil, rest.Refuse(http.StatusConflict, "conflict", "Multiple sandboxes exist with same name. Please use the sandbox uuid instead.")
	}
}

// show is GET /v1/sandboxes/{id}.
func (r *Resource) show(c *rest.Call) error {
	one, err := r.find(c, "sandbox:get")
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, r.shown(c, one))
}

// remove is DELETE /v1/sandboxes/{id}.
func (r *Resource) remove(c *rest.Call) error {
	one, err := r.find(c, "sandbox:delete")
	if err != nil {
		return err
	}
	_, err = r.Backend.DeleteCapsule(c.R.Context(), one.UUID, capsule.Deletion{At: r.Now().UTC()})
	if errdefs.IsFailedPrecondition(err) {
		return rest.Refuse(http.StatusConflict, "conflict", "Sandbox %s has containers: delete them first.", one.UUID)
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("delete sandbox %s: %w", one.UUID, err)
	}
	c.W.WriteHeader(http.StatusNoContent)
	return nil
}

// page is the answer of a list.
type page struct {
	Sandboxes []view.Sandbox `json:"sandboxes"`
	Next      *string        `json:"next"`
}

type listQuery struct {
	AllProjects bool   `query:"all_projects" description:"Of every project; for administrators."`
	Limit       int    `query:"limit" description:"The size of a page."`
	Marker      string `query:"marker" description:"The UUID of the last sandbox of the page before."`
	SortKey     string `query:"sort_key" description:"id (the order of creation), created_at, uuid, name or status."`
	SortDir     string `query:"sort_dir" description:"asc or desc."`
}

var sortKeys = map[string]func(*capsule.Capsule) string{
	"id":         func(c *capsule.Capsule) string { return rest.Sortable(c.CreatedAt) },
	"created_at": func(c *capsule.Capsule) string { return rest.Sortable(c.CreatedAt) },
	"uuid":       func(c *capsule.Capsule) string { return c.UUID },
	"name":       func(c *capsule.Capsule) string { return c.Spec.Name },
	"status":     (*capsule.Capsule).Status,
}

// list is GET /v1/sandboxes.
func (r *Resource) list(c *rest.Call) error {
	if auth.Allowed("sandbox:get_all", c.Caller, c.Caller.Project) != nil {
		return rest.NotAllowed("sandbox:get_all")
	}
	if err := c.KnownOnly("all_projects", "limit", "marker", "sort_key", "sort_dir"); err != nil {
		return err
	}
	everything, err := rest.AllProjects(c, "sandbox:get_all_all_projects")
	if err != nil {
		return err
	}
	all, _, err := r.Backend.Capsules(c.R.Context())
	if err != nil {
		return fmt.Errorf("list sandboxes: %w", err)
	}
	var own []*capsule.Capsule
	for _, one := range only(all) {
		if everything || one.Project == c.Caller.Project {
			own = append(own, one)
		}
	}
	some, next, err := rest.Paged(c, own, sortKeys, func(one *capsule.Capsule) string { return one.UUID })
	if err != nil {
		return err
	}
	shown := page{Sandboxes: make([]view.Sandbox, 0, len(some))}
	for _, one := range some {
		shown.Sandboxes = append(shown.Sandboxes, r.shown(c, one))
	}
	shown.Next = next
	return c.JSON(http.StatusOK, shown)
}
