package capsule

import "cmp"

// The words of the specification of container composition for the life of a capsule. Zun never used them; Deleting and Unknown are
// those of its status.
const (
	PhaseStarting = "Starting" // one or more containers have not run yet
	PhaseRunning  = "Running"
	PhaseFinished = "Finished" // all containers have ended well
	PhaseFailed   = "Failed"   // it has ended badly, or cannot come up
)

// Phase is where the capsule is in its life.
func (c *Capsule) Phase() string {
	switch status := c.Status(); status {
	case StatusCreating, StatusCreated:
		return PhaseStarting
	case StatusRunning, StatusRestarting:
		return PhaseRunning
	case StatusStopped:
		return PhaseFinished
	case StatusError:
		return PhaseFailed
	default:
		return status
	}
}

// Message says for people why the capsule is in its phase: what a container that ended badly left to say, or what is known otherwise.
func (c *Capsule) Message() string {
	if c.Phase() != PhaseFailed || c.Facts.End != nil {
		return c.StatusReason()
	}
	for i := range c.Facts.Containers {
		if r := c.Facts.Containers[i].Run; r.State() == StateExited && r.ExitCode != 0 && !c.Facts.Containers[i].Ephemeral {
			return cmp.Or(r.Message, c.StatusReason())
		}
	}
	return c.StatusReason()
}
