package capsules

import (
	"fmt"
	"net/http"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// stats is GET /v1/capsules/stats: all capsules that the caller would list, in one answer.
func (r *Resource) stats(c *rest.Call) error {
	visible, err := scope(c)
	if err != nil {
		return err
	}
	all, _, err := r.Backend.Capsules(c.R.Context())
	if err != nil {
		return fmt.Errorf("list capsules: %w", err)
	}
	own := make([]*capsule.Capsule, 0, len(all))
	for _, one := range all {
		if visible(one) && auth.Allowed(auth.CapsuleStats, c.Caller, one.Project) == nil {
			own = append(own, one)
		}
	}
	report := r.Stats.Stats(c.R.Context(), own)
	if auth.Allowed(auth.HostGetAll, c.Caller, "") != nil {
		report.Hosts, report.Incomplete = nil, nil
	}
	return c.JSON(http.StatusOK, report)
}
