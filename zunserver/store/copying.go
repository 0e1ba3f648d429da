package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// copyAgain is how long a copy that was lost stays lost.
const copyAgain = time.Second

// replicate keeps the copy of the capsules until ctx ends.
func (s *Store) replicate(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.copyAll(ctx)
		s.records.Lose()
		if ctx.Err() == nil {
			s.log.WithError(err).Debug("the copy of the capsules is lost and made anew")
		}
		select {
		case <-ctx.Done():
		case <-time.After(copyAgain):
		}
	}
}

// copyAll reads all capsules and follows their changes until that fails. It watches every key of the store and not only theirs, so
// that any write of it says how far the watch is.
func (s *Store) copyAll(ctx context.Context) error {
	ctx, cancel := context.WithCancel(s.alone(ctx))
	defer cancel()
	list, revision, err := s.readCapsules(ctx)
	if err != nil {
		return err
	}
	s.records.Set(list, revision)
	// Nobody reads the events: it is the feed that knows what a response means.
	f := &feed[struct{}]{since: revision, convert: func(e *clientv3.Event) (struct{}, bool, error) {
		list, err = s.applied(list, e)
		return struct{}{}, false, err
	}}
	in := s.client.Watch(ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithRev(revision+1), clientv3.WithProgressNotify())
	for {
		select {
		case <-s.records.Behind():
			if err := s.client.RequestProgress(ctx); err != nil {
				return fmt.Errorf("ask how far the watch is: %w", classify(ctx, err))
			}
		case resp, ok := <-in:
			if err := f.take(resp, ok); err != nil {
				return err
			}
			s.records.Set(list, f.since)
		}
	}
}

// applied is the list after a change of any key.
func (s *Store) applied(list []*capsule.Capsule, e *clientv3.Event) ([]*capsule.Capsule, error) {
	switch {
	case !strings.HasPrefix(string(e.Kv.Key), s.capsulesPrefix()):
		return list, nil
	case e.Type == clientv3.EventTypeDelete:
		return s.records.Without(list, s.uuidOf(e.Kv.Key)), nil
	}
	c, err := s.decodeCapsule(e.Kv)
	if err != nil {
		return list, err
	}
	return s.records.With(list, c), nil
}
