package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/zunserver/agent/executor"
	"github.com/capsulet/capsulet/zunserver/agent/metering"
	"github.com/capsulet/capsulet/zunserver/agent/observer"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/network"
	"github.com/capsulet/capsulet/zunserver/probe"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/store"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// Store is what an agent asks of the store.
type Store interface {
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
	Capsule(ctx context.Context, uuid string) (*capsule.Capsule, error)
	WatchCapsules(ctx context.Context, since int64) <-chan store.CapsuleEvent
	UpdateFacts(ctx context.Context, uuid, host string, update func(*capsule.Facts)) (*capsule.Capsule, error)
	RemoveCapsule(ctx context.Context, uuid string) error
	ExpireContainer(ctx context.Context, uuid, host, container string, now time.Time) error
	AcquireHost(ctx context.Context, name string, ttl time.Duration) (*store.HostLease, error)
	Network(ctx context.Context, uuid string) (capsule.Network, error)
	HostImages(ctx context.Context, host string) ([]capsule.HostImage, error)
	UpdateHostImage(ctx context.Context, host, uuid string, update func(*capsule.HostImage)) error
}

// Config is what an agent needs. Name, Instance, Runtime, Volumes, Network, Meter, Store and Log are required.
type Config struct {
	// Name is the host's; Instance is the capsulet installation whose containers are ours.
	Name, Instance string
	// SeccompDir is where the seccomp profiles of this machine are.
	SeccompDir string
	// Address is where the host is reached by others, PublicAddress by the world.
	Address          string
	PublicAddress    string
	Labels           map[string]string
	AvailabilityZone string

	Runtime runtime.Host
	Volumes volume.Driver
	Network network.Dialer
	Meter   metering.Meter
	Store   Store
	Log     *logrus.Entry

	// Starts is how many containers are created or started at a time: more than a few only adds latency (FACTS: the
	// engine is CPU-bound). Zero: two for each CPU of the host, at least four.
	Starts int
	// Relist is how often everything is listed besides events; zero: 20 s.
	Relist time.Duration
	// Ping is how often the engine is asked whether it lives; zero: 2 s.
	Ping time.Duration
	// SweepAfter is how long a container of ours has to be unknown to the store before it is removed; zero: 30 s.
	SweepAfter time.Duration
	// Measure is how often what has a limit of the disk is measured; zero: 10 s (kubelet: the eviction manager's monitoring
	// interval).
	Measure time.Duration
	// Lease is the time to live of the host's record; zero: 10 s.
	Lease time.Duration
}

// Agent serves one host. Make it with New, then Run it once.
type Agent struct {
	cfg    Config
	log    *logrus.Entry
	obs    *observer.Observer
	exec   *executor.Executor
	meters *metering.Meters
	probes *probe.Set

	mu      sync.Mutex
	workers map[string]*worker
	info    runtime.Info
	up      bool
	// synced: the first complete list of the store's capsules was taken in.
	synced bool
	// changed says that the host's state changed and its record is to be written.
	changed chan struct{}
	// pulls says that an image was asked for.
	pulls chan struct{}

	asked atomic.Int64 // when somebody wanted statistics last, in nanoseconds since 1970
}

// New returns an agent that does nothing before Run.
func New(cfg Config) *Agent {
	if cfg.Relist == 0 {
		cfg.Relist = 20 * time.Second
	}
	if cfg.Ping == 0 {
		cfg.Ping = 2 * time.Second
	}
	if cfg.SweepAfter == 0 {
		cfg.SweepAfter = 30 * time.Second
	}
	if cfg.Measure == 0 {
		cfg.Measure = 10 * time.Second
	}
	if cfg.Lease == 0 {
		cfg.Lease = 10 * time.Second
	}
	if cfg.Starts == 0 {
		cfg.Starts = 4
	}
	a := &Agent{
		cfg: cfg, log: cfg.Log.WithField("host", cfg.Name), workers: map[string]*worker{},
		changed: make(chan struct{}, 1), pulls: make(chan struct{}, 1), meters: metering.New(cfg.Meter),
	}
	a.obs = observer.New(cfg.Runtime, a.log, a.wake)
	a.exec = executor.New(executor.Config{
		Name: cfg.Name, Instance: cfg.Instance, Address: cfg.Address, SeccompDir: cfg.SeccompDir, Runtime: cfg.Runtime, Volumes: cfg.Volumes, Network: cfg.Network,
		Observer: a.obs, Records: cfg.Store, Log: a.log, Starts: cfg.Starts,
		Host: a.hostInfo, Report: a.report, Suspect: a.suspect,
	})
	a.probes = probe.New(probe.Config{Exec: a.probeExec, Dial: a.probeDial, Wake: a.wake})
	return a
}

// Run serves the host until ctx ends. It holds the host's election in the store meanwhile and takes it again when it was
// lost. Containers stay as they are when it returns.
func (a *Agent) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		lease, err := a.cfg.Store.AcquireHost(ctx, a.cfg.Name, a.cfg.Lease)
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			a.log.WithError(err).Warn("Cannot get the host's lease, trying again")
			pause(ctx, time.Second)
			continue
		}
		a.log.Info("Serving host")
		if err := a.serve(ctx, lease); err != nil && ctx.Err() == nil {
			a.log.WithError(err).Warn("Serving the host was interrupted")
		}
	}
	return ctx.Err()
}

// serve works while the lease is ours.
func (a *Agent) serve(ctx context.Context, lease *store.HostLease) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case <-lease.Done():
			return fmt.Errorf("the lease of host %s was lost", a.cfg.Name)
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	g.Go(func() error { return a.watchHost(ctx, lease) })
	g.Go(func() error { return a.obs.Run(ctx, a.cfg.Relist) })
	g.Go(func() error { return a.feed(ctx) })
	g.Go(func() error { return a.sweep(ctx) })
	g.Go(func() error { return a.sweepNetworks(ctx) })
	g.Go(func() error { return a.servePulls(ctx) })
	g.Go(func() error { return a.evict(ctx) })
	err := g.Wait()
	a.mu.Lock()
	workers := a.workers
	a.workers, a.synced = map[string]*worker{}, false
	a.mu.Unlock()
	for _, w := range workers {
		<-w.done
	}
	a.probes.Wait()
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return errors.Join(err, lease.Release(release))
}

// feed hands every capsule that is claimed for this host to its worker, from one list and the watch that joins it.
func (a *Agent) feed(ctx context.Context) error {
	for {
		all, revision, err := a.cfg.Store.Capsules(ctx)
		if err != nil {
			return fmt.Errorf("listing capsules: %w", err)
		}
		a.adopt(ctx, all)
		if err := a.follow(ctx, revision); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			a.log.WithError(err).Info("Watch of capsules ended, listing again")
			pause(ctx, 100*time.Millisecond)
		}
	}
}

// adopt takes in a complete list; what is not in it has no record any more.
func (a *Agent) adopt(ctx context.Context, all []*capsule.Capsule) {
	listed := make(map[string]bool, len(all))
	for _, c := range all {
		listed[c.UUID] = true
		a.offer(ctx, c)
	}
	a.mu.Lock()
	var gone []*worker
	for uuid, w := range a.workers {
		if !listed[uuid] {
			gone = append(gone, w)
			delete(a.workers, uuid)
		}
	}
	a.synced = true
	a.mu.Unlock()
	for _, w := range gone {
		w.stop()
		a.meters.Forget(w.uuid())
		a.probes.Forget(w.uuid())
	}
}

func (a *Agent) follow(ctx context.Context, since int64) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	for e := range a.cfg.Store.WatchCapsules(watching, since) {
		switch {
		case e.Err != nil:
			return e.Err
		case e.Kind == store.Put:
			a.offer(ctx, e.Capsule)
		case e.Kind == store.Delete && e.Capsule != nil:
			a.drop(e.Capsule.UUID)
		}
	}
	return fmt.Errorf("the watch was closed")
}

// offer gives a capsule to its worker if it is this host's.
func (a *Agent) offer(ctx context.Context, c *capsule.Capsule) {
	if c.Claim.Host != a.cfg.Name {
		return
	}
	a.mu.Lock()
	w := a.workers[c.UUID]
	if w == nil {
		w = newWorker(a, c)
		a.workers[c.UUID] = w
		run, cancel := context.WithCancel(ctx)
		w.cancel = cancel
		go w.run(run)
	}
	a.mu.Unlock()
	w.offer(c)
}

// drop ends the worker of a capsule whose record is gone.
func (a *Agent) drop(uuid string) {
	a.mu.Lock()
	w := a.workers[uuid]
	delete(a.workers, uuid)
	a.mu.Unlock()
	if w != nil {
		w.stop()
	}
	a.meters.Forget(uuid)
	a.probes.Forget(uuid)
}

// wake makes the worker of a capsule look again, or all workers when uuid is empty.
func (a *Agent) wake(uuid string) {
	if uuid == "" {
		a.wakeAll()
		return
	}
	a.mu.Lock()
	w := a.workers[uuid]
	a.mu.Unlock()
	if w != nil {
		w.wake()
	}
}

func (a *Agent) wakeAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.workers {
		w.wake()
	}
}

// probeResults translates the table of the probes into the planner's words.
func (a *Agent) probeResults(uuid string) map[string]lifecycle.ProbeResult {
	in := a.probes.Results(uuid)
	out := make(map[string]lifecycle.ProbeResult, len(in))
	for name, r := range in {
		out[name] = lifecycle.ProbeResult{
			ID: r.ID, Started: r.Started, Ready: r.Ready, Unhealthy: r.Unhealthy, GraceSeconds: r.GraceSeconds,
			Failures: failuresOf(r),
		}
	}
	return out
}

func failuresOf(r probe.Result) []capsule.ProbeFailure {
	var out []capsule.ProbeFailure
	for _, k := range []probe.Kind{probe.Startup, probe.Liveness, probe.Readiness} {
		if f, ok := r.Failures[k]; ok {
			out = append(out, capsule.ProbeFailure{Kind: string(k), Message: f.Message, At: f.At, Count: f.Count})
		}
	}
	return out
}

// probeExec runs the command of an exec probe.
func (a *Agent) probeExec(ctx context.Context, id string, command []string, out io.Writer) (int, error) {
	return a.cfg.Runtime.Exec(ctx, id, runtime.ExecConfig{Command: command, Stdout: out, Stderr: out})
}

// probeDial connects for a probe over the network.
func (a *Agent) probeDial(ctx context.Context, t probe.Target, address string) (net.Conn, error) {
	return a.cfg.Network.DialAddress(ctx, network.Target{ID: t.Sandbox, Address: t.Address}, address)
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
