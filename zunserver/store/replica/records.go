// Package replica keeps a copy of all capsules in memory, and gives all readers of one revision of a record the same memory.
//
//	records.go  the copy: the newest state, in the order of the UUIDs, and how far it is
//	sharing.go  one record for each revision, decoded once
//
// Whoever has the watch is the only writer (package store). Nothing depends on the copy: while it is not there, the store is read.
package replica

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	// patience is how long a list waits for the copy to get as far as the store is.
	patience = time.Second
	// nudgeAfter is how long it waits for an event before it asks how far the watch is: nothing comes of its own when the newest write
	// was of somebody else's key.
	nudgeAfter = 20 * time.Millisecond
)

// Records are the copy. It is safe for concurrent use.
type Records struct {
	shared *sharing

	mu    sync.Mutex
	ready bool
	// list is in the order of the UUIDs. It is replaced, never changed.
	list     []*capsule.Capsule
	revision int64
	moved    chan struct{} // closed when revision or ready changes
	behind   chan struct{}
}

// New is a copy that is not there yet. With detect, which is for tests, a reader who changes a record makes it panic, at the latest in Check.
func New(detect bool) *Records {
	r := &Records{moved: make(chan struct{}), behind: make(chan struct{}, 1)}
	r.shared = newSharing(detect, r.find)
	return r
}

// Set makes list, which is in the order of the UUIDs and nobody's to change any more, the state at the revision.
func (r *Records) Set(list []*capsule.Capsule, revision int64) { r.set(true, list, revision) }

// Lose says that nobody knows the state any more.
func (r *Records) Lose() { r.set(false, nil, 0) }

func (r *Records) set(ready bool, list []*capsule.Capsule, revision int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready, r.list, r.revision = ready, list, revision
	close(r.moved)
	r.moved = make(chan struct{})
}

// Behind has something when somebody waits for more than events have brought.
func (r *Records) Behind() <-chan struct{} { return r.behind }

// At returns the records at a revision that is not before the given one; the slice is nobody's to change. ok is false when the copy is not
// there or does not get so far within a second.
func (r *Records) At(ctx context.Context, revision int64) (list []*capsule.Capsule, is int64, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		r.mu.Lock()
		ready, moved := r.ready, r.moved
		list, is = r.list, r.revision
		r.mu.Unlock()
		if !ready || is >= revision {
			return list, is, ready
		}
		nudge := time.NewTimer(nudgeAfter)
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

// find returns the record as the copy has it; nil: it has none.
func (r *Records) find(uuid string) *capsule.Capsule {
	r.mu.Lock()
	list := r.list
	r.mu.Unlock()
	if i, ok := slices.BinarySearchFunc(list, uuid, byUUID); ok {
		return list[i]
	}
	return nil
}

func byUUID(c *capsule.Capsule, uuid string) int { return strings.Compare(c.UUID, uuid) }

// With is the list after c was written, in a slice of its own.
func (r *Records) With(list []*capsule.Capsule, c *capsule.Capsule) []*capsule.Capsule {
	i, had := slices.BinarySearchFunc(list, c.UUID, byUUID)
	if !had {
		return slices.Concat(list[:i], []*capsule.Capsule{c}, list[i:])
	}
	r.shared.forget(list[i])
	list = slices.Clone(list)
	list[i] = c
	return list
}

// Without is the list after the record was removed, likewise.
func (r *Records) Without(list []*capsule.Capsule, uuid string) []*capsule.Capsule {
	i, had := slices.BinarySearchFunc(list, uuid, byUUID)
	if !had {
		return list
	}
	r.shared.forget(list[i])
	return slices.Concat(list[:i], list[i+1:])
}

// Share returns the one record that all readers of this revision have: what is known of it, or what read returns, which is called once
// for all who ask at the same time. What is the same in the revision before it is the same memory.
func (r *Records) Share(uuid string, revision int64, read func() (*capsule.Capsule, error)) (*capsule.Capsule, error) {
	if c := r.find(uuid); c != nil && c.Revision == revision {
		return c, nil
	}
	return r.shared.get(version{uuid, revision}, read)
}

// Check panics when a record was changed, if that is detected.
func (r *Records) Check() { r.shared.checkAll() }
