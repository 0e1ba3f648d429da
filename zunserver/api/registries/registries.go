package registries

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// The actions of this resource.
const (
	actionList   auth.Action = "registry:get_all"
	actionAll    auth.Action = "registry:get_all_all_projects"
	actionCreate auth.Action = "registry:create"
	actionGet    auth.Action = "registry:get_one"
	actionUpdate auth.Action = "registry:update"
	actionDelete auth.Action = "registry:delete"
)

// maxText is how long a domain, a username or a password may be, in bytes.
const maxText = 4096

var filters = map[string]func(*capsule.Registry) string{
	"name":       func(r *capsule.Registry) string { return r.Name },
	"domain":     func(r *capsule.Registry) string { return r.Domain },
	"username":   func(r *capsule.Registry) string { return r.Username },
	"project_id": func(r *capsule.Registry) string { return r.Project },
	"user_id":    func(r *capsule.Registry) string { return r.User },
}

func sortKeys() map[string]func(*capsule.Registry) string {
	keys := map[string]func(*capsule.Registry) string{
		"id":         func(r *capsule.Registry) string { return rest.Sortable(r.CreatedAt) },
		"created_at": func(r *capsule.Registry) string { return rest.Sortable(r.CreatedAt) },
		"uuid":       func(r *capsule.Registry) string { return r.UUID },
	}
	for name, of := range filters {
		keys[name] = of
	}
	return keys
}

// list is GET /v1/registries.
func (r *Resource) list(c *rest.Call) error {
	if err := auth.Allowed(actionList, c.Caller, c.Caller.Project); err != nil {
		return rest.NotAllowed(actionList)
	}
	known := []string{"all_projects", "limit", "marker", "sort_key", "sort_dir"}
	for name := range filters {
		known = append(known, name)
	}
	if err := c.KnownOnly(known...); err != nil {
		return err
	}
	everywhere, err := rest.AllProjects(c, actionAll)
	if err != nil {
		return err
	}
	all, err := r.of(c.R.Context(), c.Caller.Project, everywhere)
	if err != nil {
		return err
	}
	q := c.R.URL.Query()
	var matching []*capsule.Registry
	for _, one := range all {
		fits := true
		for name, of := range filters {
			fits = fits && (!q.Has(name) || of(one) == q.Get(name))
		}
		if fits {
			matching = append(matching, one)
		}
	}
	cut, next, err := rest.Paged(c, matching, sortKeys(), func(one *capsule.Registry) string { return one.UUID })
	if err != nil {
		return err
	}
	p := page{Registries: make([]view.Registry, 0, len(cut))}
	for _, one := range cut {
		p.Registries = append(p.Registries, view.OfRegistry(one, c.Base()))
	}
	p.Next = next
	return c.JSON(http.StatusOK, p)
}

// of are the registries of a project, or of all.
func (r *Resource) of(ctx context.Context, project string, everywhere bool) ([]*capsule.Registry, error) {
	prefix := ""
	if !everywhere {
		prefix = key(project, "")
	}
	records, err := r.Table.List(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("list registries: %w", err)
	}
	all := make([]*capsule.Registry, 0, len(records))
	for i := range records {
		if one := &records[i].Value; everywhere || one.Project == project {
			all = append(all, one)
		}
	}
	return all, nil
}

// key keeps projects apart whatever their names are.
func key(project, id string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("capsulet/project/"+project)).String() + "/" + id
}

// find is the registry that an ident means to the caller: by UUID, or by name. Administrators find those of all projects
// (zun/api/controllers/v1/registries.py, get_one).
func (r *Resource) find(c *rest.Call, action auth.Action) (*capsule.Registry, error) {
	one, err := r.lookUp(c.R.Context(), c.Caller.Project, c.R.PathValue("id"), c.Caller.Admin)
	if err != nil {
		return nil, err
	}
	if err := auth.Allowed(action, c.Caller, one.Project); err != nil {
		return nil, rest.NotAllowed(action)
	}
	return one, nil
}

func (r *Resource) lookUp(ctx context.Context, project, ident string, everywhere bool) (*capsule.Registry, error) {
	all, err := r.of(ctx, project, everywhere)
	if err != nil {
		return nil, err
	}
	var named []*capsule.Registry
	for _, one := range all {
		if strings.EqualFold(one.UUID, ident) {
			return one, nil
		}
		if one.Name == ident && ident != "" {
			named = append(named, one)
		}
	}
	switch len(named) {
	case 0:
		return nil, notFound(ident)
	case 1:
		return named[0], nil
	default:
		return nil, rest.Refuse(http.StatusConflict, "conflict",
			"Multiple registries exist with same name %.255s. Please use the registry uuid instead.", ident)
	}
}

func notFound(ident string) error {
	return rest.Refuse(http.StatusNotFound, "registry-not-found", "Registry %.255s could not be found.", ident)
}

// get is GET /v1/registries/{id}.
func (r *Resource) get(c *rest.Call) error {
	one, err := r.find(c, actionGet)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer{view.OfRegistry(one, c.Base())})
}

// create is POST /v1/registries.
func (r *Resource) create(c *rest.Call) error {
	if err := auth.Allowed(actionCreate, c.Caller, c.Caller.Project); err != nil {
		return rest.NotAllowed(actionCreate)
	}
	p, err := read(c)
	if err != nil {
		return err
	}
	if p.Domain == nil {
		return rest.Refuse(http.StatusBadRequest, "schema-validation-error", "'domain' is a required property")
	}
	one := capsule.Registry{UUID: uuid.NewString(), Project: c.Caller.Project, User: c.Caller.User, CreatedAt: r.Now().UTC()}
	p.change(&one)
	if _, err := r.Table.Create(c.R.Context(), key(one.Project, one.UUID), one); err != nil {
		return err
	}
	c.W.Header().Set("Location", c.Base()+"/v1/registries/"+one.UUID)
	return c.JSON(http.StatusCreated, answer{view.OfRegistry(&one, c.Base())})
}

// update is PATCH /v1/registries/{id}.
func (r *Resource) update(c *rest.Call) error {
	one, err := r.find(c, actionUpdate)
	if err != nil {
		return err
	}
	p, err := read(c)
	if err != nil {
		return err
	}
	changed, err := r.Table.Change(c.R.Context(), key(one.Project, one.UUID), func(it *capsule.Registry, exists bool) error {
		if !exists {
			return notFound(one.UUID)
		}
		p.change(it)
		return nil
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer{view.OfRegistry(&changed.Value, c.Base())})
}

// remove is DELETE /v1/registries/{id}.
func (r *Resource) remove(c *rest.Call) error {
	one, err := r.find(c, actionDelete)
	if err != nil {
		return err
	}
	if err := r.Table.Remove(c.R.Context(), key(one.Project, one.UUID)); errdefs.IsNotFound(err) {
		return notFound(one.UUID)
	} else if err != nil {
		return err
	}
	c.W.WriteHeader(http.StatusNoContent)
	return nil
}

// name is Zun's pattern (zun/api/controllers/v1/schemas/parameter_types.py, registry_name).
var name = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// read reads and checks a body.
func read(c *rest.Call) (*properties, error) {
	var b body
	if err := c.Decode(&b); err != nil {
		return nil, err
	}
	p := b.Registry
	if p == nil {
		return nil, rest.Refuse(http.StatusBadRequest, "schema-validation-error", "'registry' is a required property")
	}
	if p.Name != nil && (len(*p.Name) > 255 || !name.MatchString(*p.Name)) {
		return nil, rest.InvalidField("name", "'%.80s' is not of 2 to 255 letters, digits, '_', '.' and '-'", *p.Name)
	}
	for field, value := range map[string]*string{"domain": p.Domain, "username": p.Username, "password": p.Password} {
		if value != nil && (*value == "" || len(*value) > maxText) { // what it says may be secret
			return nil, rest.InvalidField(field, "it is empty or longer than %d bytes", maxText)
		}
	}
	if p.Domain != nil {
		if strings.ContainsAny(*p.Domain, " \t\r\n\x00") {
			return nil, rest.InvalidField("domain", "'%.80s' has blanks in it", *p.Domain)
		}
	}
	return p, nil
}

func (p *properties) change(r *capsule.Registry) {
	for _, f := range []struct {
		to   *string
		from *string
	}{{&r.Name, p.Name}, {&r.Domain, p.Domain}, {&r.Username, p.Username}, {&r.Password, p.Password}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
}
