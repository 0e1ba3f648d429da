package scheduler

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// awayAfter is how long a host has to be away before its capsules count as lost (Kubernetes: node-monitor-grace-period, 40 s,
// after which a node's Pods are not ready). Engines are back sooner after an upgrade.
const awayAfter = 40 * time.Second

// away is why the capsules of a host are lost now, nil when they are not. A host without a record counts from when this
// scheduler first missed it.
func (s *Scheduler) away(name string, now time.Time) *capsule.Away {
	h, ok := s.hosts[name]
	since, what := h.Since, fmt.Sprintf("the container engine of host %s does not answer", name)
	if !ok {
		if s.missed[name].IsZero() {
			s.missed[name] = now
		}
		since, what = s.missed[name], fmt.Sprintf("host %s has no agent: no server that runs has it in its configuration", name)
	} else {
		delete(s.missed, name)
	}
	if ok && h.Up || now.Sub(since) < s.awayAfter {
		return nil
	}
	return &capsule.Away{Since: since, Message: fmt.Sprintf("%s since %s. The capsule may go on there. "+
		"A delete with force gives it up: its record goes now and its containers when the host is back",
		what, since.UTC().Format(time.RFC3339))}
}

// tend says of the capsules of hosts that are away that nobody knows how they are, and gives up those that shall go by
// force. It is false when a write has to be repeated.
func (s *Scheduler) tend(ctx context.Context, now time.Time) bool {
	done, hosts := true, map[string]*capsule.Away{}
	for _, c := range s.capsules {
		name := c.Claim.Host
		if name == "" {
			continue
		}
		if _, ok := hosts[name]; !ok {
			hosts[name] = s.away(name, now)
		}
		if err := s.tendOne(ctx, c, hosts[name], now); err != nil {
			s.log.WithField("capsule", c.UUID).WithField("host", name).WithField("cause", err).Warn("Capsule of a host that is away cannot be marked")
			done = false
		}
	}
	return done
}

func (s *Scheduler) tendOne(ctx context.Context, c *capsule.Capsule, away *capsule.Away, now time.Time) error {
	was := c.Claim.Away
	var written *capsule.Capsule
	var err error
	switch {
	case away != nil && c.Deletion != nil && c.Deletion.Force:
		if err = s.store.RemoveCapsule(ctx, c.UUID); err == nil {
			s.log.WithField("capsule", c.UUID).WithField("host", c.Claim.Host).Warn("Capsule given up by force, its host is away")
			delete(s.capsules, c.UUID)
			return nil
		}
	case away != nil && c.Claim.Lost() == "":
		written, err = s.store.MarkAway(ctx, c.UUID, c.Claim.Host, away)
	case away == nil && c.Claim.Lost() != "" && s.back(c.Claim.Host):
		over := *was
		over.Until = now
		written, err = s.store.MarkAway(ctx, c.UUID, c.Claim.Host, &over)
	default:
		return nil
	}
	if errdefs.IsNotFound(err) || errdefs.IsFailedPrecondition(err) {
		return nil // the event with the truth is on its way
	}
	if err == nil && written != nil {
		s.learn(written)
	}
	return err
}

// back says whether a host answers.
func (s *Scheduler) back(name string) bool {
	h, ok := s.hosts[name]
	return ok && h.Up
}
