package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/capsulet/capsulet/zunserver/agent/eviction"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// askEvery is how often an engine is asked for the size of writable layers that cannot be seen: it walks them.
const askEvery = time.Minute

// measureStorage looks at a capsule with a limit of ephemeral storage that runs.
func (w *worker) measureStorage(ctx context.Context) {
	w.mu.Lock()
	c := w.latest
	w.mu.Unlock()
	if c == nil || c.Deletion != nil || !c.Facts.Sandbox.Ready || c.Facts.End != nil || !eviction.Limited(&c.Spec) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, measureDeadline)
	defer cancel()
	used, err := w.storage(ctx, c)
	if err != nil {
		w.log.WithError(err).Warn("Cannot measure what a capsule takes of the disk")
		return
	}
	if why := eviction.Over(&c.Spec, used); why != "" {
		w.mu.Lock()
		w.overused = why
		w.mu.Unlock()
		w.wake()
	}
}

// storage is what the capsule takes of the disk, as far as it can be seen from here or the engine tells.
func (w *worker) storage(ctx context.Context, c *capsule.Capsule) (used eviction.Used, err error) {
	if used.Volumes, err = w.a.cfg.Volumes.Used(ctx, c); err != nil {
		return used, fmt.Errorf("measuring volumes: %w", err)
	}
	used.Containers = map[string]int64{}
	for name, r := range w.a.obs.Running(c.UUID) {
		if name == "" {
			continue // the sandbox's own
		}
		if used.Containers[name], err = w.written(ctx, r); err != nil {
			return used, fmt.Errorf("measuring container %s: %w", name, err)
		}
	}
	return used, nil
}

// written is the size of a container's writable layer and, where they can be seen, of its logs.
func (w *worker) written(ctx context.Context, r runtime.Container) (int64, error) {
	near := w.a.hostInfo().Near
	var logs int64
	if near && r.LogPath != "" {
		files, _ := filepath.Glob(r.LogPath + "*") // the rotated ones too; the pattern is well-formed
		for _, f := range files {
			bytes, _, err := volume.Usage(f)
			if err != nil {
				return 0, err
			}
			logs += bytes
		}
	}
	if near && r.WritableDir != "" {
		if bytes, seen, err := volume.Usage(r.WritableDir); seen || err != nil {
			return logs + bytes, err
		}
	}
	sizer, ok := w.a.cfg.Runtime.(runtime.Sizer)
	if !ok {
		return logs, nil
	}
	if had, ok := w.sizes[r.ID]; ok && time.Since(had.at) < askEvery {
		return logs + had.bytes, nil
	}
	bytes, err := sizer.WritableBytes(ctx, r.ID)
	if err == nil {
		if len(w.sizes) > 100 {
			clear(w.sizes) // of attempts long gone
		}
		w.sizes[r.ID] = size{bytes, time.Now()}
	}
	return logs + bytes, err
}

// size is what the engine said.
type size struct {
	bytes int64
	at    time.Time
}
