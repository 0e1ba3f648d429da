package notify_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/notify"
	"github.com/capsulet/capsulet/zunserver/store"
)

const patience = 20 * time.Second

// history is a store that keeps every change.
type history struct {
	mu        sync.Mutex
	grown     chan struct{} // closed by the next change
	events    []store.CapsuleEvent
	compacted int64
	marks     map[string]notify.Mark
}

func newHistory() *history {
	return &history{grown: make(chan struct{}), marks: map[string]notify.Mark{}}
}

func (h *history) add(e store.CapsuleEvent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.Revision = int64(len(h.events)) + 1
	twin := *e.Capsule
	twin.Revision = e.Revision
	e.Capsule = &twin
	h.events = append(h.events, e)
	close(h.grown)
	h.grown = make(chan struct{})
}

func (h *history) put(c *capsule.Capsule) { h.add(store.CapsuleEvent{Kind: store.Put, Capsule: c}) }
func (h *history) delete(c *capsule.Capsule) {
	h.add(store.CapsuleEvent{Kind: store.Delete, Capsule: c})
}

func (h *history) Capsules(context.Context) (list []*capsule.Capsule, revision int64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]*capsule.Capsule{}
	for _, e := range h.events {
		all[e.Capsule.UUID] = e.Capsule
		if e.Kind == store.Delete {
			delete(all, e.Capsule.UUID)
		}
	}
	return slices.Collect(maps.Values(all)), int64(len(h.events)), nil
}

func (h *history) WatchCapsules(ctx context.Context, since int64) <-chan store.CapsuleEvent {
	out := make(chan store.CapsuleEvent)
	go func() {
		defer close(out)
		for {
			h.mu.Lock()
			grown, next := h.grown, store.CapsuleEvent{}
			if since < h.compacted {
				next = store.CapsuleEvent{Kind: store.Error, Err: errdefs.ErrOutOfRange}
			} else if since < int64(len(h.events)) {
				next = h.events[since]
			}
			h.mu.Unlock()
			if next.Kind == "" {
				select {
				case <-grown:
				case <-ctx.Done():
					return
				}
				continue
			}
			select {
			case out <- next:
				since = next.Revision
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// marks are the table.
type marks struct{ *history }

func (m marks) List(_ context.Context, prefix string) (list []store.Record[notify.Mark], err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, value := range m.marks {
		if strings.HasPrefix(key, prefix) {
			list = append(list, store.Record[notify.Mark]{Key: key, Value: value})
		}
	}
	return list, nil
}

func (m marks) Change(_ context.Context, key string, change func(*notify.Mark, bool) error) (r store.Record[notify.Mark], err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.marks[key]
	err = change(&value, ok)
	m.marks[key] = value
	return r, err
}

func (m marks) Remove(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.marks, key)
	return nil
}

type lead chan struct{}

func (l lead) Done() <-chan struct{}         { return l }
func (l lead) Release(context.Context) error { return nil }

// run tells the receiver until stop.
func (h *history) run(t *testing.T, targets ...notify.Target) (stop func()) {
	t.Helper()
	n, err := notify.New(notify.Config{Store: h, Marks: marks{h}, Targets: targets, Publisher: "capsulet:test", FirstPause: time.Millisecond,
		Lead: func(context.Context) (notify.Lead, error) { return make(lead), nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = n.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// begun waits until a new target knows what was there before.
func (h *history) begun(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		n := 0
		for key, m := range h.marks {
			if strings.HasSuffix(key, "/cursor") && m.Revision > 0 {
				n++
			}
		}
		h.mu.Unlock()
		if n > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it never begins")
		}
	}
}

func record(uuid string, change ...func(*capsule.Capsule)) *capsule.Capsule {
	c := &capsule.Capsule{UUID: uuid, Project: "p", CreatedAt: time.Unix(1, 0), Spec: capsule.Spec{Name: "web", RestartPolicy: capsule.RestartAlways,
		Containers: []capsule.ContainerSpec{{Name: "c", UUID: "u", Env: []capsule.EnvVar{{Name: "S", Value: "top secret"}}}}}}
	for _, f := range change {
		f(c)
	}
	return c
}

func scheduled(c *capsule.Capsule) { c.Claim.Host = "h1" }
func attempt(n int) func(*capsule.Capsule) {
	return func(c *capsule.Capsule) {
		f := capsule.ContainerFacts{Name: "c", Run: &capsule.Run{ID: fmt.Sprint(n), Attempt: n, StartedAt: time.Unix(int64(10*n+10), 0)}}
		if n > 0 {
			f.Last = &capsule.Run{ID: fmt.Sprint(n - 1), Attempt: n - 1, StartedAt: time.Unix(int64(10*n), 0), FinishedAt: time.Unix(int64(10*n+5), 0), ExitCode: 3}
		}
		c.Facts.Sandbox.Ready, c.Facts.Containers = true, []capsule.ContainerFacts{f}
	}
}
func dying(c *capsule.Capsule) { c.Deletion = &capsule.Deletion{At: time.Unix(9, 0)} }

// life is what a capsule goes through, and what is told of it.
func (h *history) life(uuid string) {
	h.put(record(uuid))
	h.put(record(uuid, scheduled))
	h.put(record(uuid, scheduled, attempt(0)))
	h.put(record(uuid, scheduled, attempt(0))) // nothing new
	h.put(record(uuid, scheduled, attempt(1)))
	h.put(record(uuid, scheduled, attempt(1), func(c *capsule.Capsule) { c.Spec.Labels = map[string]string{"a": "b"} }))
	h.put(record(uuid, scheduled, attempt(1), dying))
	h.delete(record(uuid, scheduled, attempt(1), dying))
}

const wholeLife = "capsule.create.end capsule.schedule.end capsule.container_start.end capsule.start.end capsule.container_die.end " +
	"capsule.container_start.end capsule.update.end capsule.delete.start capsule.delete.end"

func TestLife(t *testing.T) {
	h, r := newHistory(), newReceiver(t)
	h.put(record("before"))
	h.run(t, r.target())
	h.begun(t)
	h.life("A")
	got := r.last("capsule.delete.end")
	// The spec was changed back by the record of the deletion, as it were.
	if want := strings.Replace(wholeLife, "update.end", "update.end capsule.update.end", 1); types(got) != want {
		t.Errorf("%s, want\n%s", types(got), want)
	}
	die := got[4].Payload.Data
	if die.Container == nil || die.Container.Name != "c" || die.Container.ExitCode == nil || *die.Container.ExitCode != 3 || die.Host != "h1" || die.UUID != "A" {
		t.Errorf("%+v", die)
	}
	if p := got[0].Payload; p.Version != "1.0" || p.Name != "CapsulePayload" || got[0].PublisherID != "capsulet:test" || got[0].Priority != "INFO" {
		t.Errorf("%+v", got[0])
	}
	ids := map[string]bool{}
	for _, m := range got {
		ids[m.MessageID] = true
	}
	if len(ids) != len(got) {
		t.Errorf("%d IDs for %d events", len(ids), len(got))
	}
}

// A receiver that fails and a server that dies at any moment: everything is told, in order, and what is told twice has the same
// ID.
func TestNothingIsLost(t *testing.T) {
	h, r := newHistory(), newReceiver(t)
	h.put(record("before"))
	stop := h.run(t, r.target())
	h.begun(t)
	var ids []string
	r.answer = func(try int) int {
		if try%3 != 2 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}
	h.life("A")
	h.life("B")
	all := func(got []notify.Message) bool {
		return len(got) > 0 && got[len(got)-1].EventType == "capsule.delete.end" && got[len(got)-1].Payload.Data.UUID == "B"
	}
	for next := 7; ; { // a new process after every few tries
		r.until("another try", func(got []notify.Message, tries int) bool { return tries >= next || all(got) })
		stop()
		r.mu.Lock()
		got := slices.Clone(r.got)
		next = r.tries + 7
		r.mu.Unlock()
		if all(got) {
			for _, m := range got {
				if !slices.Contains(ids, m.MessageID) {
					ids = append(ids, m.MessageID)
				}
			}
			break
		}
		stop = h.run(t, r.target())
	}
	if want := 2 * (len(strings.Fields(wholeLife)) + 1); len(ids) != want {
		t.Errorf("%d events, want %d", len(ids), want)
	}
	seen, order := map[string]bool{}, []int64{}
	for _, m := range r.got {
		if !seen[m.MessageID] {
			order = append(order, m.Payload.Data.Revision)
		}
		seen[m.MessageID] = true
	}
	if !slices.IsSorted(order) {
		t.Errorf("the order was %v", order)
	}
}

// What was compacted cannot be told; what is different can.
func TestResync(t *testing.T) {
	h, r := newHistory(), newReceiver(t)
	h.put(record("A", scheduled))
	h.put(record("B"))
	stop := h.run(t, r.target())
	h.begun(t)
	stop()
	h.delete(record("B"))
	h.put(record("A", scheduled, attempt(0)))
	h.put(record("C"))
	h.mu.Lock()
	h.compacted = 4
	h.mu.Unlock()
	h.run(t, r.target())
	got := r.until("four", func(got []notify.Message, _ int) bool { return len(got) == 5 })
	list := strings.Fields(types(got))
	slices.Sort(list[1:])
	if want := "[notification.resync capsule.container_start.end capsule.create.end capsule.delete.end capsule.start.end]"; fmt.Sprint(list) != want {
		t.Errorf("%v", list)
	}
}

// Each target gets what it asks for, and one that is down holds up nobody else; an event that is refused is not repeated.
func TestTargets(t *testing.T) {
	h, down, all, few := newHistory(), newReceiver(t), newReceiver(t), newReceiver(t)
	h.put(record("before"))
	down.answer = func(int) int { return http.StatusBadGateway }
	few.answer = func(try int) int {
		if try == 0 {
			return http.StatusUnprocessableEntity
		}
		return http.StatusOK
	}
	some := few.target()
	some.Events = []string{"capsule.delete.*", "container.*"}
	h.run(t, down.target(), all.target(), some)
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		n := 0
		for key := range h.marks {
			if strings.HasSuffix(key, "/cursor") {
				n++
			}
		}
		h.mu.Unlock()
		if n == 3 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("they never begin")
		}
	}
	h.life("A")
	all.last("capsule.delete.end")
	if got := few.last("capsule.delete.end"); types(got) != "capsule.delete.end" {
		t.Errorf("%s", types(got))
	}
	down.until("a second try", func(_ []notify.Message, tries int) bool { return tries > 1 })
}

func TestTargetsThatCannotBe(t *testing.T) {
	for _, target := range []notify.Target{
		{URL: "http://hooks.example/x"}, {URL: "ftp://127.0.0.1"}, {URL: "https://"}, {URL: "%"}, {URL: "http://127.0.0.1.example"},
		{URL: "https://hooks.example", Events: []string{"["}},
	} {
		if _, err := notify.New(notify.Config{Targets: []notify.Target{target}}); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%s: %v", target.URL, err)
		}
	}
	if text := fmt.Sprint(notify.Target{URL: "https://hooks.example/token", Secret: []byte("s3cret")}); text != "https://hooks.example" {
		t.Error(text)
	}
}
