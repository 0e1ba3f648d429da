package store

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// CapsuleEvent is one change of a capsule, a bookmark, or the end of a watch.
type CapsuleEvent struct {
	Kind Kind
	// Capsule is the record after a put, and the last one before a delete. If etcd no longer has that, only its UUID is
	// set. It is nil in other events.
	Capsule *capsule.Capsule
	// Revision is that of the change; a bookmark says that everything up to it was sent.
	Revision int64
	// Err is set in an error event only.
	Err error
}

// WatchCapsules sends every change after the revision since, in order and without a gap, until ctx ends; the channel is
// closed then. It is also closed after an error event: the reader lists again (OutOfRange: the history was compacted or
// belongs to another store; ResourceExhausted: the reader was too slow; Unavailable: etcd does not answer). Reading has to
// go on until the channel is closed, or ctx has to end.
func (s *Store) WatchCapsules(ctx context.Context, since int64) <-chan CapsuleEvent {
	fail := func(err error) CapsuleEvent { return CapsuleEvent{Kind: Error, Err: err} }
	if err := s.checkRevision(ctx, since); err != nil {
		return failed(fail(err))
	}
	return watch(ctx, s, s.capsulesPrefix(), clientv3.GetPrefixRangeEnd(s.capsulesPrefix()), &feed[CapsuleEvent]{
		since: since, convert: s.capsuleEvent, fail: fail,
		bookmark: func(r int64) CapsuleEvent { return CapsuleEvent{Kind: Bookmark, Revision: r} },
	})
}

func (s *Store) capsuleEvent(e *clientv3.Event) (CapsuleEvent, bool, error) {
	event := CapsuleEvent{Kind: Put, Revision: e.Kv.ModRevision}
	kv := e.Kv
	if e.Type == clientv3.EventTypeDelete {
		event.Kind = Delete
		if kv = e.PrevKv; kv == nil {
			event.Capsule = &capsule.Capsule{UUID: s.uuidOf(e.Kv.Key), Revision: e.Kv.ModRevision}
			return event, true, nil
		}
	}
	c, err := s.decodeCapsule(kv)
	if err != nil {
		return event, false, err
	}
	if event.Capsule = c; c.Revision != e.Kv.ModRevision {
		last := *c
		last.Revision = e.Kv.ModRevision
		event.Capsule = &last
	}
	return event, true, nil
}
