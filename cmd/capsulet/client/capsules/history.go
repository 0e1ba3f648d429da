package capsules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// happening is something that a record tells of.
type happening struct {
	at time.Time
	// bad: somebody should look at it.
	bad                     bool
	reason, object, message string
}

// history is what the record of a capsule tells of its life so far, oldest first. It is derived from facts, so of many attempts
// of a container it knows the newest two.
func history(c *capsule.Capsule) []happening {
	h := recorder{}
	h.add(c.CreatedAt, "Created", "", "for project "+c.Project)
	switch {
	case c.Claim.Host != "":
		h.add(c.Claim.At, "Placed", "", "on host "+c.Claim.Host)
	case c.Claim.Reason != "":
		h.bad(c.CreatedAt, "NoHost", "", c.Claim.Reason)
	}
	if a := c.Claim.Away; a != nil {
		h.bad(a.Since, "HostAway", "", a.Message)
		h.add(a.Until, "HostBack", "", "host "+c.Claim.Host+" answers again")
	}
	s := &c.Facts.Sandbox
	if len(s.Addresses) > 0 {
		h.add(s.StartedAt, "SandboxStarted", "", "with the address "+strings.Join(s.Addresses, ", "))
	} else {
		h.add(s.StartedAt, "SandboxStarted", "", "")
	}
	h.failure("", c.Facts.Failure)
	for i := range c.Facts.Containers {
		h.container(&c.Facts.Containers[i])
	}
	if e := c.Facts.End; e != nil {
		h.bad(e.At, e.Reason, "", e.Message)
	}
	if d := c.Deletion; d != nil {
		h.add(d.At, "Deleting", "", fmt.Sprintf("with %d seconds to stop", d.GraceSeconds))
	}
	h.add(c.Facts.StoppedAt, "Stopped", "", "no container runs any more")
	slices.SortStableFunc(h.all, func(a, b happening) int { return a.at.Compare(b.at) })
	return h.all
}

type recorder struct{ all []happening }

// add notes what has a time; what has none has not happened.
func (r *recorder) add(at time.Time, reason, object, message string) {
	if !at.IsZero() {
		r.all = append(r.all, happening{at, false, reason, object, message})
	}
}

func (r *recorder) bad(at time.Time, reason, object, message string) {
	if !at.IsZero() {
		r.all = append(r.all, happening{at, true, reason, object, message})
	}
}

func (r *recorder) failure(object string, f *capsule.Failure) {
	if f == nil {
		return
	}
	message := f.Message
	if f.Count > 1 {
		message += fmt.Sprintf(" (%d times)", f.Count)
	}
	reason := f.Reason
	if reason == "" {
		reason = "Failed" + strings.ToUpper(string(f.Kind[:1])) + string(f.Kind[1:])
	}
	r.bad(f.At, reason, object, message)
}

func (r *recorder) container(f *capsule.ContainerFacts) {
	if p := f.Pull; p != nil && !p.Present {
		r.add(p.StartedAt, "Pulling", f.Name, "the image")
		if !p.FinishedAt.IsZero() {
			r.add(p.FinishedAt, "Pulled", f.Name, fmt.Sprintf("the image of %s in %s", output.Size(p.SizeBytes), p.FinishedAt.Sub(p.StartedAt).Round(100*time.Millisecond)))
		}
	}
	r.run(f.Name, f.Last)
	r.run(f.Name, f.Run)
	if f.Run != nil && f.Ready {
		r.add(f.ReadyAt, "Ready", f.Name, "")
	}
	r.failure(f.Name, f.Failure)
	for _, u := range f.Unhealthy {
		r.bad(u.At, "Unhealthy", f.Name, fmt.Sprintf("%s probe failed: %s", strings.ToLower(u.Kind), u.Message))
	}
	if h := f.Hook; h != nil {
		r.bad(h.At, "Failed"+h.Kind+"Hook", f.Name, h.Message)
	}
}

func (r *recorder) run(name string, run *capsule.Run) {
	if run == nil {
		return
	}
	attempt := ""
	if run.Attempt > 0 {
		attempt = fmt.Sprintf("for the %s time", ordinal(run.Attempt+1))
	}
	r.add(run.StartedAt, "Started", name, attempt)
	if s := run.Stopping; s != nil {
		r.bad(s.At, "Stopping", name, s.Reason)
	}
	if run.FinishedAt.IsZero() {
		return
	}
	if message := ending(run); run.ExitCode == 0 && run.Error == "" && !run.Lost {
		r.add(run.FinishedAt, "Ended", name, message)
	} else {
		r.bad(run.FinishedAt, "Ended", name, message)
	}
}

// ending says how a run that is over ended.
func ending(run *capsule.Run) string {
	switch {
	case run.Error != "":
		return run.Error
	case run.Lost:
		return "it vanished before its end was seen"
	case run.OOM:
		return fmt.Sprintf("with exit code %d: out of memory", run.ExitCode)
	default:
		return fmt.Sprintf("with exit code %d", run.ExitCode)
	}
}

func ordinal(n int) string {
	switch n {
	case 2:
		return "second"
	case 3:
		return "third"
	default:
		return fmt.Sprintf("%dth", n)
	}
}

// news are the happenings of now that before does not have.
func news(before, now []happening) []happening {
	var fresh []happening
	for _, h := range now {
		if !slices.Contains(before, h) {
			fresh = append(fresh, h)
		}
	}
	return fresh
}
