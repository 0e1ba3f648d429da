// Package bodies shows an agent the records of capsules under the names that they have on its host.
//
// What an agent makes of a capsule is called by the capsule's body ([capsule.Capsule.BodyID]), which is its UUID until an upgrade
// gives it another one. So an agent knows capsules by their bodies only: one body is one worker, one set of containers and
// directories, from its creation to its removal, whichever record it belongs to. When an upgrade exchanges the bodies of two
// records (store.FinishUpgrade), the worker of each goes on with the other's record and notices nothing but what is new in it: the
// former body's has a deletion now.
//
// A write of facts says whose body was seen, so that one which crosses the exchange is refused and not written to the
// wrong record.
package bodies

import (
	"context"
	"fmt"
	"sync"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/agent"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// Records is the store, see there.
type Records interface {
	agent.Store
	UpdateFactsOf(ctx context.Context, uuid, body, host string, update func(*capsule.Facts)) (*capsule.Capsule, error)
}

// Store is the store as one agent sees it. It is safe for concurrent use.
type Store struct {
	Records
	mu sync.Mutex
	// records has the UUIDs of the records by body, and bodies the other way, where they are not the same.
	records, bodies map[string]string
}

// Of makes the view of one agent.
func Of(r Records) *Store {
	return &Store{Records: r, records: map[string]string{}, bodies: map[string]string{}}
}

// learn remembers whose body it is and returns the record by the name of the body.
func (s *Store) learn(c *capsule.Capsule) *capsule.Capsule {
	s.mu.Lock()
	defer s.mu.Unlock()
	if had, ok := s.bodies[c.UUID]; ok && had != c.BodyID() {
		delete(s.bodies, c.UUID)
		if s.records[had] == c.UUID {
			delete(s.records, had)
		}
	}
	if c.BodyID() != c.UUID {
		s.records[c.BodyID()], s.bodies[c.UUID] = c.UUID, c.BodyID()
	}
	return c.Embodied()
}

// forget takes in that a record is gone, and returns the name of its body.
func (s *Store) forget(c *capsule.Capsule) *capsule.Capsule {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok := s.bodies[c.UUID]
	if !ok {
		return c.Embodied()
	}
	delete(s.bodies, c.UUID)
	if s.records[body] == c.UUID {
		delete(s.records, body)
	}
	twin := *c
	twin.UUID, twin.Body = body, ""
	return &twin
}

// record is the UUID of the record that has the body.
func (s *Store) record(body string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if uuid, ok := s.records[body]; ok {
		return uuid
	}
	return body
}

// Capsules lists all records by their bodies.
func (s *Store) Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error) {
	all, revision, err := s.Records.Capsules(ctx)
	if err != nil {
		return nil, 0, err
	}
	embodied := make([]*capsule.Capsule, len(all))
	for i, c := range all {
		embodied[i] = s.learn(c)
	}
	return embodied, revision, nil
}

// Capsule returns the record that has the body; NotFound when none has.
func (s *Store) Capsule(ctx context.Context, body string) (*capsule.Capsule, error) {
	for _, uuid := range []string{s.record(body), body} {
		if c, err := s.Records.Capsule(ctx, uuid); err == nil && c.BodyID() == body {
			return c.Embodied(), nil
		} else if err != nil && !errdefs.IsNotFound(err) {
			return nil, err
		}
	}
	all, _, err := s.Records.Capsules(ctx) // what is known here may be late
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.BodyID() == body {
			return c.Embodied(), nil
		}
	}
	return nil, fmt.Errorf("find the capsule with the body %.64q: %w", body, errdefs.ErrNotFound)
}

// WatchCapsules is a watch in which records are called by their bodies.
func (s *Store) WatchCapsules(ctx context.Context, since int64) <-chan store.CapsuleEvent {
	in, out := s.Records.WatchCapsules(ctx, since), make(chan store.CapsuleEvent)
	go func() {
		defer close(out)
		for e := range in {
			switch {
			case e.Capsule == nil:
			case e.Kind == store.Put:
				e.Capsule = s.learn(e.Capsule)
			case e.Kind == store.Delete:
				e.Capsule = s.forget(e.Capsule)
			}
			select {
			case out <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// UpdateFacts changes the facts of the record that has the body; FailedPrecondition when another one has it by now.
func (s *Store) UpdateFacts(ctx context.Context, body, host string, update func(*capsule.Facts)) (*capsule.Capsule, error) {
	c, err := s.UpdateFactsOf(ctx, s.record(body), body, host, update)
	if err != nil {
		return nil, err
	}
	return c.Embodied(), nil
}

// RemoveCapsule ends the record that has the body. FailedPrecondition when another one has it by now.
func (s *Store) RemoveCapsule(ctx context.Context, body string) error {
	uuid := s.record(body)
	c, err := s.Records.Capsule(ctx, uuid)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err == nil && c.BodyID() != body {
		err = fmt.Errorf("remove capsule %s: its body is %s, not %s: %w", uuid, c.BodyID(), body, errdefs.ErrFailedPrecondition)
	}
	if err != nil {
		return err
	}
	return s.Records.RemoveCapsule(ctx, uuid)
}
