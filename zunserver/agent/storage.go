package agent

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/capsulet/capsulet/zunserver/agent/eviction"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/volume"
)

const (
	// askEvery is how often an engine is asked for the size of writable layers that cannot be seen: it walks them.
	askEvery = time.Minute
	// storageEvery is how often what has no limit is measured (kubelet: VolumeStatsAggPeriod) while somebody has asked for
	// statistics in the last curiousFor.
	storageEvery, curiousFor = time.Minute, 3 * time.Minute
)

// measureStorage looks at a capsule that runs: at one with a limit of ephemeral storage, which it may be over, and at others
// for statistics.
func (w *worker) measureStorage(ctx context.Context) {
	w.mu.Lock()
	c, last := w.latest, w.storage
	w.mu.Unlock()
	if c == nil || c.Deletion != nil || !c.Facts.Sandbox.Ready || c.Facts.End != nil {
		return
	}
	limited := eviction.Limited(&c.Spec)
	if !limited && !w.a.curious(last) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, measureDeadline)
	defer cancel()
	used, err := w.measured(ctx, c, limited)
	if err != nil {
		w.log.WithError(err).Warn("Cannot measure what a capsule takes of the disk")
		return
	}
	why := eviction.Over(&c.Spec, used)
	w.mu.Lock()
	w.storage, w.overused = used, cmp.Or(why, w.overused)
	w.mu.Unlock()
	if why != "" {
		w.wake()
	}
}

// curious says whether statistics want a capsule measured: not where an engine would have to do it.
func (a *Agent) curious(last *capsule.Storage) bool {
	asked := time.Unix(0, a.asked.Load())
	return time.Since(asked) < curiousFor && (last == nil || time.Since(last.At) >= storageEvery) && a.hostInfo().Near
}

// measured is what the capsule takes of the disk, as far as it can be seen from here or, with ask, the engine tells.
func (w *worker) measured(ctx context.Context, c *capsule.Capsule, ask bool) (_ *capsule.Storage, err error) {
	used := &capsule.Storage{At: time.Now(), Containers: map[string]capsule.ContainerStorage{}}
	if used.Volumes, err = w.a.cfg.Volumes.Used(ctx, c); err != nil {
		return nil, fmt.Errorf("measuring volumes: %w", err)
	}
	for name, r := range w.a.obs.Running(c.UUID) {
		if name == "" {
			continue // the sandbox's own
		}
		if used.Containers[name], err = w.written(ctx, r, ask); err != nil {
			return nil, fmt.Errorf("measuring container %s: %w", name, err)
		}
	}
	return used, nil
}

// written is the size of a container's writable layer and, where they can be seen, of its logs.
func (w *worker) written(ctx context.Context, r runtime.Container, ask bool) (s capsule.ContainerStorage, err error) {
	near := w.a.hostInfo().Near
	if near && r.LogPath != "" {
		files, _ := filepath.Glob(r.LogPath + "*") // the rotated ones too; the pattern is well-formed
		for _, f := range files {
			bytes, _, err := volume.Usage(f)
			if err != nil {
				return s, err
			}
			s.LogBytes += uint64(bytes)
		}
	}
	if near && r.WritableDir != "" {
		if bytes, seen, err := volume.Usage(r.WritableDir); seen || err != nil {
			s.WritableBytes = uint64(bytes)
			return s, err
		}
	}
	sizer, ok := w.a.cfg.Runtime.(runtime.Sizer)
	if !ok || !ask {
		return s, nil
	}
	if had, ok := w.sizes[r.ID]; ok && time.Since(had.at) < askEvery {
		s.WritableBytes = uint64(had.bytes)
		return s, nil
	}
	bytes, err := sizer.WritableBytes(ctx, r.ID)
	if err == nil {
		if len(w.sizes) > 100 {
			clear(w.sizes) // of attempts long gone
		}
		w.sizes[r.ID] = size{bytes, time.Now()}
	}
	s.WritableBytes = uint64(bytes)
	return s, err
}

// size is what the engine said.
type size struct {
	bytes int64
	at    time.Time
}
