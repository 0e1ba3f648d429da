package executor

import (
	"context"
	"errors"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Result is what became of an action.
type Result struct {
	Action lifecycle.Action
	// Note is why it failed, nil if it did not.
	Note *Note
	// Mounts are the volumes, prepared from Volumes.
	Mounts  map[string]runtime.Mount
	Volumes []capsule.Volume
	// Cleared: the operation succeeded, an earlier failure of its kind is over.
	Cleared bool
	// Untried: the engine refused the start before it tried it.
	Untried bool
}

// Note is a failure to be written into the facts.
type Note struct {
	Kind            capsule.FailureKind
	Reason, Message string
	// Clear says that an earlier failure is over.
	Clear bool
}

// Apply puts the note where it belongs.
func (n *Note) Apply(f *capsule.Facts, name string, now time.Time) {
	where := &f.Failure
	if name != "" {
		cf := f.Container(name)
		if cf == nil {
			return
		}
		where = &cf.Failure
	}
	if n.Clear {
		*where = nil
		return
	}
	*where = lifecycle.Fail(*where, n.Kind, n.Reason, n.Message, now)
}

// noteOf turns an error into a failure of the kind given, or nil when the host, not the capsule, is to blame.
func noteOf(kind capsule.FailureKind, err error) *Note {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return &Note{Kind: kind, Message: err.Error()}
}
