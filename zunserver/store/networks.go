package store

import (
	"context"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Networks are the networks of the API, by their UUIDs.
func (s *Store) Networks() *Table[capsule.Network] { return NewTable[capsule.Network](s, "networks") }

// Network returns a network of the API; NotFound when there is none.
func (s *Store) Network(ctx context.Context, uuid string) (capsule.Network, error) {
	r, err := s.Networks().Get(ctx, uuid)
	return r.Value, err
}
