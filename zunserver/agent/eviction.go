package agent

import (
	"context"
	"time"

	"github.com/capsulet/capsulet/zunserver/volume"
)

// measureDeadline ends a look at one capsule.
const measureDeadline = 10 * time.Second

// evict measures what has a limit of the disk until ctx ends. A capsule that is over one is ended.
func (a *Agent) evict(ctx context.Context) error {
	tick := time.NewTicker(a.cfg.Measure)
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
			w.measure(ctx)
			w.measureStorage(ctx)
		}
	}
}

// measure looks at the volumes of a capsule that runs.
func (w *worker) measure(ctx context.Context) {
	w.mu.Lock()
	c := w.latest
	w.mu.Unlock()
	if c == nil || c.Deletion != nil || !c.Facts.Sandbox.Ready || c.Facts.End != nil || !volume.Limited(&c.Spec) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, measureDeadline)
	defer cancel()
	why, err := w.a.cfg.Volumes.Overfull(ctx, c)
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
