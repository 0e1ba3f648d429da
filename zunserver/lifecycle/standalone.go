package lifecycle

import (
	"fmt"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// maxSandboxRestarts is how often in a row a sandbox is started again in place before another one takes its place, in which no
// container can be started again in place.
const maxSandboxRestarts = 4

// standalone plans the next step of a container that its owner starts and stops.
func (d *decision) standalone(cs *capsule.ContainerSpec, s *capsule.Standalone, sandbox *Instance) {
	cf := d.c.Facts.Container(cs.Name)
	if cf == nil {
		return
	}
	if d.c.Expired(cs.Name) {
		d.plan.add(Action{Op: Expire, Container: cs.Name, Cause: "container has ended"})
		return
	}
	i := d.o.newest(cs.Name)
	usable := i != nil && i.SandboxAttempt == sandbox.Attempt && i.Made >= s.Want.Rebuild
	switch live := d.o.running(cs.Name); {
	case live != nil:
		d.live(cs, s, cf, live, sandbox, usable)
	case !usable:
		d.remake(cs, s, cf, i, sandbox)
	case d.due(s, cf, i) && sandbox.State == capsule.StateRunning:
		if cf.Starting != s.Want.Starts || !d.mayRetry(cf.Failure) {
			return // which start it answers is written first
		}
		a := Action{Op: Start, Container: cs.Name, ID: i.ID, Attempt: i.Attempt, Starts: cf.Starting, Cause: "start asked for"}
		if i.State == capsule.StateExited {
			a.Op, a.Cause = Restart, restartCause(s, cf.Run)
		}
		d.plan.add(a)
	default:
		d.resize(cs, cf, i)
	}
}

func restartCause(s *capsule.Standalone, r *capsule.Run) string {
	if r.Starts < s.Want.Starts {
		return "start asked for"
	}
	return fmt.Sprintf("it ended with exit code %d", r.ExitCode)
}

// live brings a container that runs to what its owner wants.
func (d *decision) live(cs *capsule.ContainerSpec, s *capsule.Standalone, cf *capsule.ContainerFacts, live, sandbox *Instance, usable bool) {
	r, w := cf.Run, s.Want
	switch {
	case live.SandboxAttempt != sandbox.Attempt || live.StartedAt.Before(sandbox.StartedAt):
		d.plan.add(d.stop(live, d.now, "runs in a sandbox that is gone"))
	case r == nil || r.ID != live.ID:
		// the next look has it in the facts
	case !w.Up():
		d.plan.add(d.stop(live, d.patience(s, live), "stop asked for"))
	case live.Made < w.Rebuild && !usable:
		d.remake(cs, s, cf, live, sandbox) // before the old one goes: if it cannot be made, that one goes on
	case r.Starts < w.Starts || live.Made < w.Rebuild:
		d.plan.add(d.stop(live, d.patience(s, live), "another start asked for"))
	case (w.State == capsule.WantPaused) != live.Paused:
		a := Action{Op: Pause, Container: cs.Name, ID: live.ID, Attempt: live.Attempt, Cause: "pause asked for"}
		if live.Paused {
			a.Op, a.Cause = Unpause, "its processes are frozen"
		}
		d.plan.add(a)
	case d.health(cs, live):
	default:
		d.resize(cs, cf, live)
	}
}

// patience is when a container that its owner does not want to run any more is killed.
func (d *decision) patience(s *capsule.Standalone, i *Instance) time.Time {
	grace := d.c.Spec.Grace()
	if s.Want.GraceSeconds != nil {
		grace = *s.Want.GraceSeconds
	}
	from := s.Want.At
	if i.StartedAt.After(from) {
		from = i.StartedAt
	}
	return from.Add(time.Duration(grace) * time.Second)
}

// due says whether a container that is there and does not run shall be started now; if later, it plans to look again then.
func (d *decision) due(s *capsule.Standalone, cf *capsule.ContainerFacts, i *Instance) bool {
	r := cf.Run
	switch {
	case !s.Want.Up() || r == nil || r.ID != i.ID:
		return false
	case r.State() == capsule.StateCreated || r.Starts < s.Want.Starts:
		return true
	default:
		return s.Restarts(r) && d.waited(cf)
	}
}

// waited says whether the back-off after the end of the run is over.
func (d *decision) waited(cf *capsule.ContainerFacts) bool {
	if lasted(cf.Run) >= ownCalm {
		return true
	}
	at := cf.Run.FinishedAt.Add(time.Duration(cf.BackOffSeconds) * time.Second)
	if d.now.Before(at) {
		d.plan.wake(at)
		return false
	}
	return true
}

// remake makes the first container of the engine, or another one where the one that is there cannot be used.
func (d *decision) remake(cs *capsule.ContainerSpec, s *capsule.Standalone, cf *capsule.ContainerFacts, i, sandbox *Instance) {
	r, w := cf.Run, s.Want
	a := Action{
		Op: Create, Container: cs.Name, SandboxAttempt: sandbox.Attempt, SandboxID: sandbox.ID, Made: w.Starts,
		Cause: "container has not been made yet",
	}
	wanted := w.State != capsule.WantStopped
	switch {
	case r == nil && i == nil:
	case r == nil || r.Made < w.Rebuild:
		a.Cause = "rebuild asked for"
	case r.Lost:
		a.Cause = "the container vanished"
		wanted = s.AutoHeal || w.Up() && r.Starts < w.Starts
	case r.State() == capsule.StateExited:
		a.Cause = "it cannot be started again in its sandbox"
		wanted = w.Up() && (r.Starts < w.Starts || s.Restarts(r) && d.waited(cf))
	}
	if r != nil {
		a.Attempt = r.Attempt + 1
	}
	if i != nil {
		a.Attempt = max(a.Attempt, i.Attempt+1)
	}
	if wanted && (!needsAddress(cs) || sandbox.State == capsule.StateRunning) && d.mayRetry(cf.Failure) {
		d.plan.add(a)
	}
}

// strays ends the containers that were taken out of a sandbox.
func (d *decision) strays() {
	busy := map[string]bool{}
	for n := range d.o.Instances {
		i := &d.o.Instances[n]
		if cs, _ := d.c.Spec.Container(i.Container); cs != nil || i.Container == "" || busy[i.Container] {
			continue
		}
		busy[i.Container] = true
		if i.State == capsule.StateRunning {
			d.plan.add(d.stop(i, d.now.Add(time.Duration(d.c.Spec.Grace())*time.Second), "taken out of the sandbox"))
		} else {
			d.plan.add(removal(i, "taken out of the sandbox"))
		}
	}
}

// The back-off of standalone containers is in the manner of Docker's (daemon/…/restartmanager): the first restart is immediate,
// then a second doubling to a minute, and none again after a run of ten seconds.
const (
	ownFirst = 1
	ownMost  = 60
	ownCalm  = 10 * time.Second
)

// lasted is how long a run that has ended was.
func lasted(r *capsule.Run) time.Duration {
	if r.StartedAt.IsZero() || r.Error != "" {
		return 0
	}
	return r.FinishedAt.Sub(r.StartedAt)
}

// startError is the exit code of a run that never was (containerd's and the kubelet's StartError).
const startError = 128

// Refuse writes into the facts of a standalone container that the engine refused, with message, to start it again in place: a run
// that has ended at once. For one that was never started the engine's container itself says so. What has ended since, or runs, is
// left as it is.
func Refuse(cf *capsule.ContainerFacts, starts int64, message string, now time.Time) {
	had := cf.Run
	if had.State() != capsule.StateExited || had.Starts > starts {
		return
	}
	run := *had
	run.FinishedAt, run.ExitCode, run.Error = now, startError, message
	run.Message, run.OOM, run.Lost, run.Stopping = "", false, false, nil
	run.Starts, cf.Starting = starts, max(cf.Starting, starts)
	follow(cf, had, &run)
	cf.Last, cf.Run = had, &run
}

// own takes what only a standalone container has into its newest run, which follows prev; prev is nil for the first.
func own(cf *capsule.ContainerFacts, prev, run *capsule.Run, i *Instance) {
	run.Starts, run.Made = i.Made, i.Made
	if i.State != capsule.StateCreated {
		run.Starts = max(run.Starts, cf.Starting)
	}
	follow(cf, prev, run)
}

// follow counts the restarts, and how long the next one waits.
func follow(cf *capsule.ContainerFacts, prev, run *capsule.Run) {
	if prev == nil || prev.State() == capsule.StateCreated || prev.Starts != run.Starts || run.State() == capsule.StateCreated {
		cf.BackOffSeconds = 0
		return
	}
	run.Restarts = prev.Restarts + 1
	if cf.BackOffSeconds = min(2*cf.BackOffSeconds, ownMost); cf.BackOffSeconds < ownFirst || lasted(prev) >= ownCalm {
		cf.BackOffSeconds = ownFirst
	}
}
