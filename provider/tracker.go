package provider

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// A broken watch is followed by a new list after trackFirst, doubling to trackLast.
const (
	trackFirst = 200 * time.Millisecond
	trackLast  = 10 * time.Second
)

// tracker follows all capsules and tells the pods of this node what became of theirs. It only writes entries and wakes
// workers, so that the watch is read as fast as it comes.
type tracker struct{ *pods }

// Run lists and watches until ctx ends.
func (t tracker) Run(ctx context.Context) error {
	delay := trackFirst
	for ctx.Err() == nil {
		began := time.Now()
		if err := t.follow(ctx); err != nil && ctx.Err() == nil {
			t.log.WithError(err).Warn("capsule watch broke, listing again")
		}
		if time.Since(began) > trackLast {
			delay = trackFirst
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		delay = min(2*delay, trackLast)
	}
	return nil
}

// follow makes one list and watches from there until the watch breaks.
func (t tracker) follow(ctx context.Context) error {
	list, revision, err := t.capsules.List(ctx)
	if err != nil {
		return err
	}
	t.listed(ctx, list, revision)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := t.capsules.Watch(ctx, revision)
	if err != nil {
		return err
	}
	for e := range events {
		switch e.Type {
		case zun.Put:
			t.put(ctx, e.Capsule, false)
		case zun.Deleted:
			t.removed(e.Capsule)
		case zun.Broken:
			return e.Err
		}
	}
	return nil
}

// listed takes a whole list over: what is in it, and that what is not in it is gone.
func (t tracker) listed(ctx context.Context, list []*capsule.Capsule, revision int64) {
	present := make(map[types.UID]bool, len(list))
	for _, c := range list {
		present[types.UID(c.UUID)] = true
		t.put(ctx, c, true)
	}
	t.mu.Lock()
	var gone []*entry
	for uid, e := range t.byUID {
		// A capsule newer than the list was created while the list was made.
		if e.capsule != nil && !present[uid] && e.capsule.Revision <= revision && !e.gone {
			e.gone = true
			gone = append(gone, e)
		}
	}
	t.mu.Unlock()
	for _, e := range gone {
		e.nudge()
	}
	select {
	case <-t.synced:
	default:
		close(t.synced)
	}
}

// put takes a capsule's state over. One that has no entry yet is adopted: its worker finds out whether its pod still is.
func (t tracker) put(ctx context.Context, c *capsule.Capsule, fromList bool) {
	id, ours := identityOn(c, t.node)
	if !ours {
		return
	}
	t.ensure(ctx, id, func(e *entry) {
		if e.capsule != nil && e.capsule.Revision > c.Revision {
			return // an answer that overtook the watch
		}
		if e.capsule == nil && fromList {
			e.told = c // it was there before us: its past was told then
			if now := t.inAPI(id); now != nil && len(e.pod.Spec.Containers) == 0 {
				e.pod = now
			}
		}
		e.capsule = c
	})
}

// removed: the record of the capsule is gone.
func (t tracker) removed(c *capsule.Capsule) {
	if c == nil {
		return // a list will tell
	}
	t.update(types.UID(c.UUID), func(e *entry) {
		e.gone = true
		if e.capsule == nil || e.capsule.Revision <= c.Revision {
			e.capsule = c
		}
	})
}

// deletionOf is the deletion that was just asked for, as far as it is known here.
func deletionOf(view *entry) *capsule.Deletion {
	grace := view.capsule.Spec.Grace()
	if view.grace != nil {
		grace = *view.grace
	}
	return &capsule.Deletion{GraceSeconds: grace}
}

// podChanged wakes the worker of a pod that the informer saw change.
func (p *pods) podChanged(obj any) {
	if pod, ok := obj.(*corev1.Pod); ok {
		p.update(pod.UID, func(*entry) {})
	}
}

// podRemoved wakes the worker of a pod whose object is gone, and keeps the grace period that it went with.
func (p *pods) podRemoved(pod *corev1.Pod) {
	p.update(pod.UID, func(e *entry) {
		if pod.DeletionTimestamp != nil {
			e.markDeleting(pod)
		}
	})
}
