package store

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// CapsuleOfContainer returns the record that has the container with this UUID: the capsule or the sandbox that it is in, or
// the record of its own. NotFound.
func (s *Store) CapsuleOfContainer(ctx context.Context, uuid string) (*capsule.Capsule, error) {
	all, _, err := s.Capsules(ctx)
	if err != nil {
		return nil, fmt.Errorf("find container %.64q: %w", uuid, err)
	}
	for _, c := range all {
		if c.Kind == capsule.KindSuccessor { // its containers are, or were, those of its capsule
			continue
		}
		for _, list := range [][]capsule.ContainerSpec{c.Spec.InitContainers, c.Spec.Containers, c.Spec.EphemeralContainers} {
			for i := range list {
				if uuid != "" && list[i].UUID == uuid {
					return c, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("find container %.64q: %w", uuid, errdefs.ErrNotFound)
}

// CapsulesNamed returns the records with this name, of all projects and kinds, in the order of their UUIDs.
func (s *Store) CapsulesNamed(ctx context.Context, name string) ([]*capsule.Capsule, error) {
	all, _, err := s.Capsules(ctx)
	if err != nil {
		return nil, fmt.Errorf("find capsule %.255q: %w", name, err)
	}
	var found []*capsule.Capsule
	for _, c := range all {
		if c.Spec.Name == name && c.Kind != capsule.KindSuccessor {
			found = append(found, c)
		}
	}
	return found, nil
}
