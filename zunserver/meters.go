package zunserver

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/zunserver/agent"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// meterPatience is how long a host may take to tell its statistics: those who ask do so every ten seconds and wait no longer.
const meterPatience = 5 * time.Second

// errSlow is of a host that has not answered in time, or is still busy with who asked before.
var errSlow = errors.New("its statistics do not come")

// metered is what meters ask of an agent.
type metered interface {
	Stats(c *capsule.Capsule) (capsule.Stats, error)
	HostStats() (capsule.HostStats, error)
}

// meters gathers the statistics of all agents, each host by itself, so that one that does not answer costs its own figures
// and nobody else's.
type meters struct {
	agents   map[string]metered
	log      *logrus.Entry
	patience time.Duration
	// reading has room for the one who reads a host.
	reading map[string]chan struct{}
}

func newMeters(agents map[string]*agent.Agent, log *logrus.Entry) *meters {
	m := &meters{agents: map[string]metered{}, log: log, patience: meterPatience, reading: map[string]chan struct{}{}}
	for name, a := range agents {
		m.agents[name], m.reading[name] = a, make(chan struct{}, 1)
	}
	return m
}

// reading is what one host tells, as far as it has.
type reading struct {
	mu       sync.Mutex
	host     *capsule.HostStats
	capsules []capsule.Stats
	errs     []error
}

// Stats implements capsules.Stats of the API.
func (m *meters) Stats(ctx context.Context, of []*capsule.Capsule) capsule.StatsReport {
	ctx, cancel := context.WithTimeout(ctx, m.patience)
	defer cancel()
	report := capsule.StatsReport{Capsules: []capsule.Stats{}}
	byHost, lacking := map[string][]*capsule.Capsule{}, map[string]bool{}
	for _, c := range of {
		switch host := c.Claim.Host; {
		case m.agents[host] != nil:
			byHost[host] = append(byHost[host], c)
		case host != "":
			lacking[host] = true // another server's
		}
	}
	var mu sync.Mutex
	var hosts sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(m.agents)) {
		hosts.Go(func() {
			r := m.read(ctx, name, byHost[name])
			r.mu.Lock() // it may go on
			defer r.mu.Unlock()
			mu.Lock()
			defer mu.Unlock()
			if r.host != nil {
				report.Hosts = append(report.Hosts, *r.host)
			}
			report.Capsules = append(report.Capsules, r.capsules...)
			for _, err := range r.errs {
				// A host that cannot tell of itself while nothing runs there keeps nothing back.
				lacking[name] = lacking[name] || len(byHost[name]) > 0 || !errdefs.IsNotImplemented(err)
				if !errdefs.IsNotImplemented(err) {
					m.log.WithError(err).WithField("host", name).Debug("Cannot read statistics")
				}
			}
		})
	}
	hosts.Wait()
	slices.SortFunc(report.Hosts, func(a, b capsule.HostStats) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(report.Capsules, func(a, b capsule.Stats) int { return cmp.Compare(a.UUID, b.UUID) })
	maps.DeleteFunc(lacking, func(_ string, lacks bool) bool { return !lacks })
	report.Incomplete = slices.Sorted(maps.Keys(lacking))
	return report
}

// read reads one host, for no longer than ctx: what has not come by then is lacking. It goes on, and nobody else begins it
// meanwhile.
func (m *meters) read(ctx context.Context, name string, of []*capsule.Capsule) *reading {
	r := &reading{}
	select {
	case m.reading[name] <- struct{}{}:
	case <-ctx.Done():
		r.lacks(errSlow)
		return r
	}
	done := make(chan struct{})
	go func() {
		defer func() { <-m.reading[name] }()
		defer close(done)
		r.read(ctx, m.agents[name], of)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		r.lacks(errSlow)
	}
	return r
}

func (r *reading) lacks(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// read asks for the host and, several at a time, for its capsules.
func (r *reading) read(ctx context.Context, a metered, of []*capsule.Capsule) {
	var group errgroup.Group
	group.SetLimit(1 + runtime.GOMAXPROCS(0))
	group.Go(func() error {
		h, err := a.HostStats()
		if err != nil {
			r.lacks(err)
			return nil
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.host = &h
		return nil
	})
	for _, c := range of {
		group.Go(func() error {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // nobody waits any more
			}
			s, err := a.Stats(c)
			switch {
			case errdefs.IsNotFound(err): // it does not run
			case err != nil:
				r.lacks(err)
			default:
				r.mu.Lock()
				defer r.mu.Unlock()
				r.capsules = append(r.capsules, s)
			}
			return nil
		})
	}
	_ = group.Wait()
}
