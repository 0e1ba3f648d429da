package api

import (
	"fmt"
	"net/http"

	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// stats is GET /v1/capsules/stats: all capsules that the caller would list, in one answer.
func (a *api) stats(c *call) error {
	visible, err := c.scope()
	if err != nil {
		return err
	}
	all, _, err := a.Capsules.Capsules(c.r.Context())
	if err != nil {
		return fmt.Errorf("list capsules: %w", err)
	}
	own := make([]*capsule.Capsule, 0, len(all))
	for _, one := range all {
		if visible(one) && auth.Allowed(auth.CapsuleStats, c.caller, one.Project) == nil {
			own = append(own, one)
		}
	}
	report := a.Stats.Stats(c.r.Context(), own)
	if auth.Allowed(auth.HostGetAll, c.caller, "") != nil {
		report.Hosts, report.Incomplete = nil, nil
	}
	return c.json(http.StatusOK, report)
}
