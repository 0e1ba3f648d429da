package capsule

import (
	"cmp"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Zun's words for the status of capsules and containers (zun/common/consts.py) that are used here.
const (
	StatusCreating   = "Creating"
	StatusCreated    = "Created"
	StatusRunning    = "Running"
	StatusRestarting = "Restarting"
	StatusPaused     = "Paused"
	StatusStopped    = "Stopped"
	StatusRebuilding = "Rebuilding"
	StatusError      = "Error"
	StatusDeleting   = "Deleting"
	StatusUnknown    = "Unknown"
)

// Zun's words for what is being done (zun/common/consts.py, task states) that are used here.
const (
	TaskImagePulling      = "image_pulling"
	TaskContainerCreating = "container_creating"
	TaskContainerStarting = "container_starting"
	TaskContainerDeleting = "container_deleting"

	TaskContainerStopping   = "container_stopping"
	TaskContainerRebooting  = "container_rebooting"
	TaskContainerRebuilding = "container_rebuilding"
	TaskContainerPausing    = "container_pausing"
	TaskContainerUnpausing  = "container_unpausing"

	TaskNetworkAttaching = "network_attaching"
	TaskNetworkDetaching = "network_detaching"
)

// Status is the capsule's status in Zun's words, but true at any time, where Zun's stays what it was after creation:
//
//	Deleting    a delete was asked for
//	Error       the server ended it; or a container ended badly and nothing is left that runs or will; or what keeps it
//	            from coming up has failed again and again (it is still retried)
//	Creating    a container has not run yet, for lack of a host too
//	Unknown     its host has been away for long
//	Restarting  a container waits for its next attempt
//	Running     everything runs that has not come to its good end
//	Stopped     all containers have ended with 0 and none will run again
//
// That of a standalone container is its container's, where the end of a run is Stopped whatever its exit code, and Paused,
// Created and Rebuilding are known too; that of a sandbox says how the sandbox itself is.
func (c *Capsule) Status() string {
	status, _ := c.judge()
	return status
}

// StatusReason says for people why Status is what it is; empty when there is nothing to say.
func (c *Capsule) StatusReason() string {
	_, reason := c.judge()
	if u := c.Upgrade; u != nil && c.Deletion == nil {
		if reason != "" {
			reason += "; "
		}
		reason += u.sentence()
	}
	return reason
}

// TaskState is what is being done with the capsule as a whole, empty for nothing.
func (c *Capsule) TaskState() string {
	switch {
	case c.Deletion != nil:
		return TaskContainerDeleting
	case c.Kind == KindContainer && len(c.Spec.Containers) == 1:
		return c.ContainerStatus(c.Spec.Containers[0].Name, time.Time{}).TaskState
	case c.Status() == StatusCreating && c.Claim.Host != "":
		return TaskContainerCreating
	default:
		return ""
	}
}

func (c *Capsule) judge() (status, reason string) {
	if status, reason, ok := c.judgeWhole(); ok {
		return status, reason
	}
	f := &c.Facts
	switch c.Kind {
	case KindSandbox:
		return c.judgeSandbox(), ""
	case KindContainer:
		if len(c.Standalone) == 1 {
			status, reason, _ = c.judgeStandalone(&c.Standalone[0], f.Container(c.Standalone[0].Container))
			return status, reason
		}
	}
	for i := range c.Spec.InitContainers {
		cs := &c.Spec.InitContainers[i]
		cf := f.Container(cs.Name)
		if cf == nil || cf.Run.State() != StateExited || cf.Run.ExitCode == 0 || c.Spec.Restarts(cs, true, cf.Run.ExitCode) {
			continue
		}
		return StatusError, fmt.Sprintf("init container %s ended with exit code %d", cs.Name, cf.Run.ExitCode)
	}
	return c.judgeContainers()
}

// judgeWhole is for what concerns the capsule as a whole; ok is false when there is nothing of the kind.
func (c *Capsule) judgeWhole() (status, reason string, ok bool) {
	f := &c.Facts
	switch {
	case c.Deletion != nil:
		return StatusDeleting, c.Claim.Lost(), true
	case f.End != nil:
		return StatusError, sentence(f.End.Reason, f.End.Message), true
	case c.Claim.Host == "":
		if c.Claim.Reason != "" && c.Kind.standalone() {
			// Zun gives up then; here it lasts until there is a host. A capsule is like a pod, which is pending.
			return StatusError, "There are not enough hosts available. " + c.Claim.Reason, true
		}
		return StatusCreating, c.Claim.Reason, true
	case c.Claim.Lost() != "":
		return StatusUnknown, c.Claim.Lost(), true
	case f.Failure != nil && !f.Sandbox.Ready && c.Kind.standalone():
		return failingAs(c.judgeSandbox(), f.Failure), f.Failure.Message, true
	case f.Failure != nil && !f.Sandbox.Ready:
		return failing(f.Failure), f.Failure.Message, true
	}
	return "", "", false
}

// judgeContainers finds the word that matters most. Init containers count while they keep the others from running; those that were put
// into the capsule are their owner's matter.
func (c *Capsule) judgeContainers() (status, reason string) {
	found, bad := map[string]string{}, ""
	for i := range c.Spec.Containers {
		cs := &c.Spec.Containers[i]
		if c.StandaloneOf(cs.Name) != nil {
			continue
		}
		cf := c.Facts.Container(cs.Name)
		s, r := c.judgeContainer(cs, cf, false)
		switch {
		case s == StatusCreated:
			s = StatusCreating
		case s != StatusRestarting && cf != nil && cf.Run.State() == StateExited:
			if cf.Run.ExitCode != 0 && bad == "" {
				bad = fmt.Sprintf("container %s: %s", cs.Name, r)
			}
			s, r = StatusStopped, "" // a bad end counts when nothing else runs any more
		}
		found[s] = cmp.Or(found[s], r)
	}
	if _, waits := found[StatusCreating]; waits {
		for i := range c.Spec.InitContainers {
			cs := &c.Spec.InitContainers[i]
			s, r := c.judgeContainer(cs, c.Facts.Container(cs.Name), true)
			if s != StatusStopped && s != StatusRunning && r != "" {
				return s, fmt.Sprintf("init container %s: %s", cs.Name, r)
			}
		}
	}
	for _, s := range []string{StatusError, StatusCreating, StatusRestarting, StatusRunning} {
		if r, ok := found[s]; ok {
			return s, r
		}
	}
	if bad != "" {
		return StatusError, bad
	}
	return StatusStopped, ""
}

// judgeContainer returns the container's word and its reason. cf may be nil.
func (c *Capsule) judgeContainer(cs *ContainerSpec, cf *ContainerFacts, init bool) (status, reason string) {
	if cf == nil || cf.Run == nil {
		if cf != nil && cf.Failure != nil {
			return failing(cf.Failure), cf.Failure.Message
		}
		return StatusCreating, ""
	}
	r := cf.Run
	switch r.State() {
	case StateRunning:
		return StatusRunning, ""
	case StateCreated:
		if cf.Failure != nil {
			return failing(cf.Failure), cf.Failure.Message
		}
		return StatusCreated, ""
	}
	reason = ending(r)
	if c.Deletion == nil && c.Facts.End == nil && c.Spec.Again(cs, init, r) {
		if cf.Failure != nil {
			return StatusRestarting, cf.Failure.Message
		}
		return StatusRestarting, reason
	}
	if r.Error != "" || r.Lost {
		return StatusError, reason
	}
	return StatusStopped, reason
}

// failing is the word for an operation that is retried.
func failing(f *Failure) string {
	if f.BackingOff {
		return StatusError
	}
	return StatusCreating
}

// ending says how a run ended; empty for a good end.
func ending(r *Run) string {
	switch {
	case r.Error != "":
		return r.Error
	case r.Lost:
		return "the container vanished before its end was seen"
	case r.OOM:
		return "out of memory: killed by the kernel"
	case r.ExitCode != 0:
		return fmt.Sprintf("ended with exit code %d", r.ExitCode)
	default:
		return ""
	}
}

func sentence(reason, message string) string {
	if reason == "" || message == "" {
		return cmp.Or(reason, message)
	}
	return reason + ": " + message
}

// ContainerStatus are Zun's words for one container of a capsule; what does not apply is empty.
type ContainerStatus struct {
	Status    string
	Reason    string
	TaskState string
	// Detail is like "Up 5 seconds" or "Exited(0) 2 mins ago ".
	Detail string
}

// ContainerStatus derives the words for the container called name; Unknown if the spec has none of this name.
func (c *Capsule) ContainerStatus(name string, now time.Time) ContainerStatus {
	cs, init := c.Spec.Container(name)
	if cs == nil {
		return ContainerStatus{Status: StatusUnknown}
	}
	cf := c.Facts.Container(name)
	var s ContainerStatus
	if own := c.StandaloneOf(name); own != nil {
		return c.standaloneStatus(own, cf, now)
	}
	s.Status, s.Reason = c.judgeContainer(cs, cf, init)
	if lost := c.Claim.Lost(); lost != "" && s.Status == StatusRunning {
		s.Status, s.Reason = StatusUnknown, lost
	}
	if cf != nil {
		s.Detail = cf.StatusDetail(now)
	}
	switch {
	case c.Deletion != nil:
		s.TaskState = TaskContainerDeleting
	case cf != nil && cf.Failure != nil && cf.Failure.Kind == FailedPull:
		s.TaskState = TaskImagePulling
	case s.Status == StatusCreating && c.Claim.Host != "" && c.Facts.End == nil && c.Facts.Failure == nil:
		s.TaskState = TaskContainerCreating
	case s.Status == StatusCreated:
		s.TaskState = TaskContainerStarting
	}
	return s
}

// StatusDetail is Zun's line about the newest attempt at the time now, as in "Up 5 seconds", "Exited(0) 2 mins ago ",
// "Created"; empty before there is one (zun/container/docker/driver.py, _populate_container).
func (f *ContainerFacts) StatusDetail(now time.Time) string {
	switch f.Run.State() {
	case StateRunning:
		up := "Up " + lasting(now.Sub(f.Run.StartedAt))
		if f.Run.Paused {
			up += " (paused)"
		}
		return up
	case StateExited:
		return fmt.Sprintf("Exited(%d) %s ago ", f.Run.ExitCode, lasting(now.Sub(f.Run.FinishedAt)))
	case StateCreated:
		return StatusCreated
	default:
		return ""
	}
}

// lasting prints the largest unit of a duration only.
func lasting(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%d mins", d/time.Minute)
	default:
		return fmt.Sprintf("%d seconds", max(d, 0)/time.Second)
	}
}

// CPU is what the container asks for in thousandths of a core, Memory in bytes: the request, or the limit where there is
// no request, or 0.
func (s *ContainerSpec) CPU() int64 {
	q := s.asks(corev1.ResourceCPU)
	return q.MilliValue()
}

// Memory is what the container asks for in bytes; see CPU.
func (s *ContainerSpec) Memory() int64 {
	q := s.asks(corev1.ResourceMemory)
	return q.Value()
}

// CPU is what the capsule asks for in thousandths of a core: the sum over what runs side by side, or what one init
// container asks for when that is more.
func (s *Spec) CPU() int64 {
	if q, ok := s.Asked(corev1.ResourceCPU); ok {
		return q.MilliValue()
	}
	return s.total((*ContainerSpec).CPU)
}

// Memory is what the capsule asks for in bytes; see CPU.
func (s *Spec) Memory() int64 {
	if q, ok := s.Asked(corev1.ResourceMemory); ok {
		return q.Value()
	}
	return s.total((*ContainerSpec).Memory)
}

func (s *Spec) total(of func(*ContainerSpec) int64) int64 {
	var sidecars, once, sum int64
	for i := range s.InitContainers {
		if cs := &s.InitContainers[i]; cs.Sidecar() {
			sidecars += of(cs)
		} else {
			once = max(once, sidecars+of(cs))
		}
	}
	for i := range s.Containers {
		sum += of(&s.Containers[i])
	}
	return max(once, sidecars+sum)
}

func (s *ContainerSpec) asks(name corev1.ResourceName) resource.Quantity {
	if q, ok := s.Resources.Requests[name]; ok {
		return q
	}
	return s.Resources.Limits[name]
}
