package provider

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/provider/kubelet"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// fakeCapsules is a capsule API in a map, with no more to reach into containers than what it implements. Setting down makes everything Unavailable and breaks the watches.
type fakeCapsules struct {
	mu       sync.Mutex
	capsules map[string]*capsule.Capsule
	hosts    []capsule.Host
	revision int64
	down     bool
	creates  int
	updates  int
	log      []zun.Event
	changed  chan struct{} // closed and replaced with every change
	kubelet.Containers
}

// Logs says of which capsule, attempt and container it is.
func (f *fakeCapsules) Logs(_ context.Context, uuid, container string, previous bool, _ capsule.LogOptions) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(fmt.Sprint(uuid, " ", container, " ", previous))), nil
}

// Stats are of every capsule.
func (f *fakeCapsules) Stats(context.Context) (report capsule.StatsReport, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for uuid := range f.capsules {
		report.Capsules = append(report.Capsules, capsule.Stats{UUID: uuid})
	}
	return report, nil
}

func newFakeCapsules() *fakeCapsules {
	return &fakeCapsules{capsules: map[string]*capsule.Capsule{}, changed: make(chan struct{}),
		hosts: []capsule.Host{{UUID: "h", Name: "h1", Up: true, CPUs: 4, MemoryBytes: 8 << 30, Architecture: "amd64",
			OSType: "linux", OS: "Debian", EngineName: "docker", EngineVersion: "20.10.24"}}}
}

var errDown = fmt.Errorf("connection refused: %w", errdefs.ErrUnavailable)

func (f *fakeCapsules) emit(kind zun.EventType, c *capsule.Capsule) {
	f.revision++
	stored := *c
	stored.Revision = f.revision
	if kind == zun.Put {
		f.capsules[c.UUID] = &stored
	} else {
		delete(f.capsules, c.UUID)
	}
	f.log = append(f.log, zun.Event{Type: kind, Revision: f.revision, Capsule: &stored})
	f.wake()
}

func (f *fakeCapsules) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeCapsules) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
	f.wake()
}

// facts changes the facts of a capsule as its agent would.
func (f *fakeCapsules) facts(uuid string, change func(*capsule.Capsule)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := *f.capsules[uuid]
	c.Facts.Containers = slices.Clone(c.Facts.Containers)
	change(&c)
	f.emit(zun.Put, &c)
}

// remove takes a record away as its agent would at the end.
func (f *fakeCapsules) remove(uuid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.emit(zun.Deleted, f.capsules[uuid])
}

func (f *fakeCapsules) get(uuid string) *capsule.Capsule {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.capsules[uuid]
}

func (f *fakeCapsules) Create(_ context.Context, spec capsule.Spec, uid string) (*capsule.Capsule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errDown
	}
	if _, ok := f.capsules[uid]; ok {
		return nil, fmt.Errorf("capsule %s: %w", uid, errdefs.ErrAlreadyExists)
	}
	f.creates++
	f.emit(zun.Put, &capsule.Capsule{UUID: uid, Spec: spec, Claim: capsule.Claim{Host: "h1"}})
	return f.capsules[uid], nil
}

func (f *fakeCapsules) Update(_ context.Context, uuid string, spec capsule.Spec) (*capsule.Capsule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errDown
	}
	c, ok := f.capsules[uuid]
	if !ok {
		return nil, fmt.Errorf("capsule %s: %w", uuid, errdefs.ErrNotFound)
	}
	frozen, err := c.Spec.Frozen(&spec, true)
	if err != nil {
		return nil, fmt.Errorf("compare with capsule %s: %w", uuid, err)
	}
	if len(frozen) > 0 {
		return nil, fmt.Errorf("%q cannot be changed: %w", frozen, errdefs.ErrInvalidArgument)
	}
	twin := *c
	twin.Spec = spec
	f.updates++
	f.emit(zun.Put, &twin)
	return f.capsules[uuid], nil
}

func (f *fakeCapsules) Get(_ context.Context, uuid string) (*capsule.Capsule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.capsules[uuid]; ok && !f.down {
		return c, nil
	}
	return nil, fmt.Errorf("capsule %s: %w", uuid, errdefs.ErrNotFound)
}

func (f *fakeCapsules) List(context.Context) ([]*capsule.Capsule, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, 0, errDown
	}
	return slices.Collect(maps.Values(f.capsules)), f.revision, nil
}

func (f *fakeCapsules) Delete(_ context.Context, uuid string, grace *int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.capsules[uuid]
	switch {
	case f.down:
		return errDown
	case !ok:
		return fmt.Errorf("capsule %s: %w", uuid, errdefs.ErrNotFound)
	case c.Deletion != nil:
		return nil
	}
	marked := *c
	marked.Deletion = &capsule.Deletion{At: time.Now(), GraceSeconds: marked.Spec.Grace()}
	if grace != nil {
		marked.Deletion.GraceSeconds = *grace
	}
	f.emit(zun.Put, &marked)
	return nil
}

func (f *fakeCapsules) Watch(ctx context.Context, since int64) (<-chan zun.Event, error) {
	events := make(chan zun.Event)
	go func() {
		defer close(events)
		for {
			f.mu.Lock()
			next := slices.IndexFunc(f.log, func(e zun.Event) bool { return e.Revision > since })
			e, changed := zun.Event{Type: zun.Broken, Err: errDown}, f.changed
			if next >= 0 && !f.down {
				e = f.log[next]
			}
			idle := next < 0 && !f.down
			f.mu.Unlock()
			if idle {
				select {
				case <-changed:
					continue
				case <-ctx.Done():
					return
				}
			}
			select {
			case events <- e:
			case <-ctx.Done():
				return
			}
			if e.Type == zun.Broken {
				return
			}
			since = e.Revision
		}
	}()
	return events, nil
}

func (f *fakeCapsules) Hosts(context.Context) ([]capsule.Host, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errDown
	}
	return slices.Clone(f.hosts), nil
}
