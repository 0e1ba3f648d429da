package lifecycle

import (
	"fmt"
	"strings"
	"time"
)

// Op is what an action does.
type Op string

// The operations; each is one call of a driver, or one call and what it needs at once (an image, a hook).
const (
	PrepareVolumes Op = "prepare-volumes"
	Create         Op = "create" // pulls the image first if need be
	Start          Op = "start"
	Stop           Op = "stop"    // runs preStop first
	Restart        Op = "restart" // of what has ended, in place
	Pause          Op = "pause"
	Unpause        Op = "unpause"
	Resize         Op = "resize"
	Expire         Op = "expire"  // asks for the deletion of a container that has ended
	Connect        Op = "connect" // a sandbox, to the networks of the spec and from all others
	Remove         Op = "remove"
	RemoveRecord   Op = "remove-record" // removes the volumes first
)

// Action is one step that may be taken now.
type Action struct {
	Op Op
	// Container is the name in the spec; empty for the sandbox and for what concerns the capsule as a whole.
	Container string
	// ID is the instance that is started, stopped or removed.
	ID string
	// Attempt is of the instance; SandboxAttempt is the sandbox that a container is created in.
	Attempt        int
	SandboxAttempt int
	// SandboxID is the sandbox that a container is created in.
	SandboxID string
	// Made is the start of a standalone container that it is created for, and of another one the definition.
	Made int64
	// Starts is the start of a standalone container that a Start or Restart answers.
	Starts int64
	// TargetID is the instance whose processes an ephemeral container shall see; empty for none.
	TargetID string
	// Deadline of a Stop is when the container is killed.
	Deadline time.Time
	// Cause says why, for people.
	Cause string
}

// Key names what the action works on: of two actions with one key only one may be under way.
func (a Action) Key() string {
	switch a.Op {
	case PrepareVolumes, RemoveRecord:
		return "capsule"
	}
	if a.Container == "" {
		return "sandbox"
	}
	return "container/" + a.Container
}

// String prints the action in a line.
func (a Action) String() string {
	what := a.Container
	if what == "" {
		what = "sandbox"
	}
	switch a.Op {
	case PrepareVolumes, RemoveRecord:
		return fmt.Sprintf("%s (%s)", a.Op, a.Cause)
	}
	return fmt.Sprintf("%s %s.%d (%s)", a.Op, what, a.Attempt, a.Cause)
}

// Plan is what may be done now, and when to look again at the latest.
type Plan struct {
	Actions []Action
	// WakeAt is when time alone changes the plan; zero if it does not.
	WakeAt time.Time
}

// String prints one action a line.
func (p Plan) String() string {
	var b strings.Builder
	for _, a := range p.Actions {
		fmt.Fprintln(&b, a)
	}
	return b.String()
}

func (p *Plan) add(a Action) { p.Actions = append(p.Actions, a) }

// wake brings WakeAt forward to t.
func (p *Plan) wake(t time.Time) {
	if !t.IsZero() && (p.WakeAt.IsZero() || t.Before(p.WakeAt)) {
		p.WakeAt = t
	}
}
