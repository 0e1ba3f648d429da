package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Advance returns the facts of the capsule after what was observed now. It changes nothing of its arguments.
// Advance of its own result and the same observation is the same facts: it may be called as often as one likes.
func Advance(c *capsule.Capsule, o Observed, probes map[string]ProbeResult, now time.Time) capsule.Facts {
	f := c.Facts
	if f.StartedAt.IsZero() {
		f.StartedAt = now
	}
	f.Sandbox = advanceSandbox(f.Sandbox, o)
	if f.Sandbox.Ready && f.Failure != nil && f.Failure.Kind != capsule.FailedVolume && f.Failure.Kind != capsule.FailedNetwork {
		f.Failure = nil
	}
	if f.Failure != nil && f.Failure.Kind == capsule.FailedNetwork && !astray(&c.Spec, o.sandbox()) {
		f.Failure = nil
	}
	f.Failure = age(f.Failure, now)
	old := c.Facts
	f.Containers = make([]capsule.ContainerFacts, 0, len(c.Spec.InitContainers)+len(c.Spec.Containers))
	for i := range c.Spec.InitContainers {
		cs := &c.Spec.InitContainers[i]
		f.Containers = append(f.Containers, advanceContainer(cs, nil, true, old.Container(cs.Name), o, probes[cs.Name], now))
	}
	for i := range c.Spec.Containers {
		cs := &c.Spec.Containers[i]
		f.Containers = append(f.Containers, advanceContainer(cs, c.StandaloneOf(cs.Name), false, old.Container(cs.Name), o, probes[cs.Name], now))
	}
	for i := range c.Spec.EphemeralContainers {
		cs := &c.Spec.EphemeralContainers[i]
		cf := advanceContainer(cs, nil, false, old.Container(cs.Name), o, ProbeResult{}, now)
		cf.Ephemeral = true
		f.Containers = append(f.Containers, cf)
	}
	if f.End == nil {
		f.End = end(c, &f, o, now)
	}
	if c.Deletion != nil && f.StoppedAt.IsZero() && len(o.appsRunning()) == 0 {
		f.StoppedAt = now
	}
	return f
}

// advanceSandbox takes over what the newest sandbox shows. The addresses of a sandbox that is gone stay: they were the
// capsule's.
func advanceSandbox(s capsule.Sandbox, o Observed) capsule.Sandbox {
	i := o.sandbox()
	if v := o.vanished(""); i == nil && v != nil && v.Attempt >= s.Attempt {
		s.ID, s.Attempt = v.ID, v.Attempt
	}
	if i == nil || i.State == capsule.StateCreated {
		s.Ready = false
		return s
	}
	s.ID, s.Attempt = i.ID, i.Attempt
	s.Ready = i.State == capsule.StateRunning
	s.StartedAt = i.StartedAt
	if s.Ready {
		s.Addresses, s.Network, s.Networks = i.Addresses, i.Network, attachments(i.Networks)
	}
	return s
}

// advanceContainer is for one container; s is nil for one that is not standalone.
func advanceContainer(cs *capsule.ContainerSpec, s *capsule.Standalone, init bool, old *capsule.ContainerFacts, o Observed,
	probe ProbeResult, now time.Time,
) capsule.ContainerFacts {
	cf := capsule.ContainerFacts{Name: cs.Name, Init: init}
	if old != nil {
		cf = *old
	}
	if cf.Definition != cs.Definition { // (kubelet: getStableKey, of which the image is a part)
		cf.Definition, cf.BackOffSeconds, cf.Failure = cs.Definition, 0, nil
	}
	for _, i := range backwards(o.of(cs.Name)) {
		if i.ran() || s != nil && i.State == capsule.StateCreated && o.running(cs.Name) == nil {
			cf = take(cf, s, i, now)
		}
	}
	if i := o.vanished(cs.Name); i != nil && (cf.Run == nil || cf.Run.Attempt < i.Attempt) {
		i.State, i.FinishedAt = capsule.StateExited, now
		cf = take(cf, s, i, now)
		cf.Run = lost(cf.Run, now)
	}
	cf.Run = lose(cf.Run, o.of(cs.Name), now)
	running := cf.Run.State() == capsule.StateRunning
	if running && s == nil && (!init || cs.Sidecar()) {
		cf.Run = redefine(cf.Run, cs, now)
	}
	if s != nil && !running && !o.Starting[cs.Name] {
		cf.Starting = s.Want.Starts
	}
	sawProbe := running && probe.ID == cf.Run.ID
	if !running {
		cf.Ready = init && !cs.Sidecar() && cf.Run.State() == capsule.StateExited && cf.Run.ExitCode == 0
		cf.Started = false
	} else if sawProbe {
		cf.Started, cf.Ready = probe.Started, probe.Started && probe.Ready && (!init || cs.Sidecar())
		cf.Unhealthy = unhealthy(cf.Unhealthy, probe.Failures, cf.Run.ID, now)
		cf.Run = stopping(cf.Run, probe.Unhealthy, now)
	}
	cf.Failure = age(cf.Failure, now)
	if was := old != nil && old.Ready; cf.Ready != was {
		cf.ReadyAt = now
	}
	return cf
}

// tellAgain is how often the failures of a probe that goes on failing are written.
const tellAgain = 10 * time.Second

// unhealthy takes over the failures that are news: those of another run and those that came a while after the last ones
// that were written.
func unhealthy(have, seen []capsule.ProbeFailure, id string, now time.Time) []capsule.ProbeFailure {
	out := have
	for _, f := range seen {
		f.RunID = id
		at := slices.IndexFunc(have, func(h capsule.ProbeFailure) bool { return h.Kind == f.Kind })
		switch {
		case at < 0:
			out = append(slices.Clone(out), f)
		case have[at].RunID != id, have[at].Count < f.Count && now.Sub(have[at].At) >= tellAgain:
			out = slices.Clone(out)
			out[at] = f
		}
	}
	return out
}

// stopping notes why the agent will end a run that its probes condemned.
func stopping(r *capsule.Run, reason string, now time.Time) *capsule.Run {
	if reason == "" || r.Stopping != nil {
		return r
	}
	s := *r
	s.Stopping = &capsule.Stopping{At: now, Reason: reason}
	return &s
}

// redefine notes that the agent will end a run that was made of an older definition.
func redefine(r *capsule.Run, cs *capsule.ContainerSpec, now time.Time) *capsule.Run {
	if r.Made >= cs.Definition || r.Redefined() {
		return r
	}
	s := *r
	s.Stopping = &capsule.Stopping{At: now, Reason: fmt.Sprintf("Container %s definition changed", cs.Name), Redefined: true}
	return &s
}

// take merges an instance that ran into the facts, oldest attempts first; of a standalone container also one that was made.
func take(cf capsule.ContainerFacts, s *capsule.Standalone, i *Instance, now time.Time) capsule.ContainerFacts {
	had := cf.Run
	switch {
	case had != nil && i.Attempt < had.Attempt:
		return cf // its time is over; what was seen of it stays
	case had != nil && had.ID == i.ID && !had.FinishedAt.IsZero() && (s == nil || !i.StartedAt.After(had.StartedAt)):
		return cf // an end is final
	}
	run := runOf(i, now)
	same := had != nil && had.ID == i.ID && (s == nil || had.StartedAt.Equal(i.StartedAt))
	switch {
	case same:
		run.Stopping, run.Resources, run.Starts, run.Made, run.Restarts = had.Stopping, had.Resources, had.Starts, had.Made, had.Restarts
		if s != nil && had.State() == capsule.StateCreated && i.State == capsule.StateExited {
			run.Starts = max(run.Starts, cf.Starting) // a start that was refused is answered
		}
	case s != nil:
		own(&cf, had, run, i)
	}
	if !same {
		if had != nil && had.ID == i.ID {
			run.Resources = had.Resources
		}
		cf = succeed(cf, s, run, now)
	}
	cf.Run = run
	return cf
}

// succeed puts the run before next where it belongs.
func succeed(cf capsule.ContainerFacts, s *capsule.Standalone, next *capsule.Run, now time.Time) capsule.ContainerFacts {
	cf.Started, cf.Ready, cf.Failure = false, false, nil
	prev := cf.Run
	if prev == nil || s != nil && prev.State() == capsule.StateCreated {
		return cf // one that was made and never started is no run to be remembered
	}
	if prev.FinishedAt.IsZero() {
		prev = lost(prev, now)
	}
	switch {
	case s != nil:
	case prev.Made < next.Made:
		cf.BackOffSeconds = 0
	default:
		cf.BackOffSeconds = backOffAfter(cf.BackOffSeconds, prev, next)
	}
	cf.Last = prev
	return cf
}

func runOf(i *Instance, now time.Time) *capsule.Run {
	r := &capsule.Run{
		ID: i.ID, Attempt: i.Attempt, SandboxAttempt: i.SandboxAttempt, Image: i.Image, ImageID: i.ImageID,
		CreatedAt: i.CreatedAt, StartedAt: i.StartedAt, Paused: i.Paused, Made: i.Made,
	}
	if i.State == capsule.StateExited {
		r.FinishedAt, r.ExitCode, r.OOM, r.Error, r.Message = i.FinishedAt, i.ExitCode, i.OOM, i.Error, i.Message
		if r.FinishedAt.IsZero() {
			r.FinishedAt = now
		}
	}
	return r
}

// lose marks a run that did not end as lost when the host does not show it any more.
func lose(r *capsule.Run, shown []*Instance, now time.Time) *capsule.Run {
	if r == nil || !r.FinishedAt.IsZero() {
		return r
	}
	for _, i := range shown {
		if i.ID == r.ID {
			return r
		}
	}
	return lost(r, now)
}

func lost(r *capsule.Run, now time.Time) *capsule.Run {
	l := *r
	l.FinishedAt, l.ExitCode, l.Lost = now, 137, true
	return &l
}

// age turns a fresh failure into one that is backing off.
func age(f *capsule.Failure, now time.Time) *capsule.Failure {
	if f == nil || f.BackingOff || now.Before(f.At.Add(fresh)) {
		return f
	}
	a := *f
	a.BackingOff = true
	return &a
}

// reasonEvicted is Kubernetes' word for what had to go because of what it took.
const reasonEvicted = "Evicted"

// end says whether the server itself has to end the capsule now.
func end(c *capsule.Capsule, f *capsule.Facts, o Observed, now time.Time) *capsule.End {
	if c.Deletion != nil || (&capsule.Capsule{Kind: c.Kind, Spec: c.Spec, Standalone: c.Standalone, Facts: *f}).Done() {
		return nil
	}
	if c.Kind == capsule.KindCapsule {
		if e := ownEnd(c, f, o, now); e != nil {
			return e
		}
	}
	if o.Overfull != "" {
		return &capsule.End{Reason: reasonEvicted, At: now, Message: o.Overfull}
	}
	return nil
}

// ownEnd is for what ends a capsule and not what its owner starts and stops.
func ownEnd(c *capsule.Capsule, f *capsule.Facts, o Observed, now time.Time) *capsule.End {
	if at := deadline(&c.Spec, f); !at.IsZero() && !now.Before(at) {
		return &capsule.End{
			Reason: "DeadlineExceeded", At: now,
			Message: fmt.Sprintf("active longer than the deadline of %d s", *c.Spec.ActiveDeadlineSeconds),
		}
	}
	sandbox := o.sandbox()
	gone := f.Sandbox.ID != "" && (sandbox == nil || sandbox.State == capsule.StateExited)
	if gone && c.Spec.RestartPolicy == capsule.RestartNever && anyRan(&c.Spec, f) {
		return &capsule.End{
			Reason: "SandboxDied", At: now,
			Message: "the sandbox of the capsule died and the restart policy is Never",
		}
	}
	return nil
}

// deadline is when the capsule has been active for too long; zero if it may run for ever.
func deadline(s *capsule.Spec, f *capsule.Facts) time.Time {
	if s.ActiveDeadlineSeconds == nil || f.StartedAt.IsZero() {
		return time.Time{}
	}
	return f.StartedAt.Add(time.Duration(*s.ActiveDeadlineSeconds) * time.Second)
}

func anyRan(s *capsule.Spec, f *capsule.Facts) bool {
	for i := range s.Containers {
		if cf := f.Container(s.Containers[i].Name); cf != nil && cf.Run != nil {
			return true
		}
	}
	return false
}

func backwards(is []*Instance) []*Instance {
	r := make([]*Instance, 0, len(is))
	for i := len(is) - 1; i >= 0; i-- {
		r = append(r, is[i])
	}
	return r
}
