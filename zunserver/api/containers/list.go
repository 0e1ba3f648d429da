package containers

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// filters are the properties that a list can be filtered by (zun/api/controllers/v1/containers.py); each needs the policy
// container:get_one:<filter>, where there is one.
var filters = map[string]func(t target.Target, now time.Time) string{
	"name":       func(t target.Target, _ time.Time) string { return t.Called() },
	"image":      func(t target.Target, _ time.Time) string { return t.Spec().Image },
	"project_id": func(t target.Target, _ time.Time) string { return t.Record.Project },
	"user_id":    func(t target.Target, _ time.Time) string { return t.Record.User },
	"memory":     func(t target.Target, _ time.Time) string { return strconv.FormatInt(t.Spec().Memory()>>20, 10) },
	"host":       func(t target.Target, _ time.Time) string { return t.Record.Claim.Host },
	"task_state": func(t target.Target, now time.Time) string { return t.Record.ContainerStatus(t.Name, now).TaskState },
	"status":     target.Target.Status,
	"auto_remove": func(t target.Target, _ time.Time) string {
		return strconv.FormatBool(t.Own() != nil && t.Own().AutoRemove)
	},
}

// sortKeys are what containers can be sorted by. Zun's id is the order of creation.
func sortKeys(now time.Time) map[string]func(target.Target) string {
	keys := map[string]func(target.Target) string{
		"id":         func(t target.Target) string { return rest.Sortable(t.Made()) },
		"created_at": func(t target.Target) string { return rest.Sortable(t.Made()) },
		"updated_at": func(t target.Target) string { return rest.Sortable(view.ContainerUpdated(t.Record, t.Name)) },
		"uuid":       func(t target.Target) string { return t.Spec().UUID },
		"cpu":        func(t target.Target) string { return fmt.Sprintf("%020d", t.Spec().CPU()) },
	}
	for name, of := range filters {
		keys[name] = func(t target.Target) string { return of(t, now) }
	}
	keys["memory"] = func(t target.Target) string { return fmt.Sprintf("%020d", t.Spec().Memory()) }
	return keys
}

// page is the answer of a list.
type page struct {
	Containers []view.Container `json:"containers"`
	Next       *string          `json:"next"`
}

type listQuery struct {
	AllProjects bool   `query:"all_projects" description:"Of every project; for administrators."`
	Capsule     string `query:"capsule" description:"The containers of this capsule, by UUID or name, in place of those of none."`
	Limit       int    `query:"limit" description:"The size of a page."`
	Marker      string `query:"marker" description:"The UUID of the last container of the page before."`
	SortKey     string `query:"sort_key" description:"The property to sort by; id is the order of creation."`
	SortDir     string `query:"sort_dir" description:"asc or desc."`
	Name        string `query:"name" description:"Only containers with this name."`
	Image       string `query:"image" description:"Only containers with this image."`
	ProjectID   string `query:"project_id" description:"Only containers of this project."`
	UserID      string `query:"user_id" description:"Only containers of this user."`
	Memory      string `query:"memory" description:"Only containers with this memory, in MiB."`
	Host        string `query:"host" description:"Only containers on this host; for administrators."`
	TaskState   string `query:"task_state" description:"Only containers in this task state."`
	Status      string `query:"status" description:"Only containers in this state."`
	AutoRemove  string `query:"auto_remove" description:"Only containers that are removed when they have ended, or that are not."`
}

// list is GET /v1/containers.
func (r *Resource) list(c *rest.Call) error {
	if auth.Allowed("container:get_all", c.Caller, c.Caller.Project) != nil {
		return rest.NotAllowed("container:get_all")
	}
	everything, err := rest.AllProjects(c, "container:get_all_all_projects")
	if err != nil {
		return err
	}
	wanted, err := wantedOf(c)
	if err != nil {
		return err
	}
	all, _, err := r.Backend.Capsules(c.R.Context())
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	now, in := r.Now(), c.R.URL.Query().Get(target.CapsuleParam)
	var own []target.Target
	for _, one := range all {
		if !everything && one.Project != c.Caller.Project {
			continue
		}
		target.Each(one, func(cs *capsule.ContainerSpec) {
			t := target.Target{Record: one, Name: cs.Name, InCapsule: in != "" && target.Within(one, in)}
			if (t.Own() != nil && in == "" || t.InCapsule) && matches(t, wanted, now) {
				own = append(own, t)
			}
		})
	}
	some, next, err := rest.Paged(c, own, sortKeys(now), func(t target.Target) string { return t.Spec().UUID })
	if err != nil {
		return err
	}
	shown := page{Containers: make([]view.Container, 0, len(some))}
	for _, t := range some {
		shown.Containers = append(shown.Containers, r.shown(c, t))
	}
	shown.Next = next
	return c.JSON(http.StatusOK, shown)
}

// wantedOf reads the filters of a list.
func wantedOf(c *rest.Call) (map[string]string, error) {
	allowed := []string{"all_projects", "limit", "marker", "sort_key", "sort_dir", "resource_url", "expand"}
	wanted, query := map[string]string{}, c.R.URL.Query()
	for name := range filters {
		allowed = append(allowed, name)
		if !query.Has(name) {
			continue
		}
		action := auth.Action("container:get_one:" + name)
		if slices.Contains(guarded, action) && auth.Allowed(action, c.Caller, c.Caller.Project) != nil {
			return nil, rest.NotAllowed(action)
		}
		wanted[name] = query.Get(name)
	}
	return wanted, target.Known(c, allowed...)
}

// guarded are the properties that have a policy of their own (zun/common/policies/container.py).
var guarded = []auth.Action{"container:get_one:host", "container:get_one:image_pull_policy", "container:get_one:privileged", "container:get_one:runtime"}

func matches(t target.Target, wanted map[string]string, now time.Time) bool {
	for name, value := range wanted {
		is := filters[name](t, now)
		if name == "auto_remove" {
			value = strings.ToLower(value)
			value = strconv.FormatBool(value == "true" || value == "1" || value == "on" || value == "yes")
		}
		if is != value {
			return false
		}
	}
	return true
}
