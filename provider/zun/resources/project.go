package resources

import (
	"context"
	"encoding/json"
	"net/http"
)

// Quota is what a project may have of each resource; -1 is no limit. Memory is in MiB, disk in GiB.
type Quota map[string]Limit

// Limit is how much there may be, and how much is in use where that was asked for.
type Limit struct {
	Limit int64
	InUse *float64
}

// UnmarshalJSON reads a number, or the object with what is in use.
func (l *Limit) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &l.Limit); err == nil {
		return nil
	}
	var both struct {
		Limit int64    `json:"limit"`
		InUse *float64 `json:"in_use"`
	}
	err := json.Unmarshal(b, &both)
	l.Limit, l.InUse = both.Limit, both.InUse
	return err
}

// MarshalJSON writes what was read.
func (l Limit) MarshalJSON() ([]byte, error) {
	if l.InUse == nil {
		return json.Marshal(l.Limit)
	}
	return json.Marshal(map[string]any{"limit": l.Limit, "in_use": *l.InUse})
}

// Quota returns that of a project, with what is in use when asked.
func (c Client) Quota(ctx context.Context, project string, usages bool) (Quota, error) {
	q := Query{}
	if usages {
		q["usages"] = "True"
	}
	return get[Quota](ctx, c, "get the quota of project "+project, q, "quotas", project)
}

// QuotaDefaults returns what a project has that was given nothing of its own.
func (c Client) QuotaDefaults(ctx context.Context, project string) (Quota, error) {
	return get[Quota](ctx, c, "get the default quota of project "+project, nil, "quotas", project, "defaults")
}

// UpdateQuota changes some of the limits of a project.
func (c Client) UpdateQuota(ctx context.Context, project string, limits map[string]int64) (Quota, error) {
	return send[Quota](ctx, c, "update the quota of project "+project, http.MethodPut, nil, limits, "quotas", project)
}

// DeleteQuota gives a project the defaults again.
func (c Client) DeleteQuota(ctx context.Context, project string) error {
	return c.ask(ctx, "delete the quota of project "+project, http.MethodDelete, nil, nil, "quotas", project)
}

// QuotaClass returns the limits of a class; those of the class default are the defaults.
func (c Client) QuotaClass(ctx context.Context, name string) (Quota, error) {
	return get[Quota](ctx, c, "get quota class "+name, nil, "quota_classes", name)
}

// UpdateQuotaClass changes some limits of a class.
func (c Client) UpdateQuotaClass(ctx context.Context, name string, limits map[string]int64) (Quota, error) {
	return send[Quota](ctx, c, "update quota class "+name, http.MethodPut, nil, limits, "quota_classes", name)
}

// Registry is a login at a registry; its password is never shown.
type Registry struct {
	UUID      string `json:"uuid"`
	Name      string `json:"name"`
	Domain    string `json:"domain"`
	Username  string `json:"username"`
	Password  string `json:"password"`
	ProjectID string `json:"project_id"`
	UserID    string `json:"user_id"`
}

// Registries lists those of the project, or of all.
func (c Client) Registries(ctx context.Context, filters Query) ([]Registry, error) {
	return list[Registry](ctx, c, "registries", []string{"registries"}, filters)
}

// wrapped is how a registry travels.
type wrapped struct {
	Registry Registry `json:"registry"`
}

// Registry returns one by name or UUID.
func (c Client) Registry(ctx context.Context, id string) (Registry, error) {
	w, err := get[wrapped](ctx, c, "get registry "+id, nil, "registries", id)
	return w.Registry, err
}

// CreateRegistry makes one; what has no value is left out.
func (c Client) CreateRegistry(ctx context.Context, of map[string]string) (Registry, error) {
	w, err := send[wrapped](ctx, c, "create a registry", http.MethodPost, nil, map[string]any{"registry": of}, "registries")
	return w.Registry, err
}

// UpdateRegistry changes some properties.
func (c Client) UpdateRegistry(ctx context.Context, id string, changes map[string]string) (Registry, error) {
	w, err := send[wrapped](ctx, c, "update registry "+id, http.MethodPatch, nil, map[string]any{"registry": changes}, "registries", id)
	return w.Registry, err
}

// DeleteRegistry takes one away.
func (c Client) DeleteRegistry(ctx context.Context, id string) error {
	return c.ask(ctx, "delete registry "+id, http.MethodDelete, nil, nil, "registries", id)
}

// Sandbox is a sandbox of the container API.
type Sandbox struct {
	UUID         string               `json:"uuid"`
	Name         string               `json:"name"`
	ProjectID    string               `json:"project_id"`
	UserID       string               `json:"user_id"`
	Status       string               `json:"status"`
	StatusReason string               `json:"status_reason"`
	Labels       map[string]string    `json:"labels"`
	Addresses    map[string][]Address `json:"addresses"`
	Containers   []Container          `json:"containers"`
	Hostname     string               `json:"hostname"`
	Zone         string               `json:"availability_zone"`
	Host         string               `json:"host,omitempty"`
	CreatedAt    string               `json:"created_at"`
	UpdatedAt    string               `json:"updated_at"`
}

// Sandboxes lists them.
func (c Client) Sandboxes(ctx context.Context, filters Query) ([]Sandbox, error) {
	return list[Sandbox](ctx, c, "sandboxes", []string{"sandboxes"}, filters)
}

// Sandbox returns one by name or UUID.
func (c Client) Sandbox(ctx context.Context, id string) (Sandbox, error) {
	return get[Sandbox](ctx, c, "get sandbox "+id, nil, "sandboxes", id)
}

// CreateSandbox makes one.
func (c Client) CreateSandbox(ctx context.Context, of map[string]any) (Sandbox, error) {
	return send[Sandbox](ctx, c, "create a sandbox", http.MethodPost, nil, of, "sandboxes")
}

// DeleteSandbox takes one away that has no containers.
func (c Client) DeleteSandbox(ctx context.Context, id string) error {
	return c.ask(ctx, "delete sandbox "+id, http.MethodDelete, nil, nil, "sandboxes", id)
}
