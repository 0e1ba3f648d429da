package agent

import (
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Stats returns what a capsule of this host uses. NotFound: nothing of it runs; NotImplemented: this host cannot tell.
func (a *Agent) Stats(c *capsule.Capsule) (capsule.Stats, error) {
	a.asked.Store(time.Now().UnixNano())
	here := c.Embodied()
	s, err := a.meters.Capsule(here, a.obs.Running(here.UUID))
	s.UUID, s.Probes, s.Storage = c.UUID, a.probes.Counts(here.UUID), a.storage(here.UUID)
	return s, err
}

func (a *Agent) storage(uuid string) *capsule.Storage {
	a.mu.Lock()
	w := a.workers[uuid]
	a.mu.Unlock()
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.storage
}

// HostStats returns what the whole host uses; NotImplemented: it cannot tell.
func (a *Agent) HostStats() (capsule.HostStats, error) { return a.meters.Host(a.cfg.Name) }
