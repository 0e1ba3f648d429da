package capsule

import (
	"slices"
	"time"
)

// judgeStandalone is judgeContainer for a container that its owner starts and stops, with what is being done.
func (c *Capsule) judgeStandalone(s *Standalone, cf *ContainerFacts) (status, reason, task string) {
	var r *Run
	var f *Failure
	if cf != nil {
		r, f = cf.Run, cf.Failure
	}
	switch {
	case s.Want.State != WantStopped && (r == nil || r.Made < s.Want.Rebuild):
		return s.making(r, f)
	case r == nil:
		return StatusStopped, "", ""
	case r.State() == StateRunning:
		return s.running(r, f)
	case r.State() == StateCreated:
		status = StatusCreated
		if s.Want.Up() {
			task = TaskContainerStarting
		}
		if f != nil && f.Kind != FailedResize {
			status, reason = failingAs(status, f), f.Message
		}
		return status, reason, task
	default:
		return s.ended(r, f)
	}
}

// making is while the engine's container is made, for the first time or for a rebuild.
func (s *Standalone) making(r *Run, f *Failure) (status, reason, task string) {
	status, task = StatusCreating, TaskContainerCreating
	if r != nil {
		status, task = StatusRebuilding, TaskContainerRebuilding
	}
	if f == nil {
		return status, "", task
	}
	if f.Kind == FailedPull {
		task = TaskImagePulling
	}
	return failingAs(status, f), f.Message, task
}

func (s *Standalone) running(r *Run, f *Failure) (status, reason, task string) {
	status = StatusRunning
	if r.Paused {
		status = StatusPaused
	}
	switch {
	case !s.Want.Up():
		task = TaskContainerStopping
	case r.Starts < s.Want.Starts:
		task = TaskContainerRebooting
	case s.Want.State == WantPaused && !r.Paused:
		task = TaskContainerPausing
	case s.Want.State == WantRunning && r.Paused:
		task = TaskContainerUnpausing
	}
	if f != nil {
		reason = f.Message
	}
	return status, reason, task
}

// ended is after a run: by itself, because its owner asked for it, or on the way to another one.
func (s *Standalone) ended(r *Run, f *Failure) (status, reason, task string) {
	asked := s.Want.Up() && r.Starts < s.Want.Starts
	switch {
	case asked && r.FinishedAt.After(s.Want.At) && !r.Lost:
		status, task = StatusRestarting, TaskContainerRebooting
	case asked:
		status, task = StatusStopped, TaskContainerStarting
	case s.Want.Up() && s.Restarts(r):
		status, reason = StatusRestarting, ending(r)
	case r.Error != "" || r.Lost:
		return StatusError, ending(r), ""
	default:
		return StatusStopped, ending(r), ""
	}
	if f != nil && f.Kind != FailedResize {
		status, reason = failingAs(status, f), f.Message
	}
	return status, reason, task
}

// failingAs is the word for an operation that is retried, until it is backing off: then it is Error.
func failingAs(status string, f *Failure) string {
	if f.BackingOff {
		return StatusError
	}
	return status
}

// judgeSandbox is the word for how the sandbox itself is: what is in it does not count.
func (c *Capsule) judgeSandbox() string {
	switch f := &c.Facts; {
	case f.Sandbox.Ready:
		return StatusRunning
	case f.Sandbox.ID != "":
		return StatusRestarting
	default:
		return StatusCreating
	}
}

// moving is the task of a sandbox that is being put into networks or taken out of them.
func (c *Capsule) moving() string {
	s, wanted := &c.Facts.Sandbox, map[string]bool{}
	if !s.Ready || c.Spec.HostNetwork {
		return ""
	}
	for _, n := range c.Spec.SandboxNets() {
		name := EngineNetwork(n.Network)
		wanted[name] = true
		in := slices.ContainsFunc(s.Networks, func(a Attachment) bool { return a.Network == name })
		if !in && len(c.Spec.Nets) > 0 { // an engine may be without the bridge that nobody asked for
			return TaskNetworkAttaching
		}
	}
	if slices.ContainsFunc(s.Networks, func(a Attachment) bool { return !wanted[a.Network] }) {
		return TaskNetworkDetaching
	}
	return ""
}

// standaloneStatus is ContainerStatus for a standalone container.
func (c *Capsule) standaloneStatus(own *Standalone, cf *ContainerFacts, now time.Time) ContainerStatus {
	var s ContainerStatus
	s.Status, s.Reason, s.TaskState = c.judgeStandalone(own, cf)
	if cf != nil {
		s.Detail = cf.StatusDetail(now)
	}
	if status, reason, ok := c.judgeWhole(); ok {
		s.Status, s.Reason, s.TaskState = status, reason, ""
		if c.Deletion != nil {
			s.TaskState = TaskContainerDeleting
		}
	} else if s.TaskState == "" {
		s.TaskState = c.moving()
	}
	return s
}
