package probe

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Target is one run of a container.
type Target struct {
	Capsule   string // UUID
	Container string
	ID        string
	Spec      *capsule.ContainerSpec
	// Sandbox is the ID of its sandbox, Address where the capsule is dialled.
	Sandbox   string
	Address   string
	StartedAt time.Time
}

// Result is what the probes say of one run.
type Result struct {
	ID             string
	Started, Ready bool
	// Unhealthy says why the container has to be killed; empty while it is healthy.
	Unhealthy    string
	GraceSeconds *int64
	// Failures has the newest failure of each kind of probe that ever failed.
	Failures map[Kind]Failure
}

// Failure is the newest failure of a probe.
type Failure struct {
	Message string
	At      time.Time
	// Count is the number of failures so far.
	Count int
}

// wakeForFailures is how often a probe that goes on failing wakes those who look at results.
const wakeForFailures = 10 * time.Second

// Config is what a Set needs.
type Config struct {
	Exec ExecFunc
	// Dial connects to a TCP address for a target; nil does it from this machine.
	Dial DialFunc
	// Wake is called, from any goroutine, when a result of the capsule changed.
	Wake func(capsule string)
	// MaxExecs is the number of exec probes at a time; 8 when zero. An exec costs the engine about 50 ms of CPU.
	MaxExecs int
}

// Set runs the probes of one host. It is safe for concurrent use.
type Set struct {
	cfg   Config
	http  *http.Client
	execs chan struct{}

	mu      sync.Mutex
	runs    map[string]map[string]*run   // capsule, container
	counts  map[string]map[probed]*tally // by capsule, over all runs
	workers sync.WaitGroup
}

// probed is what results are counted for.
type probed struct {
	container string
	kind      Kind
}

type tally struct{ successes, failures uint64 }

// New returns a Set without workers.
func New(cfg Config) *Set {
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, _ Target, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	}
	if cfg.MaxExecs == 0 {
		cfg.MaxExecs = 8
	}
	return &Set{
		cfg: cfg, http: newHTTPClient(cfg.Dial), execs: make(chan struct{}, cfg.MaxExecs),
		runs: map[string]map[string]*run{}, counts: map[string]map[probed]*tally{},
	}
}

// run is one probed run of a container.
type run struct {
	target Target
	cancel context.CancelFunc
	// started is closed when the start-up probe has passed.
	started chan struct{}
	mu      sync.Mutex
	result  Result
	// told is when a failure of each kind last woke the capsule.
	told map[Kind]time.Time
}

// Sync makes the workers of a capsule those of the targets; workers of other runs end. Workers end with ctx at the
// latest.
func (s *Set) Sync(ctx context.Context, capsule string, targets []Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.runs[capsule]
	want := make(map[string]*run, len(targets))
	for _, t := range targets {
		if r, ok := have[t.Container]; ok && r.target.ID == t.ID {
			want[t.Container] = r
			continue
		}
		want[t.Container] = s.start(ctx, t)
	}
	for name, r := range have {
		if want[name] != r {
			r.cancel()
		}
	}
	if len(want) == 0 {
		delete(s.runs, capsule)
		return
	}
	s.runs[capsule] = want
}

// Results returns what is known of the capsule's runs, by container.
func (s *Set) Results(capsule string) map[string]Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	rs := make(map[string]Result, len(s.runs[capsule]))
	for name, r := range s.runs[capsule] {
		r.mu.Lock()
		rs[name] = r.result
		if failures := maps.Clone(r.result.Failures); failures != nil {
			now := rs[name]
			now.Failures = failures
			rs[name] = now
		}
		r.mu.Unlock()
	}
	return rs
}

// Counts returns how often the probes of a capsule passed and failed, sorted.
func (s *Set) Counts(uuid string) []capsule.ProbeCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []capsule.ProbeCount
	for of, n := range s.counts[uuid] {
		list = append(list, capsule.ProbeCount{Container: of.container, Kind: string(of.kind), Successes: n.successes, Failures: n.failures})
	}
	slices.SortFunc(list, func(a, b capsule.ProbeCount) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}

// Forget drops the counts of a capsule that is gone.
func (s *Set) Forget(uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.counts, uuid)
}

// count counts a result, for as long as the capsule has probes: a worker that ends late counts for nobody.
func (s *Set) count(t Target, kind Kind, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs[t.Capsule] == nil {
		return
	}
	if s.counts[t.Capsule] == nil {
		s.counts[t.Capsule] = map[probed]*tally{}
	}
	of := probed{t.Container, kind}
	n := s.counts[t.Capsule][of]
	if n == nil {
		n = &tally{}
		s.counts[t.Capsule][of] = n
	}
	if ok {
		n.successes++
	} else {
		n.failures++
	}
}

// Wait returns when every worker has ended, after the context of Sync did.
func (s *Set) Wait() { s.workers.Wait() }

func (s *Set) start(ctx context.Context, t Target) *run {
	ctx, cancel := context.WithCancel(ctx)
	r := &run{target: t, cancel: cancel, started: make(chan struct{})}
	r.result = Result{ID: t.ID, Started: t.Spec.StartupProbe == nil, Ready: t.Spec.ReadinessProbe == nil}
	if r.result.Started {
		close(r.started)
	}
	for kind, p := range map[Kind]*corev1.Probe{
		Startup: t.Spec.StartupProbe, Liveness: t.Spec.LivenessProbe, Readiness: t.Spec.ReadinessProbe,
	} {
		if p != nil {
			s.workers.Go(func() { s.work(ctx, r, kind, p) })
		}
	}
	return r
}

// work runs one probe of one run until its verdict is final or ctx ends.
func (s *Set) work(ctx context.Context, r *run, kind Kind, p *corev1.Probe) {
	if kind != Startup {
		select {
		case <-r.started:
		case <-ctx.Done():
			return
		}
	}
	if !sleep(ctx, time.Until(r.target.StartedAt.Add(seconds(p.InitialDelaySeconds)))) {
		return
	}
	period := max(seconds(p.PeriodSeconds), time.Second)
	early := 50 * time.Millisecond
	eager := kind != Liveness && p.Exec == nil
	st := newState(kind)
	counted := time.Now()
	for first := true; ; first = false {
		began := time.Now()
		once, cancel := context.WithTimeout(ctx, max(seconds(p.TimeoutSeconds), time.Second))
		err := s.check(once, r.target, p.ProbeHandler)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if counts := err == nil || !eager || first || began.Sub(counted) >= period; counts {
			counted = began
			s.count(r.target, kind, err == nil)
			st = st.next(err == nil, p.SuccessThreshold, p.FailureThreshold)
			if s.report(r, kind, st, p, err, eager && first) {
				return
			}
		}
		wait := period - time.Since(began)
		if eager = eager && err != nil && !st.good; eager {
			wait, early = min(wait, early), min(2*early, period)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// report puts the state into the run's result; it is true when the worker has nothing more to say.
// A failure that is early, when the container was only just started, is nobody's news.
func (s *Set) report(r *run, kind Kind, st state, p *corev1.Probe, err error, early bool) bool {
	r.mu.Lock()
	started, ready, unhealthy, final := r.result.Started, r.result.Ready, r.result.Unhealthy, false
	failed := err != nil && !early && r.fail(kind, err, time.Now())
	switch {
	case st.fatal(p.FailureThreshold):
		r.result.Unhealthy = fmt.Sprintf("%s probe failed: %v", kind, err)
		r.result.GraceSeconds = p.TerminationGracePeriodSeconds
		final = true
	case kind == Startup && st.good && !r.result.Started:
		r.result.Started, final = true, true
		close(r.started)
	case kind == Readiness:
		r.result.Ready = st.good
	}
	changed := failed || r.result.Started != started || r.result.Ready != ready || r.result.Unhealthy != unhealthy
	r.mu.Unlock()
	if changed {
		s.cfg.Wake(r.target.Capsule)
	}
	return final
}

// fail notes one more failure and says whether it is time to tell of it. The lock is held.
func (r *run) fail(kind Kind, err error, now time.Time) bool {
	if r.result.Failures == nil {
		r.result.Failures, r.told = map[Kind]Failure{}, map[Kind]time.Time{}
	}
	r.result.Failures[kind] = Failure{Message: err.Error(), At: now, Count: r.result.Failures[kind].Count + 1}
	if now.Sub(r.told[kind]) < wakeForFailures {
		return false
	}
	r.told[kind] = now
	return true
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// sleep waits; it is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
