package capsules

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// updateCapsule is PATCH /v1/capsules/{id}: the body has the whole new template, as for POST. What of a capsule may change
// is taken over; any other difference is refused by the name of its field, and nothing changes then.
func (r *Resource) updateCapsule(c *rest.Call) error {
	one, err := r.find(c, auth.CapsuleUpdate)
	if err != nil {
		return err
	}
	next, uid, err := readSpec(c)
	if err != nil {
		return err
	}
	if uid != "" && uid != one.UUID {
		return rest.InvalidValue("Invalid value for template.metadata.uid: the capsule is %s", one.UUID)
	}
	added := capsule.Spec{EphemeralContainers: next.EphemeralContainers}
	if err := refusePowers(c, &added); err != nil {
		return err
	}
	giveUUIDs(next.EphemeralContainers, one.UUID)
	updated, err := r.Backend.UpdateSpec(c.R.Context(), one.UUID, func(s *capsule.Spec) error {
		mine, err := next.Clone()
		if err != nil {
			return err
		}
		s.Unmask(mine)
		frozen, err := s.Frozen(mine)
		if err != nil {
			return err
		}
		if len(frozen) > 0 {
			return rest.InvalidValue("template.%s cannot be changed while the capsule lives: an upgrade with rollback is not there yet; "+
				"delete the capsule and create it again", strings.Join(frozen, ", template."))
		}
		s.Adopt(mine)
		return nil
	})
	if errdefs.IsNotFound(err) {
		return rest.NotFound(c.R.PathValue("id"))
	}
	if err != nil {
		return fmt.Errorf("update capsule %s: %w", one.UUID, err)
	}
	return c.JSON(http.StatusOK, r.show(c, updated))
}
