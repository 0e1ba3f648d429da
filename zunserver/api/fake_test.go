package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/api/containers"
	"github.com/capsulet/capsulet/zunserver/api/containers/history"
	"github.com/capsulet/capsulet/zunserver/api/openapi/openapitest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

const (
	adminToken = "admin-0123456789abcdef"
	userToken  = "user1-0123456789abcdef"
	otherToken = "user2-0123456789abcdef"
)

// backends are the store and the agents in a map.
type backends struct {
	mu       sync.Mutex
	all      map[string]*capsule.Capsule
	revision int64
	fail     error
	events   chan store.CapsuleEvent
	since    int64
	log      func(stdout, stderr io.Writer) error
	logCall  string
	exec     func(context.Context, capsule.Session) (int, error)
	execCall string
	attach   func(context.Context, capsule.Session) error
	dial     func(ctx context.Context, port int32) (net.Conn, error)
	hosts    []capsule.Host
	stats    []capsule.Stats
	control  []string // what was done once
	killing  chan error
	archived []byte
}

func (b *backends) CreateCapsule(_ context.Context, c *capsule.Capsule) (*capsule.Capsule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all[c.UUID] != nil {
		return nil, fmt.Errorf("taken: %w", errdefs.ErrAlreadyExists)
	}
	b.revision++
	twin := *c
	twin.Revision = b.revision
	b.all[c.UUID] = &twin
	return &twin, nil
}

func (b *backends) Capsule(_ context.Context, uuid string) (*capsule.Capsule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return nil, b.fail
	}
	if c := b.all[uuid]; c != nil {
		return c, nil
	}
	return nil, errdefs.ErrNotFound
}

func (b *backends) Capsules(context.Context) ([]*capsule.Capsule, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.all)), b.revision, b.fail
}

func (b *backends) UpdateSpec(_ context.Context, uuid string, update func(*capsule.Spec) error) (*capsule.Capsule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	twin := *b.all[uuid]
	if twin.Deletion != nil {
		return nil, fmt.Errorf("it is being deleted: %w", errdefs.ErrFailedPrecondition)
	}
	spec, err := twin.Spec.Clone()
	if err == nil {
		err = update(spec)
	}
	if err != nil {
		return nil, fmt.Errorf("update: %w", err)
	}
	twin.Spec = *spec
	b.revision++
	twin.Revision = b.revision
	b.all[uuid] = &twin
	return &twin, nil
}

func (b *backends) ReviseCapsule(_ context.Context, uuid string, plan func(*capsule.Capsule) (*capsule.Capsule, error)) (*capsule.Capsule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	twin := *b.all[uuid]
	if twin.Deletion != nil {
		return nil, fmt.Errorf("it is being deleted: %w", errdefs.ErrFailedPrecondition)
	}
	spec, err := twin.Spec.Clone()
	if err != nil {
		return nil, err
	}
	twin.Spec = *spec
	next, err := plan(&twin)
	if err != nil {
		return nil, fmt.Errorf("revise: %w", err)
	}
	b.revision++
	twin.Revision = b.revision
	b.all[uuid] = &twin
	if next != nil {
		next.Revision = b.revision
		b.all[next.UUID] = next
	}
	return &twin, nil
}

func (b *backends) DeleteCapsule(_ context.Context, uuid string, d capsule.Deletion) (*capsule.Capsule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	twin := *b.all[uuid]
	if twin.Kind == capsule.KindSandbox && len(twin.Spec.Containers) > 0 {
		return nil, errdefs.ErrFailedPrecondition
	}
	twin.Deletion = &d
	b.all[uuid] = &twin
	return &twin, nil
}

func (b *backends) WatchCapsules(_ context.Context, since int64) <-chan store.CapsuleEvent {
	b.since = since
	return b.events
}

func (b *backends) Hosts(context.Context) ([]capsule.Host, int64, error) { return b.hosts, 3, b.fail }

func (b *backends) Logs(_ context.Context, c *capsule.Capsule, container string, previous bool, o capsule.LogOptions, stdout, stderr io.Writer) error {
	b.logCall = fmt.Sprintf("%s %s previous=%v follow=%v timestamps=%v tail=%d since=%s until=%s stream=%s", c.Spec.Name, container, previous,
		o.Follow, o.Timestamps, o.Tail, o.Since.UTC().Format(time.RFC3339), o.Until.UTC().Format(time.RFC3339), o.Stream)
	return b.log(stdout, stderr)
}

func (b *backends) Exec(ctx context.Context, c *capsule.Capsule, container string, command []string, s capsule.Session) (int, error) {
	b.mu.Lock()
	b.execCall = fmt.Sprintf("%s %s %q tty=%v", c.Spec.Name, container, command, s.TTY)
	b.mu.Unlock()
	return b.exec(ctx, s)
}

func (b *backends) Attach(ctx context.Context, _ *capsule.Capsule, _ string, s capsule.Session) error {
	return b.attach(ctx, s)
}

func (b *backends) Dial(ctx context.Context, _ *capsule.Capsule, port int32) (net.Conn, error) {
	return b.dial(ctx, port)
}

func (b *backends) Stats(_ context.Context, of []*capsule.Capsule) capsule.StatsReport {
	report := capsule.StatsReport{Capsules: []capsule.Stats{}, Hosts: []capsule.HostStats{{Name: "h1"}}, Incomplete: []string{"h2"}}
	if b.stats != nil {
		report.Capsules = b.stats
		return report
	}
	for _, c := range of {
		report.Capsules = append(report.Capsules, capsule.Stats{UUID: c.UUID})
	}
	return report
}

// world is the API on a real listener.
type world struct {
	*testing.T
	*backends
	url     string
	now     time.Time
	history *history.Log
	jobs    *containers.Jobs
}

func newWorld(t *testing.T, change ...func(*api.Config, *http.Server)) *world {
	t.Helper()
	tokens, err := auth.NewTokens(map[string]auth.Identity{
		adminToken: auth.Administrator(), userToken: {User: "u1", Project: "p1"}, otherToken: {User: "u2", Project: "p2"}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, backends: &backends{all: map[string]*capsule.Capsule{}, events: make(chan store.CapsuleEvent, 8)},
		now: time.Date(2026, 11, 20, 12, 0, 0, 123456789, time.UTC)}
	w.history, w.jobs = newHistory(w)
	cfg := api.Config{Control: w.backends, Networks: w.backends, Registries: w.backends, History: w.history, Jobs: w.jobs, Capsules: w.backends, Containers: w.backends, Hosts: w.backends, Streams: w.backends, Stats: w.backends, Auth: tokens, MaxBodyBytes: 64 << 10,
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(time.Second); return w.now }}
	server := httptest.NewUnstartedServer(nil)
	server.Config = api.NewServer(nil)
	for _, f := range change {
		f(&cfg, server.Config)
	}
	server.Config.Handler = openapitest.Handler(t, api.New(cfg))
	server.Start()
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// do sends a request; headers are pairs. Without X-Auth-Token it is the user's.
func (w *world) do(method, path, body string, headers ...string) *http.Response {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", userToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// get is do, read as JSON, with the status checked.
func (w *world) get(status int, method, path, body string, headers ...string) map[string]any {
	w.Helper()
	resp := w.do(method, path, body, headers...)
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	if resp.StatusCode != status {
		w.Fatalf("%s %s: %s, want %d\n%s", method, path, resp.Status, status, b)
	}
	m := map[string]any{}
	if len(b) > 0 {
		if err := json.Unmarshal(b, &m); err != nil {
			w.Fatalf("%s %s: %v\n%s", method, path, err, b)
		}
	}
	return m
}

const small = `{"template":{"kind":"capsule","metadata":{"name":"web"},"spec":{"containers":[{"name":"web","image":"web:1"}]}}}`

func named(name string) string { return strings.Replace(small, `"name":"web"`, `"name":"`+name+`"`, 1) }
