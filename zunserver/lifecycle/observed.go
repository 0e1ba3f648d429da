package lifecycle

import (
	"sort"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Instance is one engine container of the capsule as the host shows it.
type Instance struct {
	ID string
	// Container is the name in the spec, empty for the sandbox.
	Container      string
	Attempt        int
	SandboxAttempt int
	// Made is the start of a standalone container that it was made for, and of another one the definition.
	Made  int64
	State capsule.State
	// Paused: it runs, and its processes are frozen.
	Paused         bool
	CreatedAt      time.Time
	StartedAt      time.Time
	FinishedAt     time.Time
	ExitCode       int
	OOM            bool
	Error          string
	Image, ImageID string
	Addresses      []string
	Network        string
	// Networks are all that a sandbox is in; nil when nobody has looked yet.
	Networks []capsule.Attachment
	// Message is the termination message of an exited container.
	Message string
}

// ran says whether the instance ever ran or was refused at its start.
func (i *Instance) ran() bool {
	return i != nil && (i.State == capsule.StateRunning || i.State == capsule.StateExited)
}

// Observed is everything the host shows of one capsule.
type Observed struct {
	Instances []Instance
	// VolumesReady: every volume of the capsule is prepared on the host.
	VolumesReady bool
	// VolumesStale: the spec's volumes are not what was prepared: files have changed.
	VolumesStale bool
	// Tried holds, by container and "" for the sandbox, the newest instance whose start was asked for. One that the host
	// does not show any more may have run, even if nobody saw it.
	Tried map[string]Instance
	// Starting holds the containers a start of which is under way.
	Starting map[string]bool
	// Overfull says which volume takes more room than it may; empty when none does.
	Overfull string
}

// of returns the instances of one container, newest attempt first.
func (o Observed) of(container string) []*Instance {
	var is []*Instance
	for i := range o.Instances {
		if o.Instances[i].Container == container {
			is = append(is, &o.Instances[i])
		}
	}
	sort.SliceStable(is, func(a, b int) bool { return is[a].Attempt > is[b].Attempt })
	return is
}

// vanished returns the instance of a container that was tried and is not shown any more, or nil.
func (o Observed) vanished(container string) *Instance {
	t, ok := o.Tried[container]
	if !ok {
		return nil
	}
	for i := range o.Instances {
		if o.Instances[i].ID == t.ID {
			return nil
		}
	}
	return &t
}

// newest returns the newest attempt of one container, or nil.
func (o Observed) newest(container string) *Instance {
	if is := o.of(container); len(is) > 0 {
		return is[0]
	}
	return nil
}

// running returns the newest attempt of one container that runs, or nil.
func (o Observed) running(container string) *Instance {
	for _, i := range o.of(container) {
		if i.State == capsule.StateRunning {
			return i
		}
	}
	return nil
}

// sandbox returns the newest sandbox, or nil.
func (o Observed) sandbox() *Instance { return o.newest("") }

// appsRunning returns the running instances that are not sandboxes.
func (o Observed) appsRunning() []*Instance {
	var is []*Instance
	for i := range o.Instances {
		if o.Instances[i].Container != "" && o.Instances[i].State == capsule.StateRunning {
			is = append(is, &o.Instances[i])
		}
	}
	return is
}

// ProbeResult is what the probes say of the newest run of a container.
type ProbeResult struct {
	// ID is the run that the result is of; a result of another run says nothing.
	ID string
	// Started: the start-up probe passed or there is none. Ready: the readiness probe passes or there is none.
	Started, Ready bool
	// Unhealthy is set, with the reason, when the liveness or the start-up probe failed for good or postStart failed:
	// the container shall be killed.
	Unhealthy string
	// GraceSeconds, when set, replaces the capsule's grace period for that kill (probe.terminationGracePeriodSeconds).
	GraceSeconds *int64
	// Failures are the newest failures by kind of probe, in a fixed order.
	Failures []capsule.ProbeFailure
}
