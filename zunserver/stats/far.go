package stats

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/inside"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

const (
	// roundEvery is how often everything is read, at most; what is asked for sooner is as it was then.
	roundEvery = 10 * time.Second
	// readers is how many readings are taken at a time. Engines before 28 take them from one collector that ticks once a
	// second, whoever waits for it: so many a second.
	readers = 16
	// freshFor is how long those who ask wait for a round when there is an older reading, and staleAfter when that is none.
	freshFor, staleAfter = 2 * time.Second, 2 * time.Minute
	// readTimeout bounds a question to the engine.
	readTimeout = 5 * time.Second
)

// FarHost is what [Far] asks of a host.
type FarHost interface {
	runtime.Containers
	runtime.Streams
	runtime.Statistics
}

// Far asks the engine of a host whose kernel is not this process' own. One round reads every container of ours, for all who
// ask; nobody asking, nothing is read. A round takes as long as it takes: those who ask get what the last one read, with the
// moment when that was, as a kubelet's cAdvisor gives it. Make it with NewFar. It is safe for concurrent use.
type Far struct {
	host FarHost

	mu    sync.Mutex
	of    map[string]reading // by container
	round *round             // the last one, which may go on; nil before the first
	news  chan struct{}      // closed and made anew with each reading

	asking sync.Mutex // held by the one who reads the host; the others wait and find it read
	all    capsule.HostStats
	ticks  uint64 // the last reading of the CPU time that all counts up
}

type reading struct {
	usage    capsule.Usage
	networks []capsule.Interface
	err      error // in place of both
	at       time.Time
}

// round is one reading of everything.
type round struct {
	began time.Time
	over  bool
	err   error // nothing could be read
}

// NewFar returns the meter of a far host.
func NewFar(host FarHost) *Far {
	return &Far{host: host, of: map[string]reading{}, news: make(chan struct{})}
}

// Container returns what a container uses, as of the last round. NotFound: there was none such.
func (f *Far) Container(id string, _ int) (capsule.Usage, error) {
	r, err := f.read(id)
	return r.usage, err
}

// Sandbox is Container of a sandbox.
func (f *Far) Sandbox(id string, pid int) (capsule.Usage, error) { return f.Container(id, pid) }

// Network returns the interfaces of a sandbox.
func (f *Far) Network(id string, _ int) ([]capsule.Interface, error) {
	r, err := f.read(id)
	return r.networks, err
}

// read waits for a reading of this round, for as long as there is none at all or freshFor.
func (f *Far) read(id string) (reading, error) {
	for {
		f.mu.Lock()
		now := time.Now()
		if f.round == nil || f.round.over && now.Sub(f.round.began) >= roundEvery {
			f.round = &round{began: now}
			go f.readAll(f.round)
		}
		of, news := *f.round, f.news
		r, have := f.of[id]
		f.mu.Unlock()
		have = have && now.Sub(r.at) < staleAfter
		left := of.began.Add(freshFor).Sub(now)
		switch {
		case have && (!r.at.Before(of.began) || of.over || left <= 0):
			return r, r.err
		case of.over && of.err != nil:
			return r, of.err
		case of.over:
			r = f.take(id) // it was started since
			return r, r.err
		}
		late := make(<-chan time.Time) // never
		if have {
			late = time.After(left)
		}
		select {
		case <-news:
		case <-late:
		}
	}
}

// within is the context of a question to the engine: nobody's own, because all who wait get the answer.
func within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d) //nolint:forbidigo // no caller's end is the reading's
}

// readAll is one round. A container that cannot be read keeps its last reading and costs nobody else his.
func (f *Far) readAll(r *round) {
	list, err := f.list()
	var g errgroup.Group
	g.SetLimit(readers)
	there := map[string]bool{}
	for _, c := range list {
		if c.State == capsule.StateRunning {
			there[c.ID] = true
			g.Go(func() error { f.take(c.ID); return nil })
		}
	}
	_ = g.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	r.over, r.err = true, err
	for id, old := range f.of {
		if err == nil && !there[id] && old.at.Before(r.began) { // it has ended
			delete(f.of, id)
		}
	}
	f.tell()
}

func (f *Far) list() ([]runtime.Container, error) {
	ctx, cancel := within(readTimeout)
	defer cancel()
	list, err := f.host.List(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list what to read: %w", err)
	}
	return list, nil
}

// tell wakes all who wait; f.mu is held.
func (f *Far) tell() {
	close(f.news)
	f.news = make(chan struct{})
}

// take reads one container and keeps what it read, or else what it has.
func (f *Far) take(id string) (r reading) {
	ctx, cancel := within(readTimeout)
	defer cancel()
	r.usage, r.networks, r.err = f.host.Stats(ctx, id)
	r.at = time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if old, have := f.of[id]; r.err == nil || !have || old.err != nil || r.at.Sub(old.at) >= staleAfter {
		f.of[id] = r
	}
	f.tell()
	return r
}

// Host returns what the whole host uses, which a program in any sandbox of it sees: as it was when last one ran there. Its CPU
// time is counted from the first reading on, so that a sum over hosts does not leap when one more can be read.
// NotImplemented: there was none yet.
func (f *Far) Host() (capsule.HostStats, error) {
	f.asking.Lock()
	defer f.asking.Unlock()
	if time.Since(f.all.At) < roundEvery {
		return f.all, nil
	}
	h, err := f.readHost()
	if err != nil {
		if f.all.At.IsZero() {
			return h, err
		}
		return f.all, nil //nolint:nilerr // what is known has its time with it
	}
	ticks := h.CPUNanos
	switch {
	case f.all.At.IsZero():
		h.CPUNanos = 0
	case ticks < f.ticks: // it was booted since
		h.CPUNanos = f.all.CPUNanos + ticks
	default:
		h.CPUNanos = f.all.CPUNanos + ticks - f.ticks
	}
	f.all, f.ticks = h, ticks
	return h, nil
}

// readHost reads the host from the first sandbox that there is.
func (f *Far) readHost() (h capsule.HostStats, err error) {
	list, err := f.list()
	if err != nil {
		return h, err
	}
	for _, c := range list {
		if c.Identity.Sandbox() && c.State == capsule.StateRunning {
			return f.readFrom(c.ID)
		}
	}
	return h, fmt.Errorf("what a host that does not share capsulet's machine uses is seen from a sandbox, and none runs there: %w",
		errdefs.ErrNotImplemented)
}

func (f *Far) readFrom(sandbox string) (capsule.HostStats, error) {
	ctx, cancel := within(readTimeout)
	defer cancel()
	const stat, meminfo = "/proc/stat", "/proc/meminfo"
	var out, said bytes.Buffer
	code, err := f.host.Exec(ctx, sandbox, runtime.ExecConfig{
		Command: []string{inside.Path, "read", stat, meminfo}, Stdout: &out, Stderr: &said,
	})
	if err == nil && code != 0 {
		err = fmt.Errorf("the program in the sandbox ended with %d: %s", code, strings.TrimSpace(said.String()))
	}
	if err != nil {
		return capsule.HostStats{}, fmt.Errorf("read the kernel's files: %w", err)
	}
	var files map[string][]byte
	if err := json.Unmarshal(out.Bytes(), &files); err != nil {
		return capsule.HostStats{}, fmt.Errorf("read the kernel's files: %w", err)
	}
	return host(string(files[stat]), files[meminfo])
}
