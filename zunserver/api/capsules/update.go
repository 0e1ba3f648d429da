package capsules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

// upgradeSeconds is how long a new revision gets to be healthy (Kubernetes: a Deployment's progressDeadlineSeconds), maxUpgradeSeconds
// the longest that a caller may give it.
const upgradeSeconds, maxUpgradeSeconds = 600, 24 * 60 * 60

// revision is what a PATCH asks for.
type revision struct {
	spec     capsule.Spec
	upgrades bool // what cannot change in place may be an upgrade
	timeout  time.Duration
	now      time.Time
	caller   *rest.Call
}

// updateCapsule is PATCH /v1/capsules/{id}: the body has the whole new template, as for POST. What of a capsule may change in place
// is taken over. Any other difference is an upgrade, and replaces one that is under way; with upgrade=false images change in place
// too, where their containers are made again, and what else differs is refused by the name of its field, and nothing changes then.
func (r *Resource) updateCapsule(c *rest.Call) error {
	one, err := r.find(c, auth.CapsuleUpdate)
	if err != nil {
		return err
	}
	next, err := r.readRevision(c, one)
	if err != nil {
		return err
	}
	updated, err := r.revise(c, one, next)
	if errdefs.IsNotFound(err) {
		return rest.NotFound(c.R.PathValue("id"))
	}
	if err != nil {
		return fmt.Errorf("update capsule %s: %w", one.UUID, err)
	}
	status := http.StatusOK
	if updated.Upgrade != nil && updated.Upgrade.Successor != "" {
		status = http.StatusAccepted
	}
	return c.JSON(status, r.show(c, updated))
}

func (r *Resource) readRevision(c *rest.Call, one *capsule.Capsule) (next revision, err error) {
	spec, uid, err := r.readSpec(c)
	if err != nil {
		return next, err
	}
	if uid != "" && uid != one.UUID {
		return next, rest.InvalidValue("Invalid value for template.metadata.uid: the capsule is %s", one.UUID)
	}
	giveUUIDs(spec.InitContainers, one.UUID)
	giveUUIDs(spec.Containers, one.UUID)
	giveUUIDs(spec.EphemeralContainers, one.UUID)
	next = revision{spec: spec, upgrades: true, now: r.Now().UTC(), caller: c}
	if c.R.URL.Query().Has("upgrade") {
		if next.upgrades, err = c.Flag("upgrade"); err != nil {
			return next, err
		}
	}
	seconds, given, err := c.Number("timeout", 1)
	if !given {
		seconds = upgradeSeconds
	}
	if seconds > maxUpgradeSeconds {
		err = rest.InvalidValue("Invalid value for timeout: %d is greater than the maximum of %d", seconds, maxUpgradeSeconds)
	}
	next.timeout = time.Duration(seconds) * time.Second
	return next, err
}

// revise asks for the revision. One that an upgrade under way can take over in place goes on with that.
func (r *Resource) revise(c *rest.Call, one *capsule.Capsule, next revision) (*capsule.Capsule, error) {
	if u := one.Upgrade; u != nil && u.Successor != "" && next.upgrades {
		_, err := r.Backend.UpdateSpec(c.R.Context(), u.Successor, func(s *capsule.Spec) error {
			mine, frozen, err := next.against(s, func(*capsule.Spec) {})
			if err == nil && len(frozen) > 0 {
				err = errAnother
			}
			if err == nil {
				s.Adopt(mine, false)
			}
			return err
		})
		switch {
		case err == nil:
			return r.Backend.Capsule(c.R.Context(), one.UUID)
		case !errdefs.IsFailedPrecondition(err) && !errdefs.IsNotFound(err): // another one, or it is over
			return nil, err
		}
	}
	return r.Backend.ReviseCapsule(c.R.Context(), one.UUID, next.plan)
}

var errAnother = fmt.Errorf("this is another revision: %w", errdefs.ErrFailedPrecondition)

// against is the revision with what the view of s hides, and the fields in which it cannot be adopted by s. Ephemeral containers, which
// are added to what is there, do not make a revision another one by being left out, nor do those that admit adds.
func (n *revision) against(s *capsule.Spec, admit func(*capsule.Spec)) (mine *capsule.Spec, frozen []string, err error) {
	if mine, err = n.spec.Clone(); err != nil {
		return nil, nil, err
	}
	admit(mine)
	if n.upgrades && len(mine.EphemeralContainers) == 0 {
		mine.EphemeralContainers = s.EphemeralContainers
	}
	s.Unmask(mine)
	frozen, err = s.Frozen(mine, !n.upgrades)
	return mine, frozen, err
}

// plan changes the capsule in place, or makes the record of its next revision.
func (n *revision) plan(c *capsule.Capsule) (*capsule.Capsule, error) {
	mine, frozen, err := n.against(&c.Spec, c.Admit)
	if err != nil {
		return nil, err
	}
	if len(frozen) == 0 {
		added := capsule.Spec{EphemeralContainers: mine.EphemeralContainers}
		if err := refusePowers(n.caller, &added); err != nil {
			return nil, err
		}
		c.Spec.Adopt(mine, !n.upgrades)
		if n.upgrades {
			c.Upgrade = nil // what is there is wanted: an upgrade under way is called off
		}
		return nil, nil //nolint:nilnil // no successor
	}
	if !n.upgrades || c.Kind != capsule.KindCapsule {
		return nil, rest.InvalidValue("template.%s cannot be changed while the capsule lives; without upgrade=false this is an upgrade",
			strings.Join(frozen, ", template."))
	}
	if guests := c.Guests(); len(guests) > 0 {
		return nil, rest.Refuse(http.StatusConflict, "invalid-state-exception", "An upgrade of capsule %s would end the containers that were put into it: "+
			"delete %s first, or change only what can be changed in place (template.%s cannot)", c.UUID, strings.Join(guests, ", "), strings.Join(frozen, ", template."))
	}
	for _, path := range frozen {
		if path == "metadata.name" || strings.HasPrefix(path, "metadata.annotations") {
			return nil, rest.InvalidValue("template.%s cannot be changed: it stays over all revisions", path)
		}
	}
	if err := refusePowers(n.caller, mine); err != nil {
		return nil, err
	}
	mine.EphemeralContainers = nil
	hash, err := hashOf(mine)
	if err != nil {
		return nil, err
	}
	next := &capsule.Capsule{
		UUID: uuid.NewString(), Kind: capsule.KindSuccessor, Of: c.UUID, Project: c.Project, User: c.User, Spec: *mine, CreatedAt: n.now,
	}
	c.Upgrade = &capsule.Upgrade{Successor: next.UUID, Since: n.now, Deadline: n.now.Add(n.timeout), Hash: hash}
	return next, nil
}

// hashOf tells specifications from one another by what may be shown of them.
func hashOf(s *capsule.Spec) (string, error) {
	doc, err := template.Encode(view.Native(&capsule.Capsule{Spec: *s}).Spec, "")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:8]), nil
}
