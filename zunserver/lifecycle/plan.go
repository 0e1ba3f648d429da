package lifecycle

import (
	"fmt"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Decide returns what may be done now for a capsule whose facts are those that Advance returned and that are stored.
func Decide(c *capsule.Capsule, o Observed, probes map[string]ProbeResult, now time.Time) Plan {
	d := decision{c: c, o: o, probes: probes, now: now}
	switch {
	case c.Deletion != nil:
		d.remove()
	case c.Done():
		d.finish()
	default:
		d.up()
	}
	return d.plan
}

// decision is one run of Decide.
type decision struct {
	c      *capsule.Capsule
	o      Observed
	probes map[string]ProbeResult
	now    time.Time
	plan   Plan
}

// remove takes the capsule down for good.
func (d *decision) remove() {
	if d.stopApps(d.c.Deletion.Deadline(), "capsule deleted") {
		return
	}
	if d.c.Facts.StoppedAt.IsZero() {
		return // the exit codes are written first; the write brings us back here
	}
	apps := 0
	for _, i := range d.o.Instances {
		if i.Container != "" {
			apps++
			d.plan.add(removal(&i, "capsule deleted"))
		}
	}
	if apps > 0 {
		return
	}
	if len(d.o.Instances) > 0 {
		for _, i := range d.o.Instances {
			d.plan.add(removal(&i, "capsule deleted"))
		}
		return
	}
	d.plan.add(Action{Op: RemoveRecord, Cause: "capsule deleted and nothing of it left"})
}

// finish brings a capsule that came to its end to rest: nothing runs, the logs stay.
func (d *decision) finish() {
	cause := "all containers have ended"
	until := d.now.Add(time.Duration(d.c.Spec.Grace()) * time.Second)
	if e := d.c.Facts.End; e != nil {
		cause = e.Reason
		until = e.At.Add(time.Duration(d.c.Spec.Grace()) * time.Second)
		if e.Reason == reasonEvicted {
			until = e.At // every moment takes more (kubelet: evictPod)
		}
	}
	if d.stopApps(until, cause) {
		return
	}
	for _, i := range d.o.Instances {
		if i.Container == "" || i.State == capsule.StateCreated {
			d.plan.add(removal(&i, cause))
		}
	}
	d.cleanUp(cause)
}

// stopApps stops what runs: main and init containers first, sidecars after them, the last first. It is false when
// nothing runs any more.
func (d *decision) stopApps(until time.Time, cause string) bool {
	running := d.o.appsRunning()
	sidecar := map[string]int{}
	for n := range d.c.Spec.InitContainers {
		if cs := &d.c.Spec.InitContainers[n]; cs.Sidecar() {
			sidecar[cs.Name] = n + 1
		}
	}
	last := 0
	for _, i := range running {
		if n := sidecar[i.Container]; n == 0 {
			d.plan.add(d.stop(i, until, cause))
		} else if n > last {
			last = n
		}
	}
	if len(d.plan.Actions) == 0 {
		for _, i := range running {
			if sidecar[i.Container] == last {
				d.plan.add(d.stop(i, until, cause))
			}
		}
	}
	return len(running) > 0
}

func (d *decision) stop(i *Instance, until time.Time, cause string) Action {
	return Action{Op: Stop, Container: i.Container, ID: i.ID, Attempt: i.Attempt, Deadline: until, Cause: cause}
}

func removal(i *Instance, cause string) Action {
	return Action{Op: Remove, Container: i.Container, ID: i.ID, Attempt: i.Attempt, Cause: cause}
}

// up brings the capsule to what its spec asks for.
func (d *decision) up() {
	d.plan.wake(deadline(&d.c.Spec, &d.c.Facts))
	if !d.o.VolumesReady {
		if d.mayRetry(d.c.Facts.Failure) {
			d.plan.add(Action{Op: PrepareVolumes, Cause: "capsule assigned to this host"})
		}
		return
	}
	if d.o.VolumesStale && d.mayRetry(d.c.Facts.Failure) {
		d.plan.add(Action{Op: PrepareVolumes, Cause: "files of a volume have changed"})
	}
	sandbox := d.sandbox()
	if sandbox == nil {
		return
	}
	d.ephemeral(sandbox)
	if d.initialised(sandbox) {
		for n := range d.c.Spec.Containers {
			cs := &d.c.Spec.Containers[n]
			if s := d.c.StandaloneOf(cs.Name); s != nil {
				d.standalone(cs, s, sandbox)
			} else {
				d.container(cs, false, sandbox)
			}
		}
	}
	d.strays()
	d.cleanUp("an older attempt")
}

// sandbox returns the sandbox that containers may be created in, or plans the way to one.
func (d *decision) sandbox() *Instance {
	f := &d.c.Facts
	s := d.o.sandbox()
	switch {
	case s == nil:
		attempt := f.Sandbox.Attempt
		cause := "capsule has no sandbox yet"
		if f.Sandbox.ID != "" {
			attempt, cause = attempt+1, "the sandbox is gone"
		}
		for _, i := range d.o.Instances {
			// It sits in a sandbox that went before it was seen to run; the next one must not pass for that one.
			attempt = max(attempt, i.SandboxAttempt+1)
		}
		if d.leaveDeadSandbox(cause) && d.mayRetry(f.Failure) {
			d.plan.add(Action{Op: Create, Attempt: attempt, Cause: cause})
		}
		return nil
	case s.State == capsule.StateExited:
		// Its containers sit in a dead network namespace. Once they are gone the sandbox is removed; f.Sandbox.ID
		// makes the next one another attempt. Standalone containers can be started again only in the one that they have.
		switch {
		case !d.leaveDeadSandbox("the sandbox died"):
		case d.c.Kind == capsule.KindCapsule || f.Failure != nil && f.Failure.Count >= maxSandboxRestarts:
			d.plan.add(removal(s, "the sandbox died"))
		case d.mayRetry(f.Failure):
			d.plan.add(Action{Op: Restart, ID: s.ID, Attempt: s.Attempt, Cause: "the sandbox died"})
		}
		return nil
	case s.State == capsule.StateCreated:
		if !d.mayRetry(f.Failure) {
			return nil
		}
		if d.networks(s) {
			return nil // it starts with all of its addresses
		}
		d.plan.add(Action{Op: Start, ID: s.ID, Attempt: s.Attempt, Cause: "sandbox created"})
	default:
		if d.networks(s) {
			return s
		}
	}
	for _, old := range d.o.of("")[1:] {
		d.plan.add(removal(old, "an older sandbox"))
		return s // one action for each key
	}
	return s
}

// leaveDeadSandbox kills what runs without a living sandbox; it is true when nothing does.
func (d *decision) leaveDeadSandbox(cause string) bool {
	running := d.o.appsRunning()
	for _, i := range running {
		d.plan.add(d.stop(i, d.now, cause))
	}
	return len(running) == 0
}

// initialised walks the init containers in order; it is true when the main containers may be created.
func (d *decision) initialised(sandbox *Instance) bool {
	for n := range d.c.Spec.Containers {
		// A main container of this sandbox exists: initialisation was complete, even if its traces are gone.
		if i := d.o.newest(d.c.Spec.Containers[n].Name); i != nil && i.SandboxAttempt == sandbox.Attempt && i.ran() {
			d.keepSidecars(sandbox)
			return true
		}
	}
	for n := range d.c.Spec.InitContainers {
		cs := &d.c.Spec.InitContainers[n]
		cf := d.c.Facts.Container(cs.Name)
		inThis := cf != nil && cf.Run != nil && cf.Run.SandboxAttempt == sandbox.Attempt
		if cs.Sidecar() {
			d.container(cs, true, sandbox)
			if inThis && cf.Started && cf.Run.State() == capsule.StateRunning {
				continue
			}
			return false
		}
		if inThis && cf.Run.State() == capsule.StateExited && cf.Run.ExitCode == 0 {
			continue
		}
		d.container(cs, true, sandbox)
		return false
	}
	return true
}

// keepSidecars keeps the sidecars of an initialised capsule running.
func (d *decision) keepSidecars(sandbox *Instance) {
	for n := range d.c.Spec.InitContainers {
		if cs := &d.c.Spec.InitContainers[n]; cs.Sidecar() {
			d.container(cs, true, sandbox)
		}
	}
}

// container plans the next step of one container.
func (d *decision) container(cs *capsule.ContainerSpec, init bool, sandbox *Instance) {
	cf := d.c.Facts.Container(cs.Name)
	if cf == nil {
		return
	}
	i := d.o.newest(cs.Name)
	switch {
	case i == nil || i.State == capsule.StateExited:
		d.again(cs, cf, init, sandbox)
	case i.State == capsule.StateCreated && i.SandboxAttempt != sandbox.Attempt:
		d.plan.add(removal(i, "created in another sandbox"))
	case i.State == capsule.StateCreated && i.Made < cs.Definition:
		d.plan.add(removal(i, "created of an older definition"))
	case i.State == capsule.StateCreated:
		if sandbox.State == capsule.StateRunning && d.mayRetry(cf.Failure) {
			d.plan.add(Action{Op: Start, Container: cs.Name, ID: i.ID, Attempt: i.Attempt, Cause: "container created"})
		}
	case i.SandboxAttempt != sandbox.Attempt:
		d.plan.add(d.stop(i, d.now, "runs in another sandbox"))
	case cf.Run != nil && cf.Run.ID == i.ID && cf.Run.State() == capsule.StateExited:
		d.plan.add(d.stop(i, d.now, "it has ended and was started by somebody else"))
	case cf.Run != nil && cf.Run.ID == i.ID && cf.Run.Redefined():
		d.plan.add(d.stop(i, cf.Run.Stopping.At.Add(time.Duration(d.c.Spec.Grace())*time.Second), cf.Run.Stopping.Reason))
	case d.health(cs, i):
	default:
		d.resize(cs, cf, i)
	}
}

// resize brings the limits of a running container to what its spec asks for, in place where its policy allows.
func (d *decision) resize(cs *capsule.ContainerSpec, cf *capsule.ContainerFacts, i *Instance) {
	changed := cs.Resized(cf.Run)
	if len(changed) == 0 || cf.Run == nil || cf.Run.ID != i.ID || d.c.Spec.Ephemeral(cs.Name) {
		return
	}
	if cf.Run.Resources != nil && cs.ResizeRestarts(changed) {
		d.plan.add(d.stop(i, d.now.Add(time.Duration(d.c.Spec.Grace())*time.Second), "resized"))
		return
	}
	if d.mayRetry(cf.Failure) {
		d.plan.add(Action{Op: Resize, Container: cs.Name, ID: i.ID, Attempt: i.Attempt, Cause: "resources changed"})
	}
}

// health kills a container whose probes say so; it is true when it does.
func (d *decision) health(cs *capsule.ContainerSpec, i *Instance) bool {
	p, ok := d.probes[cs.Name]
	if !ok || p.ID != i.ID || p.Unhealthy == "" {
		return false
	}
	grace := d.c.Spec.Grace()
	if p.GraceSeconds != nil {
		grace = *p.GraceSeconds
	}
	d.plan.add(d.stop(i, d.now.Add(time.Duration(grace)*time.Second), p.Unhealthy))
	return true
}

// again creates the first or, when policy and back-off allow it, the next attempt of a container that does not run.
func (d *decision) again(cs *capsule.ContainerSpec, cf *capsule.ContainerFacts, init bool, sandbox *Instance) {
	a := Action{
		Op: Create, Container: cs.Name, SandboxAttempt: sandbox.Attempt, SandboxID: sandbox.ID, Made: cs.Definition,
		Cause: "container has not run yet",
	}
	if needsAddress(cs) && sandbox.State != capsule.StateRunning {
		return
	}
	if r := cf.Run; r != nil {
		rerun := init && r.ExitCode == 0 && r.SandboxAttempt != sandbox.Attempt
		if !rerun && !d.c.Spec.Again(cs, init, r) {
			return
		}
		if at := r.FinishedAt.Add(time.Duration(cf.BackOffSeconds) * time.Second); d.now.Before(at) && !rerun {
			d.plan.wake(at)
			return
		}
		a.Attempt = r.Attempt + 1
		a.Cause = fmt.Sprintf("attempt %d ended with exit code %d", r.Attempt, r.ExitCode)
		switch {
		case r.Redefined():
			a.Cause = r.Stopping.Reason
		case rerun:
			a.Cause = "the capsule has a new sandbox"
		}
	}
	if d.mayRetry(cf.Failure) {
		d.plan.add(a)
	}
}

// needsAddress says whether the container's environment holds what only a running sandbox can tell.
func needsAddress(cs *capsule.ContainerSpec) bool {
	for i := range cs.Env {
		if r := cs.Env[i].Ref; r == capsule.RefCapsuleAddress || r == capsule.RefCapsuleAddresses {
			return true
		}
	}
	return false
}

// cleanUp removes attempts that nobody asks for any more: all but the newest and, for its logs, the one before it, which a
// standalone container has only while it is made again.
func (d *decision) cleanUp(cause string) {
	busy := map[string]bool{}
	for _, a := range d.plan.Actions {
		busy[a.Key()] = true
	}
	kept := map[string]int{}
	for _, i := range d.o.Instances {
		if i.Container == "" || kept[i.Container] > 0 {
			continue
		}
		all, keep := d.o.of(i.Container), 2
		if d.c.Kind != capsule.KindCapsule {
			keep = 1
		}
		kept[i.Container] = len(all)
		for _, old := range all[min(keep, len(all)):] {
			if a := removal(old, cause); !busy[a.Key()] && old.State != capsule.StateRunning {
				d.plan.add(a)
				busy[a.Key()] = true
			}
		}
	}
}

// mayRetry says whether an operation that failed may be tried again now; if not, it plans to look again then.
func (d *decision) mayRetry(f *capsule.Failure) bool {
	if f == nil {
		return true
	}
	if !f.BackingOff {
		d.plan.wake(f.At.Add(fresh))
	}
	if d.now.Before(f.RetryAt) {
		d.plan.wake(f.RetryAt)
		return false
	}
	return true
}
