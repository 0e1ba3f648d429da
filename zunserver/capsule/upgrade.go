package capsule

import (
	"cmp"
	"time"
)

// KindSuccessor is a record that no API shows: the next revision of a capsule while it comes up or, after the capsule has taken
// it over, the former one while it goes. Of says whose.
const KindSuccessor Kind = "successor"

// standalone says whether the owner of what is in the record starts and stops it.
func (k Kind) standalone() bool { return k == KindContainer || k == KindSandbox }

// Upgrade is a new revision of a capsule that is on its way, or that did not come about. The former one goes on meanwhile.
type Upgrade struct {
	// Successor is the UUID of the record that the new revision lives in; empty when it did not come about.
	Successor string    `json:"successor,omitempty"`
	Since     time.Time `json:"since"`
	// Deadline is when a new revision that is not healthy yet is given up.
	Deadline time.Time `json:"deadline"`
	// Hash tells the specifications of new revisions from one another. What is secret in them does not count.
	Hash string `json:"hash"`
	// Reason is what the new revision waits for.
	Reason string `json:"reason,omitempty"`
	// Failed is why it did not come about, FailedAt when that was clear.
	Failed   string    `json:"failed,omitempty"`
	FailedAt time.Time `json:"failedAt,omitzero"`
}

// sentence is what people are told of it.
func (u *Upgrade) sentence() string {
	if u.Failed != "" {
		return "upgrade failed at " + u.FailedAt.UTC().Format(time.RFC3339) + ", the former revision stays: " + u.Failed
	}
	return sentence("upgrade under way since "+u.Since.UTC().Format(time.RFC3339), u.Reason)
}

// BodyID is what the capsule is called on its host: the labels, names and directories of what it is made of there. It is the
// UUID until a new revision is taken over.
func (c *Capsule) BodyID() string { return cmp.Or(c.Body, c.UUID) }

// Embodied is the capsule under the name that it has on its host, for whoever works there: a revision is a capsule like any other.
func (c *Capsule) Embodied() *Capsule {
	if c.BodyID() == c.UUID && c.Kind != KindSuccessor {
		return c
	}
	twin := *c
	twin.UUID, twin.Body = c.BodyID(), ""
	if c.Kind == KindSuccessor {
		twin.Kind = KindCapsule
	}
	return &twin
}

// Healthy says whether everything of the capsule that shall run is running and ready, or has come to its good end, and since when.
func (c *Capsule) Healthy() (since time.Time, ok bool) {
	f := &c.Facts
	if c.Deletion != nil || f.End != nil || c.Claim.Host == "" || c.Claim.Lost() != "" || len(c.Spec.Containers) == 0 {
		return time.Time{}, false
	}
	runs := false
	for i := range c.Spec.Containers {
		cs := &c.Spec.Containers[i]
		at, running, ok := c.healthyContainer(cs, f.Container(cs.Name))
		if !ok {
			return time.Time{}, false
		}
		runs, since = runs || running, later(since, at)
	}
	for i := range c.Spec.InitContainers {
		if cs := &c.Spec.InitContainers[i]; runs && cs.Sidecar() {
			at, running, ok := c.healthyContainer(cs, f.Container(cs.Name))
			if !ok || !running {
				return time.Time{}, false
			}
			since = later(since, at)
		}
	}
	return since, true
}

func (c *Capsule) healthyContainer(cs *ContainerSpec, cf *ContainerFacts) (since time.Time, running, ok bool) {
	if cf == nil || cf.Run == nil {
		return time.Time{}, false, false
	}
	switch r := cf.Run; r.State() {
	case StateRunning:
		return later(r.StartedAt, cf.ReadyAt), true, cf.Ready && r.Stopping == nil
	case StateExited:
		return r.FinishedAt, false, r.ExitCode == 0 && r.Error == "" && !r.Lost && !c.Spec.Again(cs, false, r)
	default:
		return time.Time{}, false, false
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
