package bodies_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/agent"
	"github.com/capsulet/capsulet/zunserver/bodies"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// records are a store with two records.
type records struct {
	agent.Store // what the test does not call
	mu          sync.Mutex
	all         map[string]*capsule.Capsule
	events      chan store.CapsuleEvent
	removed     []string
}

func (r *records) Capsules(context.Context) (list []*capsule.Capsule, revision int64, err error) {
	for _, c := range r.all {
		list = append(list, c)
	}
	return list, 1, nil
}

func (r *records) Capsule(_ context.Context, uuid string) (*capsule.Capsule, error) {
	if c := r.all[uuid]; c != nil {
		return c, nil
	}
	return nil, errdefs.ErrNotFound
}

func (r *records) WatchCapsules(context.Context, int64) <-chan store.CapsuleEvent { return r.events }

func (r *records) UpdateFactsOf(_ context.Context, uuid, body, _ string, _ func(*capsule.Facts)) (*capsule.Capsule, error) {
	if c := r.all[uuid]; c != nil && c.BodyID() == body {
		return c, nil
	}
	return nil, errdefs.ErrFailedPrecondition
}

func (r *records) RemoveCapsule(_ context.Context, uuid string) error {
	r.removed = append(r.removed, uuid)
	delete(r.all, uuid)
	return nil
}

// exchanged is the state after an upgrade: the capsule c has the body n, and the successor n has the body c.
func exchanged() *records {
	return &records{events: make(chan store.CapsuleEvent), all: map[string]*capsule.Capsule{
		"c": {UUID: "c", Body: "n", Spec: capsule.Spec{Name: "new"}},
		"n": {UUID: "n", Body: "c", Kind: capsule.KindSuccessor, Spec: capsule.Spec{Name: "former"}, Deletion: &capsule.Deletion{}},
		"o": {UUID: "o", Spec: capsule.Spec{Name: "other"}},
	}}
}

func TestRecordsAreCalledByTheirBodies(t *testing.T) {
	r := exchanged()
	s := bodies.Of(r)
	list, _, err := s.Capsules(t.Context())
	names := map[string]string{}
	for _, c := range list {
		names[c.UUID] = c.Spec.Name
	}
	if err != nil || len(names) != 3 || names["n"] != "new" || names["c"] != "former" || names["o"] != "other" {
		t.Errorf("%v, %v", names, err)
	}
	if r.all["c"].UUID != "c" || r.all["c"].Body != "n" {
		t.Errorf("the record was changed: %+v", r.all["c"])
	}
	for body, want := range map[string]string{"n": "new", "c": "former", "o": "other"} {
		for _, asked := range []*bodies.Store{s, bodies.Of(r)} { // one that knows, and one that has to look
			if c, err := asked.Capsule(t.Context(), body); err != nil || c.UUID != body || c.Spec.Name != want || c.Kind != capsule.KindCapsule {
				t.Errorf("body %s: %+v, %v", body, c, err)
			}
		}
		if c, err := s.UpdateFacts(t.Context(), body, "h", nil); err != nil || c.UUID != body || c.Spec.Name != want {
			t.Errorf("facts of %s: %+v, %v", body, c, err)
		}
	}
	if _, err := s.Capsule(t.Context(), "x"); !errdefs.IsNotFound(err) {
		t.Errorf("%v", err)
	}
	if err := s.RemoveCapsule(t.Context(), "c"); err != nil || len(r.removed) != 1 || r.removed[0] != "n" {
		t.Errorf("removed %v, %v", r.removed, err)
	}
}

func TestWhoHasNotHeardWritesNothing(t *testing.T) {
	r := exchanged()
	s := bodies.Of(r) // it has seen nothing yet: for it each body is a record's own
	for _, body := range []string{"c", "n"} {
		if _, err := s.UpdateFacts(t.Context(), body, "h", nil); !errdefs.IsFailedPrecondition(err) {
			t.Errorf("facts of %s: %v", body, err)
		}
		if err := s.RemoveCapsule(t.Context(), body); !errdefs.IsFailedPrecondition(err) || len(r.removed) > 0 {
			t.Errorf("remove %s: %v, %v", body, err, r.removed)
		}
	}
}

func TestWatch(t *testing.T) {
	r := exchanged()
	s := bodies.Of(r)
	watch := s.WatchCapsules(t.Context(), 1)
	for _, step := range []struct {
		name       string
		in         store.CapsuleEvent
		uuid, body string
	}{
		{"a capsule", store.CapsuleEvent{Kind: store.Put, Capsule: &capsule.Capsule{UUID: "c"}}, "c", ""},
		{"takes over a body", store.CapsuleEvent{Kind: store.Put, Capsule: r.all["c"]}, "n", ""},
		{"and gives its own away", store.CapsuleEvent{Kind: store.Put, Capsule: r.all["n"]}, "c", ""},
		{"which goes, and nobody knows how it was", store.CapsuleEvent{Kind: store.Delete, Capsule: &capsule.Capsule{UUID: "n"}}, "c", ""},
		{"and the capsule", store.CapsuleEvent{Kind: store.Delete, Capsule: r.all["c"]}, "n", ""},
	} {
		select {
		case r.events <- step.in:
		case <-time.After(10 * time.Second):
			t.Fatal("the watch does not read")
		}
		select {
		case got := <-watch:
			if got.Kind != step.in.Kind || got.Capsule.UUID != step.uuid || got.Capsule.Body != step.body {
				t.Errorf("%s: %+v", step.name, got.Capsule)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the watch says nothing")
		}
	}
	close(r.events)
	if _, open := <-watch; open {
		t.Error("the watch goes on")
	}
}
