package api_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/api/admission"
	"github.com/capsulet/capsulet/zunserver/api/images"
	"github.com/capsulet/capsulet/zunserver/api/networks"
	"github.com/capsulet/capsulet/zunserver/api/quotas"
	"github.com/capsulet/capsulet/zunserver/api/registries"
	"github.com/capsulet/capsulet/zunserver/api/services"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// table is a store.Table in memory.
type table[T any] struct {
	mu       sync.Mutex
	all      map[string]T
	revision int64
}

func newTable[T any]() *table[T] { return &table[T]{all: map[string]T{}} }

func (t *table[T]) List(_ context.Context, prefix string) ([]store.Record[T], error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []store.Record[T]
	for _, k := range slices.Sorted(maps.Keys(t.all)) {
		if strings.HasPrefix(k, prefix) {
			list = append(list, store.Record[T]{Key: k, Value: t.all[k], Revision: t.revision})
		}
	}
	return list, nil
}

func (t *table[T]) Get(_ context.Context, key string) (store.Record[T], error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.all[key]
	if !ok {
		return store.Record[T]{}, errdefs.ErrNotFound
	}
	return store.Record[T]{Key: key, Value: v, Revision: t.revision}, nil
}

func (t *table[T]) Create(_ context.Context, key string, v T) (store.Record[T], error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.all[key]; ok {
		return store.Record[T]{}, errdefs.ErrAlreadyExists
	}
	t.all[key] = v
	return store.Record[T]{Key: key, Value: v}, nil
}

func (t *table[T]) Change(_ context.Context, key string, change func(*T, bool) error) (store.Record[T], error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.all[key]
	if err := change(&v, ok); err != nil {
		return store.Record[T]{}, fmt.Errorf("change: %w", err)
	}
	t.all[key] = v
	return store.Record[T]{Key: key, Value: v}, nil
}

func (t *table[T]) Remove(_ context.Context, key string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.all[key]; !ok {
		return errdefs.ErrNotFound
	}
	delete(t.all, key)
	return nil
}

// said is what operators said of hosts.
type said struct {
	*backends
	table *table[capsule.Service]
}

func (s said) Services(ctx context.Context) (all []capsule.Service, err error) {
	records, err := s.table.List(ctx, "")
	for _, r := range records {
		all = append(all, r.Value)
	}
	return all, err
}

func (s said) ChangeService(ctx context.Context, host string, change func(*capsule.Service)) (capsule.Service, error) {
	r, err := s.table.Change(ctx, host, func(of *capsule.Service, _ bool) error { of.Host = host; change(of); return nil })
	return r.Value, err
}

func (s said) RemoveService(ctx context.Context, host string) error { return s.table.Remove(ctx, host) }

// onHosts are the images of hosts.
type onHosts struct {
	mu     sync.Mutex
	images map[string][]capsule.Image
	inUse  string
	asked  []string
}

func (o *onHosts) Images(_ context.Context, host string) ([]capsule.Image, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if all, ok := o.images[host]; ok {
		return all, nil
	}
	return nil, errdefs.ErrUnavailable
}

func (o *onHosts) RemoveImage(_ context.Context, host, ref string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ref == o.inUse {
		return fmt.Errorf("in use: %w", errdefs.ErrFailedPrecondition)
	}
	o.images[host] = slices.DeleteFunc(o.images[host], func(i capsule.Image) bool { return slices.Contains(i.Tags, ref) })
	return nil
}

func (o *onHosts) Pulls(host string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, host)
}

// gated are the records behind the gate.
type gated struct {
	*backends
	gate *admission.Gate
}

func (g gated) CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error) {
	return g.gate.CreateCapsule(ctx, c)
}

func (g gated) UpdateSpec(ctx context.Context, uuid string, update func(*capsule.Spec) error) (*capsule.Capsule, error) {
	return g.gate.UpdateSpec(ctx, uuid, update)
}

func (g gated) UpdateStandalone(ctx context.Context, uuid string, update func(*capsule.Spec, *[]capsule.Standalone) error) (*capsule.Capsule, error) {
	return g.gate.UpdateStandalone(ctx, uuid, update)
}

func (g gated) ReviseCapsule(ctx context.Context, uuid string, plan func(*capsule.Capsule) (*capsule.Capsule, error)) (*capsule.Capsule, error) {
	return g.gate.ReviseCapsule(ctx, uuid, plan)
}

// resourceful is a world whose API serves everything that capsules use.
type resourceful struct {
	*world
	registries *table[capsule.Registry]
	pulls      *table[capsule.HostImage]
	services   *table[capsule.Service]
	onHosts    *onHosts
}

func newResourceful(t *testing.T) *resourceful {
	t.Helper()
	r := &resourceful{
		registries: newTable[capsule.Registry](), pulls: newTable[capsule.HostImage](), services: newTable[capsule.Service](),
		onHosts: &onHosts{images: map[string][]capsule.Image{}},
	}
	r.world = newWorld(t, func(cfg *api.Config, _ *http.Server) {
		b := cfg.Hosts.(*backends)
		logins := &registries.Resource{Table: r.registries, Now: cfg.Now}
		cfg.Resources = api.Resources{
			Registries: logins,
			Networks:   &networks.Resource{Table: newTable[capsule.Network](), Capsules: b, Engine: []string{"lan"}, Now: cfg.Now},
			Quotas: &quotas.Resource{Projects: newTable[quotas.Own](), Classes: newTable[quotas.Own](), Capsules: b,
				Defaults: view.Quotas{Containers: 5, Memory: 1024, CPU: 2, Disk: -1}},
			Services: &services.Resource{Backend: said{b, r.services}, Now: cfg.Now},
			Images:   &images.Resource{Table: r.pulls, Hosts: r.onHosts, Records: b, Registries: logins, Now: cfg.Now},
		}
		records := gated{b, admission.New(b, cfg.Resources.Networks, logins, cfg.Resources.Quotas)}
		cfg.Capsules, cfg.Containers = records, records
	})
	return r
}

// at140 are the headers of a request at the newest microversion.
func at140(token string) []string {
	return []string{"X-Auth-Token", token, "OpenStack-API-Version", "container 1.40"}
}

// refused demands an error with this status, code and text.
func (r *resourceful) refused(status int, code, says, method, path, body, token string) {
	r.Helper()
	got := r.get(status, method, path, body, at140(token)...)
	e := got["errors"].([]any)[0].(map[string]any)
	if e["code"] != "container."+code || !strings.Contains(e["detail"].(string), says) {
		r.Errorf("%s %s %s: %v, want %s …%s…", method, path, body, e, code, says)
	}
}

// item is the i-th element of a list of objects.
func item(got map[string]any, list string, i int) map[string]any {
	all := got[list].([]any)
	if i >= len(all) {
		return map[string]any{}
	}
	return all[i].(map[string]any)
}
