package upgrade

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Step is what to do about an upgrade.
type Step string

// The steps.
const (
	Wait     Step = "wait"
	TakeOver Step = "take over"
	GiveUp   Step = "give up"
)

// Verdict is a step, what people are told about it, and for Wait when to look again at the latest.
type Verdict struct {
	Step   Step
	Reason string
	At     time.Time
}

// Decide says what to do about the upgrade of a capsule whose successor is next, nil when there is no such record. It depends on
// nothing else.
func Decide(c, next *capsule.Capsule, now time.Time, settle time.Duration) Verdict {
	u := c.Upgrade
	switch {
	case next == nil || next.Deletion != nil:
		return Verdict{Step: GiveUp, Reason: "the new revision was deleted"}
	case next.Claim.Host == "" && next.Claim.Reason != "" && sharesPort(&c.Spec, &next.Spec):
		return Verdict{Step: GiveUp, Reason: "the former revision holds a host port that the new one asks for: " + next.Claim.Reason}
	}
	since, healthy := next.Healthy()
	settled := since.Add(settle)
	switch {
	case healthy && !settled.After(now):
		return Verdict{Step: TakeOver}
	case !healthy && next.Claim.Lost() == "" && next.Done():
		return Verdict{Step: GiveUp, Reason: "the new revision has ended: " + reasonOf(next)}
	case !now.Before(u.Deadline):
		return Verdict{Step: GiveUp, Reason: fmt.Sprintf("the new revision was not healthy within %s: %s", u.Deadline.Sub(u.Since).Round(time.Second),
			reasonOf(next))}
	case healthy && settled.Before(u.Deadline):
		return Verdict{Step: Wait, Reason: u.Reason, At: settled}
	default:
		return Verdict{Step: Wait, Reason: reasonOf(next), At: u.Deadline}
	}
}

// reasonOf says how a revision is.
func reasonOf(c *capsule.Capsule) string {
	status := c.Status()
	if reason := c.StatusReason(); reason != "" {
		return status + ": " + reason
	}
	for i := range c.Spec.Containers {
		name := c.Spec.Containers[i].Name
		if f := c.Facts.Container(name); status == capsule.StatusRunning && f != nil && !f.Ready {
			return fmt.Sprintf("container %s is not ready", name)
		}
	}
	return status
}

// sharesPort says whether both ask for the same port of a host.
func sharesPort(a, b *capsule.Spec) bool {
	held := map[corev1.Protocol]map[int32]bool{}
	visit(a, func(port int32, protocol corev1.Protocol) {
		if held[protocol] == nil {
			held[protocol] = map[int32]bool{}
		}
		held[protocol][port] = true
	})
	shares := false
	visit(b, func(port int32, protocol corev1.Protocol) { shares = shares || held[protocol][port] })
	return shares
}

func visit(s *capsule.Spec, host func(port int32, protocol corev1.Protocol)) {
	for _, list := range [][]capsule.ContainerSpec{s.InitContainers, s.Containers} {
		for i := range list {
			for _, p := range list[i].Ports {
				port, protocol := p.HostPort, p.Protocol
				if s.HostNetwork {
					port = p.ContainerPort
				}
				if protocol == "" {
					protocol = corev1.ProtocolTCP
				}
				if port != 0 {
					host(port, protocol)
				}
			}
		}
	}
}
