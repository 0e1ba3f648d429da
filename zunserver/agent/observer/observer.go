// Package observer keeps what one host shows of our containers.
package observer

import (
	"context"
	"reflect"
	"sort"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Observer keeps what the host shows of our containers. It is fed by events, by complete lists and by the results of
// actions; all of them only ever say what the host said.
type Observer struct {
	host runtime.Containers
	log  *logrus.Entry
	// wake is called after something changed for a capsule.
	wake func(uuid string)

	mu   sync.Mutex
	seen map[string]map[string]sight // capsule, ID
	// starting holds the containers whose start is an action under way: it looks at them itself.
	starting map[string]bool
	listed   bool
}

// sight is a container and when we saw it by our own clock: the engine's may differ.
type sight struct {
	runtime.Container
	at time.Time
}

// New returns an observer that has seen nothing; wake is called, from any goroutine, after something changed for a capsule,
// and with an empty UUID when it concerns all.
func New(host runtime.Containers, log *logrus.Entry, wake func(string)) *Observer {
	return &Observer{host: host, log: log, wake: wake, seen: map[string]map[string]sight{}, starting: map[string]bool{}}
}

// Run follows the host until ctx ends: subscribe first, list then, so that nothing falls between.
func (o *Observer) Run(ctx context.Context, relist time.Duration) error {
	for ctx.Err() == nil {
		if err := o.follow(ctx, relist); err != nil && ctx.Err() == nil {
			o.log.WithError(err).Debug("Cannot follow the host, trying again")
			pause(ctx, 500*time.Millisecond)
		}
	}
	return ctx.Err()
}

func (o *Observer) follow(ctx context.Context, relist time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := o.host.Events(ctx)
	if err != nil {
		return err
	}
	if err := o.list(ctx); err != nil {
		return err
	}
	tick := time.NewTicker(relist)
	defer tick.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return ctx.Err()
			}
			o.look(ctx, e)
		case <-tick.C:
			if err := o.list(ctx); err != nil {
				return err
			}
		}
	}
}

// list takes in everything that the host shows.
func (o *Observer) list(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	before := time.Now()
	all, err := o.host.List(ctx, "")
	if err != nil {
		return err
	}
	o.mu.Lock()
	changed := map[string]bool{}
	shown := map[string]bool{}
	for _, c := range all {
		shown[c.ID] = true
		if o.take(c) {
			changed[c.Identity.Capsule] = true
		}
	}
	for uuid, cs := range o.seen {
		for id, c := range cs {
			// What was made while the list was on its way may be missing in it.
			if !shown[id] && c.at.Before(before) {
				delete(cs, id)
				changed[uuid] = true
			}
		}
		if len(cs) == 0 {
			delete(o.seen, uuid)
		}
	}
	first := !o.listed
	o.listed = true
	o.mu.Unlock()
	for uuid := range changed {
		o.wake(uuid)
	}
	if first {
		o.wake("")
	}
	return nil
}

// look follows one event. Events of our own actions say nothing new and cost nothing.
func (o *Observer) look(ctx context.Context, e runtime.Event) {
	uuid := e.Identity.Capsule
	o.mu.Lock()
	known, ok := o.seen[uuid][e.ID]
	ours := o.starting[e.ID]
	o.mu.Unlock()
	switch e.Action {
	case "destroy":
		o.Forget(uuid, e.ID)
		return
	case "create":
		return // the one who creates says so, or the next list does
	case "start":
		late := known.State == capsule.StateExited && !e.At.After(known.FinishedAt)
		if !ok || ours || known.State == capsule.StateRunning || late {
			return
		}
	case "oom":
		return // the end that follows tells
	}
	o.Refresh(ctx, uuid, e.ID)
}

// Starting says that an action starts the container and will look at it; done says that it has.
func (o *Observer) Starting(id string) (done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.starting[id] = true
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.starting, id)
	}
}

// Refresh asks the host for one container.
func (o *Observer) Refresh(ctx context.Context, uuid, id string) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := o.host.Inspect(ctx, id)
	switch {
	case errdefs.IsNotFound(err):
		o.Forget(uuid, id)
	case err != nil:
		o.log.WithError(err).WithField("capsule", uuid).Debug("Cannot inspect a container, the next list will show it")
	default:
		o.Put(c)
	}
}

// Put takes in what the host said of one container.
func (o *Observer) Put(c runtime.Container) {
	o.mu.Lock()
	changed := o.take(c)
	o.mu.Unlock()
	if changed {
		o.wake(c.Identity.Capsule)
	}
}

// Forget drops a container that is gone.
func (o *Observer) Forget(uuid, id string) {
	o.mu.Lock()
	_, was := o.seen[uuid][id]
	delete(o.seen[uuid], id)
	if len(o.seen[uuid]) == 0 {
		delete(o.seen, uuid)
	}
	o.mu.Unlock()
	if was {
		o.wake(uuid)
	}
}

// take stores c unless what is known is newer; it is true when that changed something. The lock is held.
func (o *Observer) take(c runtime.Container) bool {
	cs := o.seen[c.Identity.Capsule]
	if cs == nil {
		cs = map[string]sight{}
		o.seen[c.Identity.Capsule] = cs
	}
	old, ok := cs[c.ID]
	if ok && (old.StartedAt.After(c.StartedAt) || old.StartedAt.Equal(c.StartedAt) && rank(old.State) > rank(c.State)) {
		return false
	}
	cs[c.ID] = sight{c, time.Now()}
	return !ok || old.State != c.State || old.Paused != c.Paused || !old.StartedAt.Equal(c.StartedAt) ||
		!reflect.DeepEqual(old.Networks, c.Networks)
}

// rank orders the states of one run of a container: it never goes back.
func rank(s capsule.State) int {
	switch s {
	case capsule.StateCreated:
		return 1
	case capsule.StateRunning:
		return 2
	case capsule.StateExited:
		return 3
	default:
		return 0
	}
}

// Ready says whether the host was listed at least once.
func (o *Observer) Ready() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.listed
}

// Instances returns what the host shows of one capsule, in a stable order.
func (o *Observer) Instances(uuid string) []lifecycle.Instance {
	o.mu.Lock()
	defer o.mu.Unlock()
	is := make([]lifecycle.Instance, 0, len(o.seen[uuid]))
	for _, c := range o.seen[uuid] {
		is = append(is, lifecycle.Instance{
			ID: c.ID, Container: c.Identity.Container, Attempt: c.Identity.Attempt,
			SandboxAttempt: c.Identity.SandboxAttempt, Made: c.Identity.Made, State: c.State, Paused: c.Paused,
			CreatedAt: c.CreatedAt, StartedAt: c.StartedAt, FinishedAt: c.FinishedAt,
			ExitCode: c.ExitCode, OOM: c.OOM, Error: c.Error, Image: c.Image, ImageID: c.ImageID,
			Addresses: c.Addresses, Network: c.Network, Networks: c.Networks,
		})
	}
	sort.Slice(is, func(i, j int) bool {
		if is[i].Container != is[j].Container {
			return is[i].Container < is[j].Container
		}
		return is[i].Attempt < is[j].Attempt
	})
	return is
}

// Capsules returns the UUIDs of all capsules that have a container on the host.
func (o *Observer) Capsules() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	uuids := make([]string, 0, len(o.seen))
	for uuid := range o.seen {
		uuids = append(uuids, uuid)
	}
	return uuids
}

// Running returns the containers of a capsule that run, by name; the sandbox's is empty.
func (o *Observer) Running(uuid string) map[string]runtime.Container {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string]runtime.Container{}
	for _, c := range o.seen[uuid] {
		if newest, ok := out[c.Identity.Container]; c.State == capsule.StateRunning && c.Pid > 0 &&
			(!ok || newest.Identity.Attempt < c.Identity.Attempt) {
			out[c.Identity.Container] = c.Container
		}
	}
	return out
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
