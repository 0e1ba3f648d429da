// Package history keeps what was asked of containers: Zun's container actions (zun/objects/container_action.py), in a table
// of the store, and says when each has come true.
//
// An action that changes what is wanted is finished when the facts show it, whoever was running when they became so: [Settle]
// compares its goal with the record, before the next action, when somebody looks and every few seconds. One that is done
// once (a signal, a commit) is finished by the server that does it; should that one die, the action ends when its time is over, and
// says so.
//
// Decisions (2026-11-26): an action whose effect is tried again and again is not finished and says why. Of a container 100
// actions are kept, and none outlives it, as in Zun, where nobody could look them up.
package history

import (
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Action is one thing that was asked for, and its only event.
type Action struct {
	Action    string    `json:"action"`
	Container string    `json:"container"` // UUID
	Request   string    `json:"request"`
	User      string    `json:"user"`
	Project   string    `json:"project"`
	Started   time.Time `json:"started"`
	// Finished is zero while it is under way.
	Finished time.Time `json:"finished,omitzero"`
	// Message is why it failed, or what keeps it.
	Message string `json:"message,omitempty"`
	Failed  bool   `json:"failed,omitempty"`
	Goal    Goal   `json:"goal"`
}

// Goal is what finishes an action. The zero goal is reached at once.
type Goal struct {
	// Want is reached when the facts show it, or when the owner wants something newer.
	Want *capsule.Want `json:"want,omitempty"`
	// Network is the engine's name of a network that the sandbox shall be in, or with Leave shall not be in.
	Network string `json:"network,omitempty"`
	Leave   bool   `json:"leave,omitempty"`
	// Gone is reached with the container's end.
	Gone bool `json:"gone,omitempty"`
	// Until is when whoever does it has given up at the latest.
	Until time.Time `json:"until,omitzero"`
}

// Settle brings an action that is under way up to date with the record of its container, called name there. It is pure.
func (a *Action) Settle(c *capsule.Capsule, name string, now time.Time) {
	if !a.Finished.IsZero() {
		return
	}
	switch g := &a.Goal; {
	case g.Gone: // it goes with the container
	case !g.Until.IsZero():
		if now.After(g.Until) {
			a.Finish(g.Until, "the server that did it ended before it was done, or it took too long")
		}
	case g.Want != nil:
		a.settleWant(c, name)
	case g.Network != "":
		in := false
		for _, n := range c.Facts.Sandbox.Networks {
			in = in || n.Network == g.Network
		}
		a.Message = message(c.Facts.Failure)
		if in != g.Leave {
			a.Finish(now, "")
		}
	default:
		a.Finish(a.Started, "")
	}
}

// Finish ends the action; with a message it has failed.
func (a *Action) Finish(at time.Time, message string) {
	a.Finished, a.Message, a.Failed = at, message, message != ""
	if a.Finished.Before(a.Started) {
		a.Finished = a.Started
	}
}

func (a *Action) settleWant(c *capsule.Capsule, name string) {
	var r *capsule.Run
	cf := c.Facts.Container(name)
	if cf != nil {
		r = cf.Run
	}
	if at, failed, ok := reached(a.Goal.Want, r); ok {
		a.Finish(at, failed)
		return
	}
	if own := c.StandaloneOf(name); own != nil && own.Want.At.After(a.Goal.Want.At) {
		a.Finish(own.Want.At, "something else was asked for before it was done")
		return
	}
	a.Message = message(c.Facts.Failure)
	if cf != nil && cf.Failure != nil {
		a.Message = cf.Failure.Message
	}
}

func message(f *capsule.Failure) string {
	if f == nil {
		return ""
	}
	return f.Message
}

// reached says whether the newest run shows what was wanted, since when, and how it failed.
func reached(w *capsule.Want, r *capsule.Run) (at time.Time, failed string, ok bool) {
	if w.State == capsule.WantStopped {
		if r == nil {
			return w.At, "", true
		}
		return r.FinishedAt, "", r.State() == capsule.StateExited || r.Starts > w.Starts
	}
	if r == nil || r.Made < w.Rebuild {
		return time.Time{}, "", false
	}
	switch {
	case w.State == capsule.WantCreated:
		return r.CreatedAt, "", true
	case r.Starts < w.Starts:
		return time.Time{}, "", false
	case r.Error != "":
		return r.FinishedAt, r.Error, true
	case r.StartedAt.IsZero():
		return time.Time{}, "", false
	case w.State == capsule.WantPaused && r.State() == capsule.StateRunning:
		return w.At, "", r.Paused || r.Starts > w.Starts
	case w.State == capsule.WantRunning && r.Starts == w.Starts:
		return r.StartedAt, "", !r.Paused
	default:
		return r.StartedAt, "", true
	}
}
