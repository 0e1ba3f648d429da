package agent

import (
	"context"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// evictionLook is how often volumes with a size limit are measured (kubelet: eviction manager's monitoring interval).
const evictionLook = 10 * time.Second

// measurer is what a volume driver may be able to do besides: tell that a volume is over its limit.
type measurer interface {
	Overfull(c *capsule.Capsule) (string, error)
}

// evict measures the volumes that have a limit until ctx ends. A capsule that is over one is ended.
func (a *Agent) evict(ctx context.Context) error {
	m, ok := a.cfg.Volumes.(measurer)
	if !ok {
		<-ctx.Done()
		return ctx.Err()
	}
	tick := time.NewTicker(evictionLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		a.mu.Lock()
		workers := make([]*worker, 0, len(a.workers))
		for _, w := range a.workers {
			workers = append(workers, w)
		}
		a.mu.Unlock()
		for _, w := range workers {
			w.measure(m)
		}
	}
}

// measure looks at the volumes of a capsule that runs.
func (w *worker) measure(m measurer) {
	w.mu.Lock()
	c := w.latest
	w.mu.Unlock()
	if c == nil || c.Deletion != nil || !c.Facts.Sandbox.Ready || c.Facts.End != nil || !volume.Limited(&c.Spec) {
		return
	}
	why, err := m.Overfull(c)
	if err != nil {
		w.log.WithError(err).Warn("Cannot measure a volume")
		return
	}
	w.mu.Lock()
	w.overfull = why
	w.mu.Unlock()
	if why != "" {
		w.wake()
	}
}
