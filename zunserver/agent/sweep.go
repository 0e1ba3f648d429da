package agent

import (
	"context"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// sweep removes what is ours on the host and unknown to the store, after it has been so for a while: the store is asked
// for each capsule by name, so that a list which is late removes nothing.
func (a *Agent) sweep(ctx context.Context) error {
	since := map[string]time.Time{}
	tick := time.NewTicker(max(a.cfg.SweepAfter/4, 100*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if !a.isUp() || !a.obs.Ready() || !a.isSynced() {
			continue
		}
		dangling := map[string]bool{}
		for _, uuid := range a.obs.Capsules() {
			if a.dangling(ctx, uuid) {
				dangling[uuid] = true
			}
		}
		for uuid := range since {
			if !dangling[uuid] {
				delete(since, uuid)
			}
		}
		for uuid := range dangling {
			first, ok := since[uuid]
			if !ok {
				since[uuid] = time.Now()
				continue
			}
			if time.Since(first) >= a.cfg.SweepAfter {
				a.sweepCapsule(ctx, uuid)
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
