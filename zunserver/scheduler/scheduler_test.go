package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// fakeStore keeps capsules and hosts in memory, with watches, and fails when told to.
type fakeStore struct {
	mu       sync.Mutex
	changed  *sync.Cond
	revision int64
	capsules map[string]capsule.Capsule
	hosts    map[string]capsule.Host
	log      []any // store.CapsuleEvent and store.HostEvent, for the watches
	fail     []error
	cut      int // the watches up to this number are to end
	watches  int
	claims   int
}

func newFake() *fakeStore {
	f := &fakeStore{capsules: map[string]capsule.Capsule{}, hosts: map[string]capsule.Host{}}
	f.changed = sync.NewCond(&f.mu)
	return f
}

func (f *fakeStore) failure() error {
	if len(f.fail) == 0 {
		return nil
	}
	err := f.fail[0]
	f.fail = f.fail[1:]
	return err
}

func (f *fakeStore) emit(e any) {
	f.log = append(f.log, e)
	f.changed.Broadcast()
}

func (f *fakeStore) put(c capsule.Capsule) *capsule.Capsule {
	f.revision++
	c.Revision = f.revision
	f.capsules[c.UUID] = c
	f.emit(store.CapsuleEvent{Kind: store.Put, Capsule: new(c), Revision: f.revision})
	return new(c)
}

func (f *fakeStore) create(c *capsule.Capsule) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.UUID = uuid.NewString()
	return f.put(*c).UUID
}

func (f *fakeStore) remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.capsules[id]
	delete(f.capsules, id)
	f.revision++
	f.emit(store.CapsuleEvent{Kind: store.Delete, Capsule: &c, Revision: f.revision})
}

func (f *fakeStore) putHost(h capsule.Host) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revision++
	f.hosts[h.Name] = h
	f.emit(store.HostEvent{Kind: store.Put, Host: h, Revision: f.revision})
}

func (f *fakeStore) removeHost(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revision++
	delete(f.hosts, name)
	f.emit(store.HostEvent{Kind: store.Delete, Host: capsule.Host{Name: name}, Revision: f.revision})
}

func (f *fakeStore) Capsules(context.Context) ([]*capsule.Capsule, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.failure(); err != nil {
		return nil, 0, err
	}
	var list []*capsule.Capsule
	for _, c := range f.capsules {
		list = append(list, &c)
	}
	return list, f.revision, nil
}

func (f *fakeStore) Hosts(context.Context) ([]capsule.Host, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []capsule.Host
	for _, h := range f.hosts {
		list = append(list, h)
	}
	return list, f.revision, f.failure()
}

func (f *fakeStore) ClaimCapsule(_ context.Context, id string, claim capsule.Claim) (*capsule.Capsule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.claims++
	if err := f.failure(); err != nil {
		return nil, err
	}
	c, ok := f.capsules[id]
	if !ok {
		return nil, errdefs.ErrNotFound
	}
	if c.Claim.Host != "" || c.Deletion != nil {
		return nil, errdefs.ErrFailedPrecondition
	}
	c.Claim = claim
	return f.put(c), nil
}

func (f *fakeStore) MarkAway(_ context.Context, id, host string, away *capsule.Away) (*capsule.Capsule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.capsules[id]
	if !ok {
		return nil, errdefs.ErrNotFound
	}
	if c.Claim.Host != host {
		return nil, errdefs.ErrFailedPrecondition
	}
	c.Claim.Away = away
	return f.put(c), nil
}

func (f *fakeStore) RemoveCapsule(_ context.Context, id string) error {
	f.remove(id)
	return nil
}

func (f *fakeStore) WatchCapsules(ctx context.Context, since int64) <-chan store.CapsuleEvent {
	return follow(ctx, f, func(e store.CapsuleEvent) bool { return e.Revision > since },
		store.CapsuleEvent{Kind: store.Error, Err: errors.New("cut")})
}

func (f *fakeStore) WatchHosts(ctx context.Context, since int64) <-chan store.HostEvent {
	return follow(ctx, f, func(e store.HostEvent) bool { return e.Revision > since }, store.HostEvent{Kind: store.Error, Err: errors.New("cut")})
}

func follow[E any](ctx context.Context, f *fakeStore, wanted func(E) bool, cut E) <-chan E {
	out := make(chan E)
	f.mu.Lock()
	f.watches++
	number := f.watches
	f.mu.Unlock()
	context.AfterFunc(ctx, func() { f.mu.Lock(); defer f.mu.Unlock(); f.changed.Broadcast() })
	go func() {
		defer close(out)
		for i := 0; ; i++ {
			f.mu.Lock()
			for i >= len(f.log) && ctx.Err() == nil && number > f.cut {
				f.changed.Wait()
			}
			ended, e := number <= f.cut, any(cut)
			if !ended && i < len(f.log) {
				e = f.log[i]
			}
			f.mu.Unlock()
			if event, ok := e.(E); ok && (ended || wanted(event)) {
				select {
				case out <- event:
				case <-ctx.Done():
				}
			}
			if ended || ctx.Err() != nil {
				return
			}
		}
	}()
	return out
}

// await waits until ok holds for the state of the store.
func (f *fakeStore) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, func() { f.mu.Lock(); defer f.mu.Unlock(); f.changed.Broadcast() })()
	f.mu.Lock()
	defer f.mu.Unlock()
	for !ok() {
		if ctx.Err() != nil {
			for id, c := range f.capsules {
				t.Logf("%s %+v", id, c.Claim)
			}
			t.Fatalf("not in 10 s: %s", what)
		}
		f.changed.Wait()
	}
}

// start runs a scheduler for the time of the test.
func start(t *testing.T, s Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- New(Config{Store: s, AwayAfter: 50 * time.Millisecond}).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestClaims(t *testing.T) {
	f := newFake()
	f.putHost(host("h1"))
	before := f.create(asking("1", ""))
	start(t, f)
	f.await(t, "claim of what was there before", func() bool { return f.capsules[before].Claim.Host == "h1" })
	after := f.create(asking("1", ""))
	f.await(t, "claim of a new one", func() bool { return f.capsules[after].Claim.Host == "h1" && !f.capsules[after].Claim.At.IsZero() })
	// Hosts and capsules come on two streams in no order between them: wait for what shows that the change was seen.
	f.putHost(host("h2"))
	next := f.create(asking("4", ""))
	f.await(t, "claim on the emptier host", func() bool { return f.capsules[next].Claim.Host == "h2" })
	f.removeHost("h2")
	huge := f.create(asking("99", ""))
	f.await(t, "reason without the host that went", func() bool { return strings.HasPrefix(f.capsules[huge].Claim.Reason, "0 of 1 hosts") })
	last := f.create(asking("1", ""))
	f.await(t, "claim after a host went", func() bool { return f.capsules[last].Claim.Host == "h1" })
}

func TestNeverTooMany(t *testing.T) {
	f := newFake()
	f.putHost(host("h1")) // room for four
	start(t, f)
	const n = 20
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { f.create(asking("1", "")) })
	}
	wg.Wait()
	count := func() (claimed, refused int) {
		for _, c := range f.capsules {
			if c.Claim.Host != "" {
				claimed++
			} else if c.Claim.Reason == "0 of 1 hosts fit: 1 too little cpu (h1: needs 1, has 0 free)" {
				refused++
			}
		}
		return claimed, refused
	}
	f.await(t, "four claims and reasons for the others", func() bool { claimed, refused := count(); return claimed == 4 && refused == n-4 })
	for range 3 {
		var victim string
		f.mu.Lock()
		for id, c := range f.capsules {
			if c.Claim.Host != "" {
				victim = id
			}
		}
		left := len(f.capsules) - 1
		f.mu.Unlock()
		f.remove(victim)
		f.await(t, "the room of a removed capsule", func() bool { claimed, refused := count(); return claimed == 4 && refused == left-4 })
	}
}

func TestReasons(t *testing.T) {
	f := newFake()
	start(t, f)
	id := f.create(asking("8", ""))
	f.await(t, "no host", func() bool { return strings.Contains(f.capsules[id].Claim.Reason, "no Docker host") })
	f.putHost(host("h1"))
	f.await(t, "a small host", func() bool { return strings.Contains(f.capsules[id].Claim.Reason, "needs 8, has 4 free") })
	f.mu.Lock()
	claims := f.claims
	f.mu.Unlock()
	for range 5 { // heartbeats
		f.putHost(host("h1"))
	}
	other := f.create(asking("1", "")) // its claim comes after them
	f.await(t, "the other one", func() bool { return f.capsules[other].Claim.Host != "" })
	f.await(t, "the reason that follows from it", func() bool { return strings.Contains(f.capsules[id].Claim.Reason, "has 3 free") })
	f.mu.Lock()
	if n := f.claims - claims; n != 2 {
		t.Errorf("%d writes: the same reason was written again", n)
	}
	f.mu.Unlock()
	big := host("h2")
	big.CPUs = 64
	f.putHost(big)
	f.await(t, "a large host", func() bool { return f.capsules[id].Claim.Host == "h2" && f.capsules[id].Claim.Reason == "" })
}

func TestStoreFails(t *testing.T) {
	f := newFake()
	f.putHost(host("h1"))
	bad := errors.New("the store is away")
	f.fail = []error{bad, nil, bad} // two lists, one of them the hosts'
	start(t, f)
	first := f.create(asking("", ""))
	f.await(t, "claim after failed lists", func() bool { return f.capsules[first].Claim.Host != "" && len(f.fail) == 0 })
	f.mu.Lock()
	f.fail = []error{bad, fmt.Errorf("host h1 takes no new capsules: %w", errdefs.ErrAborted)}
	f.mu.Unlock()
	second := f.create(asking("", ""))
	f.await(t, "claim after failed claims", func() bool { return f.capsules[second].Claim.Host != "" })
	f.mu.Lock()
	f.cut = f.watches
	f.changed.Broadcast()
	f.mu.Unlock()
	third := f.create(asking("", ""))
	f.await(t, "claim after a cut watch", func() bool { return f.capsules[third].Claim.Host != "" })
}

func TestDeletedIsNotPlaced(t *testing.T) {
	f := newFake()
	f.putHost(host("h1"))
	c := asking("", "")
	c.Deletion = &capsule.Deletion{}
	deleted := f.create(c)
	start(t, f)
	other := f.create(asking("", ""))
	f.await(t, "the other one", func() bool { return f.capsules[other].Claim.Host != "" })
	if f.capsules[deleted].Claim.Host != "" || f.claims != 1 {
		t.Errorf("%d claims, %+v", f.claims, f.capsules[deleted])
	}
}

// TestBurst measures the whole way with the real store.
func TestBurst(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{DataDir: t.TempDir(), SealKey: make([]byte, 32), DetectChanges: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // after the scheduler
	l, err := s.AcquireHost(t.Context(), "h1", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	h := host("h1")
	h.CPUs = 100
	if err := l.Put(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	start(t, s)
	const n = 20
	events := s.WatchCapsules(t.Context(), 1)
	began := time.Now()
	errs := make(chan error, n)
	for range n {
		go func() {
			c := asking("1", "")
			c.UUID = uuid.NewString()
			_, err := s.CreateCapsule(t.Context(), c)
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	created := time.Since(began)
	for claimed := 0; claimed < n; {
		e := <-events
		if e.Kind == store.Error {
			t.Fatal(e.Err)
		}
		if e.Kind == store.Put && e.Capsule.Claim.Host != "" {
			claimed++
		}
	}
	all := time.Since(began)
	t.Logf("%d created in %s, claimed in %s", n, created, all)
	if all > 3*time.Second {
		t.Errorf("a burst of %d took %s", n, all)
	}
}
