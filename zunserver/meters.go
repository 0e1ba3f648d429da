package zunserver

import (
	"context"
	"maps"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/agent"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// meters gathers the statistics of all agents.
type meters struct {
	agents map[string]*agent.Agent
	log    *logrus.Entry
}

// Stats implements capsules.Stats of the API.
func (m meters) Stats(ctx context.Context, of []*capsule.Capsule) capsule.StatsReport {
	report := capsule.StatsReport{Capsules: []capsule.Stats{}}
	lacking := map[string]bool{}
	lacks := func(host string, err error) {
		lacking[host] = true
		if !errdefs.IsNotImplemented(err) {
			m.log.WithError(err).WithField("host", host).Debug("Cannot read statistics")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.agents)) {
		h, err := m.agents[name].HostStats()
		if err != nil {
			lacks(name, err)
			continue
		}
		report.Hosts = append(report.Hosts, h)
	}
	for _, c := range of {
		if ctx.Err() != nil || c.Claim.Host == "" {
			continue
		}
		a, err := streams{m.agents}.of(c)
		if err != nil {
			lacks(c.Claim.Host, err)
			continue
		}
		s, err := a.Stats(c)
		switch {
		case errdefs.IsNotFound(err): // it does not run
		case err != nil:
			lacks(c.Claim.Host, err)
		default:
			report.Capsules = append(report.Capsules, s)
		}
	}
	report.Incomplete = slices.Sorted(maps.Keys(lacking))
	return report
}
