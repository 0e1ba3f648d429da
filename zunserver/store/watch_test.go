package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// next returns the next event that is no bookmark.
func next[E any](t *testing.T, ch <-chan E, kind func(E) Kind) E {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case e, ok := <-ch:
			if !ok {
				t.Fatal("the watch ended")
			}
			if kind(e) != Bookmark {
				return e
			}
		case <-deadline:
			t.Fatal("no event in 10 s")
		}
	}
}

func nextCapsule(t *testing.T, ch <-chan CapsuleEvent) CapsuleEvent {
	t.Helper()
	return next(t, ch, func(e CapsuleEvent) Kind { return e.Kind })
}

func nextHost(t *testing.T, ch <-chan HostEvent) HostEvent {
	t.Helper()
	return next(t, ch, func(e HostEvent) Kind { return e.Kind })
}

// TestWatchJoinsList has readers list and watch in the middle of concurrent writes: the list and the events after it
// together have to be the final state, with growing revisions and no event of what the list has already.
func TestWatchJoinsList(t *testing.T) {
	s, ctx := shared(t), t.Context()
	const writers, readers, each = 4, 4, 60
	var g, w errgroup.Group
	var final int64
	var truth map[string]int64
	written := make(chan struct{})
	for range writers {
		w.Go(func() error { return writeSome(ctx, s, each) })
	}
	for range readers {
		g.Go(func() error {
			list, revision, err := s.Capsules(ctx)
			if err != nil {
				return err
			}
			seen := map[string]int64{}
			for _, c := range list {
				seen[c.UUID] = c.Revision
			}
			ch := s.WatchCapsules(ctx, revision)
			<-written
			for last := revision; last < final; {
				e, ok := <-ch
				if !ok || e.Kind == Error {
					return fmt.Errorf("the watch ended at %d: %w", last, e.Err)
				}
				if e.Kind != Bookmark && e.Revision <= last {
					return fmt.Errorf("event of revision %d after %d", e.Revision, last)
				}
				last = e.Revision
				switch e.Kind {
				case Put:
					seen[e.Capsule.UUID] = e.Revision
				case Delete:
					if _, ok := seen[e.Capsule.UUID]; !ok || e.Capsule.Spec.Name != "web" {
						return fmt.Errorf("delete of an unknown capsule %v", e.Capsule)
					}
					delete(seen, e.Capsule.UUID)
				}
			}
			if fmt.Sprint(seen) != fmt.Sprint(truth) {
				return fmt.Errorf("the reader since %d has\n%v, the store\n%v", revision, seen, truth)
			}
			return nil
		})
	}
	if err := w.Wait(); err != nil {
		t.Fatal(err)
	}
	// One more write, so that the last revision is an event.
	create(t, s)
	truth = map[string]int64{}
	list, revision, err := s.Capsules(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		truth[c.UUID] = c.Revision
	}
	final = revision
	close(written)
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

func writeSome(ctx context.Context, s *Store, n int) error {
	for i := range n {
		c, err := s.CreateCapsule(ctx, fresh())
		if err != nil {
			return err
		}
		if i%2 == 0 {
			if _, err = s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Host: "h"}); err != nil {
				return err
			}
		}
		if i%3 == 0 {
			if _, err = s.DeleteCapsule(ctx, c.UUID, capsule.Deletion{}); err != nil {
				return err
			}
		}
		if i%6 == 0 {
			if err = s.RemoveCapsule(ctx, c.UUID); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestWatchCompacted(t *testing.T) {
	s, ctx := shared(t), t.Context()
	c := create(t, s)
	claimed(t, s)
	_, revision, err := s.Capsules(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.Compact(ctx, revision); err != nil {
		t.Fatal(err)
	}
	for name, since := range map[string]int64{"compacted": c.Revision - 1, "future": revision + 100, "negative": -1} {
		ch := s.WatchCapsules(ctx, since)
		e := nextCapsule(t, ch)
		if e.Kind != Error || !errdefs.IsOutOfRange(e.Err) {
			t.Errorf("%s: %+v", name, e)
		}
		if _, ok := <-ch; ok {
			t.Errorf("%s: the channel is open after the error", name)
		}
		if e := nextHost(t, s.WatchHosts(ctx, since)); e.Kind != Error || !errdefs.IsOutOfRange(e.Err) {
			t.Errorf("%s: hosts: %+v", name, e)
		}
	}
}

func TestWatchEnds(t *testing.T) {
	s := shared(t)
	ctx, cancel := context.WithCancel(t.Context())
	ch := s.WatchCapsules(ctx, 1)
	cancel()
	for e := range ch {
		if e.Kind == Error {
			t.Errorf("the end of the reader's context is no error: %v", e.Err)
		}
	}
	ch = s.WatchCapsules(t.Context(), 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if e := nextCapsule(t, ch); e.Kind != Error || !errdefs.IsUnavailable(e.Err) {
		t.Errorf("after Close: %+v", e)
	}
	select {
	case <-s.Done():
	case <-time.After(time.Second):
		t.Error("Done is open after Close")
	}
	if err := s.Err(); err != nil {
		t.Errorf("Close is no failure: %v", err)
	}
	if _, err := s.Capsule(t.Context(), fresh().UUID); err == nil || errdefs.IsNotFound(err) {
		t.Errorf("get after Close: %v", err)
	}
}

func TestServerDies(t *testing.T) {
	s := shared(t)
	s.server.Kill()
	<-s.Done()
	if err := s.Err(); !errdefs.IsUnavailable(err) {
		t.Errorf("%v", err)
	}
}

func TestFeed(t *testing.T) {
	type event struct {
		kind     Kind
		revision int64
		err      error
	}
	newFeed := func() *feed[event] {
		return &feed[event]{since: 5,
			convert: func(e *clientv3.Event) (event, bool, error) {
				switch string(e.Kv.Key) {
				case "bad":
					return event{}, false, errors.New("cannot read it")
				case "other":
					return event{}, false, nil
				}
				return event{kind: Put, revision: e.Kv.ModRevision}, true, nil
			},
			bookmark: func(r int64) event { return event{kind: Bookmark, revision: r} },
			fail:     func(err error) event { return event{kind: Error, err: err} },
		}
	}
	put := func(key string, revision int64) *clientv3.Event {
		return &clientv3.Event{Type: clientv3.EventTypePut, Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: revision}}
	}

	t.Run("slow reader", func(t *testing.T) {
		in, out := make(chan clientv3.WatchResponse, 1), make(chan event)
		go newFeed().run(t.Context(), in, out)
		var resp clientv3.WatchResponse
		for i := range maxPending + 1 {
			resp.Events = append(resp.Events, put("k", int64(6+i)))
		}
		in <- resp
		n := 0
		var last event
		for e := range out {
			last = e
			n++
		}
		if n != maxPending+2 || last.kind != Error || !errdefs.IsResourceExhausted(last.err) {
			t.Errorf("%d events, last %+v", n, last)
		}
	})
	t.Run("bad record", func(t *testing.T) {
		in, out := make(chan clientv3.WatchResponse, 1), make(chan event)
		go newFeed().run(t.Context(), in, out)
		in <- clientv3.WatchResponse{Events: []*clientv3.Event{put("k", 6), put("bad", 7), put("k", 8)}}
		if e := <-out; e.revision != 6 {
			t.Errorf("first %+v", e)
		}
		if e := <-out; e.kind != Error {
			t.Errorf("second %+v", e)
		}
		if _, ok := <-out; ok {
			t.Error("open after the error")
		}
	})
	t.Run("bookmark revision", func(t *testing.T) {
		f := newFeed()
		var resp clientv3.WatchResponse
		resp.Header.Revision = 99
		resp.Events = []*clientv3.Event{put("other", 7)}
		if err := f.take(resp, true); err != nil || f.since != 7 {
			t.Errorf("a response with events vouches for %d: %v", f.since, err)
		}
		resp.Events = nil
		if err := f.take(resp, true); err != nil || f.since != 99 {
			t.Errorf("a progress notice vouches for %d: %v", f.since, err)
		}
	})
}

// TestWatchersComeAndGo: readers who end and begin their watches all the time, each where it was, see every revision, and stop nobody.
func TestWatchersComeAndGo(t *testing.T) {
	s := shared(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const readers, writers, each = 100, 8, 50
	var w, g errgroup.Group
	last := fresh()
	seen := make([]int, readers)
	for i := range readers {
		g.Go(func() error {
			since := int64(0)
			for ctx.Err() == nil {
				brief, end := context.WithCancel(ctx)
				n := 0
				for e := range s.WatchCapsules(brief, since) {
					if e.Kind == Error {
						end()
						return e.Err
					}
					if e.Kind == Bookmark {
						continue
					}
					seen[i], since = seen[i]+1, e.Revision
					if n++; n == 50+i {
						end()
					}
					if e.Capsule.UUID == last.UUID {
						end()
						return nil
					}
				}
				end()
			}
			return fmt.Errorf("reader %d waits after %d events: %w", i, seen[i], ctx.Err())
		})
	}
	for range writers {
		w.Go(func() error { return writeSome(ctx, s, each) })
	}
	if err := w.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateCapsule(ctx, last); err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, n := range seen {
		if n != seen[0] {
			t.Errorf("reader %d saw %d events, and the first one %d", i, n, seen[0])
		}
	}
}
