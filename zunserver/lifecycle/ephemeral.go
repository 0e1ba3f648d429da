package lifecycle

import "github.com/capsulet/capsulet/zunserver/capsule"

// ephemeral starts the ephemeral containers, each once, in a sandbox that runs; one with a target waits for it.
func (d *decision) ephemeral(sandbox *Instance) {
	for n := range d.c.Spec.EphemeralContainers {
		cs := &d.c.Spec.EphemeralContainers[n]
		cf, i := d.c.Facts.Container(cs.Name), d.o.newest(cs.Name)
		if cf == nil || cf.Run != nil || sandbox.State != capsule.StateRunning || !d.mayRetry(cf.Failure) {
			continue
		}
		switch {
		case i == nil:
			a := Action{Op: Create, Container: cs.Name, SandboxAttempt: sandbox.Attempt, SandboxID: sandbox.ID,
				Cause: "ephemeral container has not run yet"}
			if cs.TargetContainer != "" {
				target := d.o.newest(cs.TargetContainer)
				if target == nil || target.State != capsule.StateRunning {
					continue
				}
				a.TargetID = target.ID
			}
			d.plan.add(a)
		case i.State == capsule.StateCreated && i.SandboxAttempt == sandbox.Attempt:
			d.plan.add(Action{Op: Start, Container: cs.Name, ID: i.ID, Attempt: i.Attempt, Cause: "container created"})
		case i.State == capsule.StateCreated:
			d.plan.add(removal(i, "created in another sandbox"))
		}
	}
}
