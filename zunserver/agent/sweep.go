package agent

import (
	"context"
	"maps"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// sweep removes what is ours on the host and unknown to the store, after it has been so for a while: the store is asked
// for each capsule by name, so that a list which is late removes nothing.
func (a *Agent) sweep(ctx context.Context) error {
	find := func(ctx context.Context) map[string]bool {
		if !a.obs.Ready() || !a.isSynced() {
			return nil
		}
		dangling := map[string]bool{}
		for _, uuid := range a.obs.Capsules() {
			if a.dangling(ctx, uuid) {
				dangling[uuid] = true
			}
		}
		return dangling
	}
	return a.sweepEach(ctx, find, a.sweepCapsule)
}

// sweepEach removes what find has found every time for a while. While the host is away nothing is looked for, nor forgotten. It looks
// seldom, as find may ask the engine.
func (a *Agent) sweepEach(ctx context.Context, find func(context.Context) map[string]bool, remove func(context.Context, string)) error {
	since := map[string]time.Time{}
	tick := time.NewTicker(max(a.cfg.SweepAfter/2, 100*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if !a.isUp() {
			continue
		}
		found := find(ctx)
		maps.DeleteFunc(since, func(id string, _ time.Time) bool { return !found[id] })
		for id := range found {
			if first, known := since[id]; !known {
				since[id] = time.Now()
			} else if time.Since(first) >= a.cfg.SweepAfter {
				remove(ctx, id)
			}
		}
	}
}

// dangling says whether a capsule has containers here and no business here.
func (a *Agent) dangling(ctx context.Context, uuid string) bool {
	a.mu.Lock()
	_, served := a.workers[uuid]
	a.mu.Unlock()
	if served {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := a.cfg.Store.Capsule(ctx, uuid)
	if err == nil {
		return c.Claim.Host != "" && c.Claim.Host != a.cfg.Name
	}
	return errdefs.IsNotFound(err)
}

func (a *Agent) sweepCapsule(ctx context.Context, uuid string) {
	log := a.log.WithField("capsule", uuid)
	for _, i := range a.obs.Instances(uuid) {
		stopping, cancel := context.WithTimeout(ctx, time.Minute)
		if i.State == capsule.StateRunning && i.Container != "" {
			if err := a.cfg.Runtime.Stop(stopping, i.ID, capsule.DefaultGraceSeconds*time.Second); err != nil {
				log.WithError(err).Debug("Cannot stop a dangling container gently")
			}
		}
		err := a.exec.Remove(stopping, uuid, i.ID)
		cancel()
		if err != nil {
			log.WithError(err).Warn("Cannot remove a dangling container, trying again")
			return
		}
		log.WithField("container", i.Container).Info("Removed a container that the store does not know")
	}
	if err := a.cfg.Volumes.Remove(ctx, uuid); err != nil {
		log.WithError(err).Warn("Cannot remove the volumes of a dangling capsule")
	}
}

func (a *Agent) isSynced() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.synced
}
