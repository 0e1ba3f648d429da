package agent

import "github.com/capsulet/capsulet/zunserver/capsule"

// Stats returns what a capsule of this host uses. NotFound: nothing of it runs; NotImplemented: this host cannot tell.
func (a *Agent) Stats(c *capsule.Capsule) (capsule.Stats, error) {
	here := c.Embodied()
	s, err := a.meters.Capsule(here, a.obs.Running(here.UUID))
	s.UUID, s.Probes = c.UUID, a.probes.Counts(here.UUID)
	return s, err
}

// HostStats returns what the whole host uses; NotImplemented: it cannot tell.
func (a *Agent) HostStats() (capsule.HostStats, error) { return a.meters.Host(a.cfg.Name) }
