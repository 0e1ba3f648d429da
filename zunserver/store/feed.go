package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"
)

const (
	// bookmarkInterval is how often a watch says how far it is.
	bookmarkInterval = 10 * time.Second
	// maxPending is how many events a reader may be behind before it is cut.
	maxPending = 4096
)

// Kind says what an event of a watch is.
type Kind string

// The kinds of events. A watch sends at most one error event, as its last.
const (
	Put      Kind = "put"
	Delete   Kind = "delete"
	Bookmark Kind = "bookmark"
	Error    Kind = "error"
)

// feed turns the responses of an etcd watch into events and keeps what its reader has not taken yet.
type feed[E any] struct {
	// since is the revision up to which the reader knows everything.
	since int64
	// convert makes the event; ok is false when the change does not concern the reader.
	convert  func(*clientv3.Event) (event E, ok bool, err error)
	bookmark func(revision int64) E
	fail     func(error) E

	pending []E
	ended   bool
}

// run moves events from in to out until the feed ends or ctx does, and closes out.
func (f *feed[E]) run(ctx context.Context, in clientv3.WatchChan, out chan<- E) {
	defer close(out)
	tick := time.NewTicker(bookmarkInterval)
	defer tick.Stop()
	for !f.ended || len(f.pending) > 0 {
		var send chan<- E
		var next E
		if len(f.pending) > 0 {
			send, next = out, f.pending[0]
		}
		if f.ended {
			in = nil
		}
		select {
		case <-ctx.Done():
			return
		case send <- next:
			var taken E
			f.pending[0], f.pending = taken, f.pending[1:] // the array behind it keeps no record alive
		case <-tick.C:
			if len(f.pending) == 0 {
				f.pending = append(f.pending, f.bookmark(f.since))
			}
		case resp, ok := <-in:
			err := f.take(resp, ok)
			if err != nil && ctx.Err() != nil {
				return // etcd saw the reader go before we did
			}
			if err != nil {
				f.pending, f.ended = append(f.pending, f.fail(err)), true
			}
		}
	}
}

// take appends the events of one response to the pending ones; an error ends the feed.
func (f *feed[E]) take(resp clientv3.WatchResponse, ok bool) error {
	switch {
	case !ok:
		return fmt.Errorf("watch: the store was closed: %w", errdefs.ErrUnavailable)
	case resp.CompactRevision != 0:
		return fmt.Errorf("watch: the changes before revision %d were compacted, list again: %w", resp.CompactRevision, errdefs.ErrOutOfRange)
	case resp.Err() != nil:
		return fmt.Errorf("watch: etcd ended it: %w: %w", errdefs.ErrUnavailable, resp.Err())
	}
	// Only a progress notice vouches for its revision; that of a response with events may be ahead of later events.
	if resp.IsProgressNotify() {
		f.since = max(f.since, resp.Header.Revision)
	}
	for _, e := range resp.Events {
		f.since = max(f.since, e.Kv.ModRevision)
		event, ok, err := f.convert(e)
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		if ok {
			f.pending = append(f.pending, event)
		}
	}
	if len(f.pending) > maxPending {
		return fmt.Errorf("watch: the reader is %d events behind and was cut, list again: %w", len(f.pending), errdefs.ErrResourceExhausted)
	}
	return nil
}

// watch starts an etcd watch of [from, end) after revision since and feeds it to the returned channel. Its goroutine ends
// with ctx, or when the reader took the last event.
func watch[E any](ctx context.Context, s *Store, from, end string, f *feed[E]) <-chan E {
	out := make(chan E)
	ctx, cancel := context.WithCancel(ctx)
	in := s.client.Watch(s.alone(ctx), from, clientv3.WithRange(end), clientv3.WithRev(f.since+1),
		clientv3.WithPrevKV(), clientv3.WithProgressNotify())
	go func() {
		defer cancel()
		f.run(ctx, in, out)
	}()
	return out
}

// alone makes the watch of a context have a stream of its own. etcd's client puts all watches of one kind of context on one stream,
// and there, with the embedded member, they can stop each other for good: while the client sends the end or the beginning of one, it
// does not receive the events of the others, and the member, whose events are not received, does not take what the client sends.
func (s *Store) alone(ctx context.Context) context.Context {
	// A member without a leader would be silent for ever.
	return metadata.AppendToOutgoingContext(clientv3.WithRequireLeader(ctx), "capsulet-watch", strconv.FormatInt(s.watches.Add(1), 10))
}

// failed is a watch that could not start.
func failed[E any](event E) <-chan E {
	out := make(chan E, 1)
	out <- event
	close(out)
	return out
}

// checkRevision refuses a revision that this store never had: etcd would wait until it does.
func (s *Store) checkRevision(ctx context.Context, since int64) error {
	newest, err := s.newest(ctx)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	if since > newest || since < 0 {
		return fmt.Errorf("watch: there was no revision %d, the newest is %d, list again: %w", since, newest, errdefs.ErrOutOfRange)
	}
	return nil
}

// newest is the revision of the newest write of any key, at a time after this was called.
func (s *Store) newest(ctx context.Context) (int64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := s.client.Get(ctx, s.prefix, clientv3.WithCountOnly())
	if err != nil {
		return 0, classify(ctx, err)
	}
	return resp.Header.Revision, nil
}
