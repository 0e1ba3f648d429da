package store

import (
	"testing"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestFind(t *testing.T) {
	s, ctx := shared(t), t.Context()
	mine, other := fresh(), fresh()
	mine.Spec.Name = "db"
	mine.Spec.InitContainers = []capsule.ContainerSpec{{Name: "i", UUID: uuid.NewString()}}
	mine.Spec.Containers = []capsule.ContainerSpec{{Name: "a", UUID: uuid.NewString()}, {Name: "b", UUID: uuid.NewString()}}
	for _, c := range []*capsule.Capsule{mine, other} {
		if _, err := s.CreateCapsule(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	late := uuid.NewString()
	if _, err := s.UpdateSpec(ctx, mine.UUID, func(spec *capsule.Spec) error {
		spec.EphemeralContainers = []capsule.ContainerSpec{{Name: "e", UUID: late}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	in, two := mine.Spec.InitContainers[0].UUID, mine.Spec.Containers[1].UUID
	for what, id := range map[string]string{"init container": in, "second container": two, "ephemeral container": late} {
		if c, err := s.CapsuleOfContainer(ctx, id); err != nil || c.UUID != mine.UUID {
			t.Errorf("%s: %v %v", what, c, err)
		}
	}
	// The containers of other have no UUID.
	for what, id := range map[string]string{"none": "", "unknown": uuid.NewString(), "a capsule's": mine.UUID} {
		if c, err := s.CapsuleOfContainer(ctx, id); !errdefs.IsNotFound(err) {
			t.Errorf("%s UUID: %v %v", what, c, err)
		}
	}
	for name, want := range map[string]int{"db": 1, "web": 1, "nobody": 0} {
		found, err := s.CapsulesNamed(ctx, name)
		if err != nil || len(found) != want || want == 1 && found[0].Spec.Name != name {
			t.Errorf("%s: %v %v", name, found, err)
		}
	}
	if _, err := s.UpdateSpec(ctx, mine.UUID, func(spec *capsule.Spec) error {
		spec.Name, spec.Containers = "web", spec.Containers[:1]
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if c, err := s.CapsuleOfContainer(ctx, two); !errdefs.IsNotFound(err) {
		t.Errorf("a container that was taken away: %v %v", c, err)
	}
	if found, err := s.CapsulesNamed(ctx, "web"); err != nil || len(found) != 2 || found[0].UUID > found[1].UUID {
		t.Errorf("after a change of the name: %v %v", found, err)
	}
	if _, err := s.DeleteCapsule(ctx, mine.UUID, capsule.Deletion{}); err != nil {
		t.Fatal(err)
	}
	if c, err := s.CapsuleOfContainer(ctx, in); !errdefs.IsNotFound(err) {
		t.Errorf("of a capsule that is gone: %v %v", c, err)
	}
}
