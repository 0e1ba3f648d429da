package replica_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store/replica"
)

// record is a new one each time, as a decoder makes them.
func record(uuid string, revision int64, exitCode int) *capsule.Capsule {
	some := func() corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
	}
	was := some()
	return &capsule.Capsule{
		UUID: uuid, Revision: revision,
		Spec: capsule.Spec{Name: "web", Containers: []capsule.ContainerSpec{{Name: "still", Resources: some()}, {Name: "busy", Resources: some()}}},
		Facts: capsule.Facts{Containers: []capsule.ContainerFacts{
			{Name: "still", Run: &capsule.Run{ID: "1", Resources: &was}}, {Name: "busy", Run: &capsule.Run{ID: "2", ExitCode: exitCode}},
		}},
	}
}

func share(t *testing.T, r *replica.Records, c *capsule.Capsule) *capsule.Capsule {
	t.Helper()
	got, err := r.Share(c.UUID, c.Revision, func() (*capsule.Capsule, error) { return c, nil })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestShare: a revision is one record for all, the next one shares with it what is the same, and leaves it as it was.
func TestShare(t *testing.T) {
	r := replica.New(true)
	first := share(t, r, record("a", 1, 0))
	if again := share(t, r, record("a", 1, 0)); again != first {
		t.Error("a revision was read twice")
	}
	r.Set(r.With(nil, first), 1)
	second := share(t, r, record("a", 2, 7))
	if &second.Spec.Containers[0] != &first.Spec.Containers[0] || second.Facts.Containers[0].Run != first.Facts.Containers[0].Run {
		t.Error("what did not change is there twice")
	}
	if second.Facts.Containers[1].Run.ExitCode != 7 || first.Facts.Containers[1].Run.ExitCode != 0 {
		t.Error("what changed is shared")
	}
	if first.Facts.Containers[0].Run.Resources != &first.Spec.Containers[0].Resources {
		t.Error("what a container was given is what it asks for, and is there twice")
	}
	if _, err := r.Share("b", 1, func() (*capsule.Capsule, error) { return nil, errors.New("damaged") }); err == nil {
		t.Error("what cannot be read is something")
	}
	r.Check()
}

// TestChangedRecord: who changes a record that others have is found.
func TestChangedRecord(t *testing.T) {
	r := replica.New(true)
	c := share(t, r, record("a", 1, 0))
	list := r.With(nil, c)
	c.Facts.Containers[1].Run.ExitCode = 1
	for what, look := range map[string]func(){
		"at its next revision": func() { r.With(list, record("a", 2, 0)) }, "when it goes": func() { r.Without(list, "a") }, "at the end": r.Check,
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s nobody notices", what)
				}
			}()
			look()
		}()
	}
}

// TestLists: a list is replaced and not changed, and stays in order.
func TestLists(t *testing.T) {
	r := replica.New(false)
	var list []*capsule.Capsule
	for i, uuid := range []string{"m", "a", "z", "b"} {
		list = r.With(list, record(uuid, int64(i), 0))
	}
	before := slices.Clone(list)
	after := r.Without(r.With(list, record("b", 9, 0)), "m")
	if !slices.Equal(list, before) {
		t.Error("somebody's list was changed")
	}
	var uuids []string
	for _, c := range after {
		uuids = append(uuids, c.UUID)
	}
	if !slices.Equal(uuids, []string{"a", "b", "z"}) || after[1].Revision != 9 || len(r.Without(after, "none")) != 3 {
		t.Errorf("%v", uuids)
	}
}

// TestAt: a list waits until the copy is as far as it has to be, says that it waits, and does not wait for ever.
func TestAt(t *testing.T) {
	r := replica.New(false)
	if _, _, ok := r.At(t.Context(), 0); ok {
		t.Error("there is a copy before there is one")
	}
	r.Set(nil, 5)
	if _, is, ok := r.At(t.Context(), 4); !ok || is != 5 {
		t.Errorf("at revision %d, %v", is, ok)
	}
	go func() { // what the writer does
		<-r.Behind()
		r.Set([]*capsule.Capsule{record("a", 6, 0)}, 6)
	}()
	if list, is, ok := r.At(t.Context(), 6); !ok || is != 6 || len(list) != 1 {
		t.Errorf("%v at revision %d, %v", list, is, ok)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, ok := r.At(ctx, 7); ok {
		t.Error("a list is told what was not there")
	}
	r.Lose()
	if _, _, ok := r.At(t.Context(), 1); ok {
		t.Error("a copy that was lost is there")
	}
}
