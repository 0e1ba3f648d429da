package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	// replicaPatience is how long a list waits for the copy to get as far as etcd is, before it reads etcd itself.
	replicaPatience = time.Second
	// progressAfter is how long it waits for an event before it asks etcd how far the watch is: nothing comes of its own when the
	// newest write was of somebody else's key.
	progressAfter = 20 * time.Millisecond
	// replicaRetry is how long a copy that was lost stays lost.
	replicaRetry = time.Second
)

// replica is a copy of all capsules in memory, fed by one watch. Nothing depends on it: while it is not there, etcd is read.
type replica struct {
	mu    sync.Mutex
	ready bool
	// records are in the order of their UUIDs. The slice is replaced, never changed.
	records  []*capsule.Capsule
	revision int64
	moved    chan struct{} // closed when revision or ready changes
	behind   chan struct{} // somebody waits for more than events have brought
}

func newReplica() *replica {
	return &replica{moved: make(chan struct{}), behind: make(chan struct{}, 1)}
}

func byUUID(c *capsule.Capsule, uuid string) int { return strings.Compare(c.UUID, uuid) }

// set puts another state in place.
func (r *replica) set(ready bool, records []*capsule.Capsule, revision int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready, r.records, r.revision = ready, records, revision
	close(r.moved)
	r.moved = make(chan struct{})
}

// find returns the record as the copy has it; nil: it has none.
func (r *replica) find(uuid string) *capsule.Capsule {
	r.mu.Lock()
	records := r.records
	r.mu.Unlock()
	if i, ok := slices.BinarySearchFunc(records, uuid, byUUID); ok {
		return records[i]
	}
	return nil
}

// at returns the records at a revision that is not before the given one; ok is false when the copy is not there or does not get so far.
func (r *replica) at(ctx context.Context, revision int64) (records []*capsule.Capsule, is int64, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, replicaPatience)
	defer cancel()
	for {
		r.mu.Lock()
		ready, moved := r.ready, r.moved
		records, is = r.records, r.revision
		r.mu.Unlock()
		if !ready || is >= revision {
			return records, is, ready
		}
		nudge := time.NewTimer(progressAfter)
		select {
		case <-moved:
		case <-nudge.C:
			select {
			case r.behind <- struct{}{}:
			default:
			}
		case <-ctx.Done():
			nudge.Stop()
			return nil, 0, false
		}
		nudge.Stop()
	}
}

// replicate keeps the copy until ctx ends.
func (s *Store) replicate(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.copyAll(ctx)
		s.copy.set(false, nil, 0)
		if ctx.Err() == nil {
			s.log.WithError(err).Debug("the copy of the capsules is lost and made anew")
		}
		select {
		case <-ctx.Done():
		case <-time.After(replicaRetry):
		}
	}
}

// copyAll reads all capsules and follows their changes until that fails. It watches every key of the store and not only theirs, so
// that any write of it says how far the watch is.
func (s *Store) copyAll(ctx context.Context) error {
	ctx, cancel := context.WithCancel(s.alone(ctx))
	defer cancel()
	records, revision, err := s.readCapsules(ctx)
	if err != nil {
		return err
	}
	s.copy.set(true, records, revision)
	// Nobody reads the events: it is the feed that knows what a response means.
	f := &feed[struct{}]{since: revision, convert: func(e *clientv3.Event) (struct{}, bool, error) {
		if !strings.HasPrefix(string(e.Kv.Key), s.capsulesPrefix()) {
			return struct{}{}, false, nil
		}
		records, err = s.applied(records, e)
		return struct{}{}, false, err
	}}
	in := s.client.Watch(ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithRev(revision+1), clientv3.WithProgressNotify())
	for {
		select {
		case <-s.copy.behind:
			if err := s.client.RequestProgress(ctx); err != nil {
				return fmt.Errorf("ask how far the watch is: %w", classify(ctx, err))
			}
		case resp, ok := <-in:
			if err := f.take(resp, ok); err != nil {
				return err
			}
			s.copy.set(true, records, f.since)
		}
	}
}

// applied returns the records after a change, in a slice of its own.
func (s *Store) applied(records []*capsule.Capsule, e *clientv3.Event) ([]*capsule.Capsule, error) {
	i, had := slices.BinarySearchFunc(records, s.uuidOf(e.Kv.Key), byUUID)
	if had {
		s.shared.forget(records[i])
	}
	if e.Type == clientv3.EventTypeDelete {
		if !had {
			return records, nil
		}
		return slices.Concat(records[:i], records[i+1:]), nil
	}
	c, err := s.decodeCapsule(e.Kv)
	if err != nil {
		return nil, err
	}
	if had {
		records = slices.Clone(records)
		records[i] = c
		return records, nil
	}
	return slices.Concat(records[:i], []*capsule.Capsule{c}, records[i:]), nil
}
