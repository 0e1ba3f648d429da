package agent

import (
	"cmp"
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/agent/executor"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/probe"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// worker owns one capsule of the host. Its goroutine is the only one that decides for it; actions run beside it and
// come back as results.
type worker struct {
	a      *Agent
	log    *logrus.Entry
	cancel context.CancelFunc
	done   chan struct{}
	woken  chan struct{}

	mu     sync.Mutex
	latest *capsule.Capsule // from the store; the newest revision
	news   []news
	newsID int
	// overfull is why the capsule has to be evicted.
	overfull string
	// overused is the same for what the capsule takes of the disk as a whole.
	overused string
	storage  *capsule.Storage // the last measurement, which does not change
	sizes    map[string]size  // by container ID; the measurer's own

	// The goroutine's own.
	c        *capsule.Capsule
	mounts   map[string]runtime.Mount // nil until volumes are prepared
	volumes  []capsule.Volume         // what they were prepared from
	flying   map[string]*flight
	tried    map[string]lifecycle.Instance // by container, "" for the sandbox
	results  chan executor.Result
	failures map[string]*executor.Note // by container, "" for the sandbox and volumes
}

// flight is an action under way.
type flight struct {
	action lifecycle.Action
	cancel context.CancelFunc
}

func newWorker(a *Agent, c *capsule.Capsule) *worker {
	return &worker{
		a: a, log: a.log.WithFields(logrus.Fields{"capsule": c.UUID, "name": c.Spec.Name}), latest: c,
		done: make(chan struct{}), woken: make(chan struct{}, 1), results: make(chan executor.Result),
		flying: map[string]*flight{}, tried: map[string]lifecycle.Instance{}, failures: map[string]*executor.Note{}, sizes: map[string]size{},
	}
}

// offer hands over a newer record.
func (w *worker) offer(c *capsule.Capsule) {
	w.mu.Lock()
	if w.latest == nil || c.Revision > w.latest.Revision {
		w.latest = c
	}
	w.mu.Unlock()
	w.wake()
}

func (w *worker) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// stop ends the worker; actions under way are abandoned.
func (w *worker) stop() {
	w.cancel()
	<-w.done
}

func (w *worker) run(ctx context.Context) {
	defer close(w.done)
	defer w.cancel()
	var flights sync.WaitGroup
	defer flights.Wait()
	defer w.a.probes.Sync(ctx, w.uuid(), nil)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			w.drain(&flights)
			return
		case r := <-w.results:
			w.land(r)
		case <-w.woken:
		case <-timer.C:
		}
		for more := true; more; { // several results at once are one look
			select {
			case r := <-w.results:
				w.land(r)
			default:
				more = false
			}
		}
		if at := w.step(ctx, &flights); !at.IsZero() {
			timer.Reset(max(time.Until(at), time.Millisecond))
		}
	}
}

// drain lets the actions under way come back after the end.
func (w *worker) drain(flights *sync.WaitGroup) {
	for _, f := range w.flying {
		f.cancel()
	}
	landed := make(chan struct{})
	go func() { flights.Wait(); close(landed) }()
	for {
		select {
		case <-w.results:
		case <-landed:
			return
		}
	}
}

func (w *worker) uuid() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.latest == nil {
		return ""
	}
	return w.latest.UUID
}

// step looks once: facts, then actions. It returns when to look again at the latest.
func (w *worker) step(ctx context.Context, flights *sync.WaitGroup) time.Time {
	w.mu.Lock()
	if w.c == nil || w.latest.Revision > w.c.Revision {
		w.c = w.latest
	}
	overfull := cmp.Or(w.overfull, w.overused)
	w.mu.Unlock()
	if !w.a.isUp() || !w.a.obs.Ready() {
		return time.Time{} // the host's return wakes everybody
	}
	now := time.Now()
	seen := lifecycle.Observed{Instances: w.a.obs.Instances(w.c.UUID), VolumesReady: w.mounts != nil}
	seen.Tried, seen.Overfull, seen.Starting = w.tried, overfull, w.starting()
	seen.VolumesStale = seen.VolumesReady && !reflect.DeepEqual(w.volumes, w.c.Spec.Volumes)
	w.a.exec.LastWords(ctx, w.c, seen.Instances)
	w.syncProbes(ctx, seen)
	probes := w.a.probeResults(w.c.UUID)
	c, err := w.writeFacts(ctx, seen, probes, now)
	if err != nil {
		if errdefs.IsNotFound(err) || errdefs.IsFailedPrecondition(err) || ctx.Err() != nil {
			return time.Time{} // not ours any more: the feed will say so
		}
		w.log.WithError(err).Warn("Cannot write facts, trying again")
		return now.Add(time.Second)
	}
	w.c = c
	plan := lifecycle.Decide(w.c, seen, probes, now)
	for _, act := range plan.Actions {
		w.launch(ctx, flights, act)
	}
	w.abandon()
	return plan.WakeAt
}

// writeFacts stores what was seen, if it is news.
func (w *worker) writeFacts(ctx context.Context, seen lifecycle.Observed, probes map[string]lifecycle.ProbeResult,
	now time.Time,
) (*capsule.Capsule, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	heard, told := w.heard(), map[int]bool(nil)
	c, err := w.a.cfg.Store.UpdateFacts(ctx, w.c.UUID, w.a.cfg.Name, func(f *capsule.Facts) {
		current := *w.c
		current.Facts = *f
		*f = lifecycle.Advance(&current, seen, probes, now)
		f.HostAddress = w.a.cfg.Address
		if w.c.Spec.HostNetwork && f.Sandbox.Ready {
			f.Sandbox.Addresses = []string{w.a.cfg.Address}
		}
		told = tell(f, heard, w.failures)
		for name, n := range w.failures {
			n.Apply(f, name, now)
		}
	})
	if err == nil {
		clear(w.failures)
		w.forgetNews(told)
	}
	return c, err
}

// launch starts an action unless one with its key is under way.
func (w *worker) launch(ctx context.Context, flights *sync.WaitGroup, act lifecycle.Action) {
	if act.Op == lifecycle.RemoveRecord && len(w.flying) > 0 {
		return // what is under way may still leave something; its landing looks again
	}
	if f := w.flying[act.Key()]; f != nil {
		sooner := act.Op == lifecycle.Stop && f.action.Op == lifecycle.Stop && act.Deadline.Before(f.action.Deadline)
		if sooner {
			f.cancel() // it comes back and is asked again with less time
		}
		return
	}
	w.log.WithFields(logrus.Fields{"action": act.Op, "container": act.Container, "attempt": act.Attempt, "cause": act.Cause}).
		Debug("Acting")
	if act.Op == lifecycle.Start || act.Op == lifecycle.Restart {
		w.try(act)
	}
	wanted, cancel := context.WithCancel(ctx)
	w.flying[act.Key()] = &flight{action: act, cancel: cancel}
	c, mounts := w.c, w.mounts
	flights.Go(func() {
		defer cancel()
		r := w.a.exec.Execute(wanted, ctx, c, mounts, act)
		r.Action = act
		w.results <- r
	})
}

// starting are the containers a start of which is under way.
func (w *worker) starting() map[string]bool {
	names := map[string]bool{}
	for _, f := range w.flying {
		if f.action.Op == lifecycle.Start || f.action.Op == lifecycle.Restart {
			names[f.action.Container] = true
		}
	}
	return names
}

// try remembers the instance that is about to be started.
func (w *worker) try(act lifecycle.Action) {
	for _, i := range w.a.obs.Instances(w.c.UUID) {
		if i.ID == act.ID {
			w.tried[act.Container] = i
		}
	}
}

// abandon cancels the making of what is not wanted any more.
func (w *worker) abandon() {
	over := w.c.Deletion != nil || w.c.Facts.End != nil
	for _, f := range w.flying {
		if f.action.Op == lifecycle.Create && (over || outdated(w.c, f.action)) {
			f.cancel()
		}
	}
}

// outdated says whether a creation is of what a container was to be before.
func outdated(c *capsule.Capsule, act lifecycle.Action) bool {
	if s := c.StandaloneOf(act.Container); s != nil {
		return act.Made < s.Want.Rebuild
	}
	cs, _ := c.Spec.Container(act.Container)
	return cs != nil && act.Made < cs.Definition
}

// land takes in what became of an action.
func (w *worker) land(r executor.Result) {
	delete(w.flying, r.Action.Key())
	if r.Untried {
		delete(w.tried, r.Action.Container)
	}
	if r.Mounts != nil {
		w.mounts, w.volumes = r.Mounts, r.Volumes
	}
	w.mu.Lock()
	old := r.Action.Op == lifecycle.Create && outdated(w.latest, r.Action)
	w.mu.Unlock()
	switch {
	case old: // why it could not be made says nothing of what it shall be now
	case r.Note != nil:
		w.failures[r.Action.Container] = r.Note
		w.log.WithFields(logrus.Fields{
			"action": r.Action.Op, "container": r.Action.Container, "cause": r.Action.Cause, "reason": r.Note.Message,
		}).Warn("Action failed, it will be tried again")
	case r.Cleared:
		w.failures[r.Action.Container] = &executor.Note{Clear: true}
	}
}

// syncProbes gives every running container its probes.
func (w *worker) syncProbes(ctx context.Context, seen lifecycle.Observed) {
	var targets []probe.Target
	if w.c.Deletion == nil && w.c.Facts.End == nil {
		address, sandbox := "127.0.0.1", ""
		if s := w.c.Facts.Sandbox; !w.c.Spec.HostNetwork && len(s.Addresses) > 0 {
			address = s.Addresses[0]
		}
		for _, i := range seen.Instances {
			if i.Container == "" {
				if i.State == capsule.StateRunning {
					sandbox = i.ID
				}
				if !w.c.Spec.HostNetwork && i.State == capsule.StateRunning && len(i.Addresses) > 0 {
					address = i.Addresses[0]
				}
				continue
			}
			cs, init := w.c.Spec.Container(i.Container)
			if i.State != capsule.StateRunning || cs == nil || (init && !cs.Sidecar()) {
				continue
			}
			targets = append(targets, probe.Target{
				Capsule: w.c.UUID, Container: i.Container, ID: i.ID, Spec: cs, Sandbox: sandbox, Address: address, StartedAt: i.StartedAt,
			})
		}
	}
	w.a.probes.Sync(ctx, w.c.UUID, targets)
}
