package executor

import (
	"context"
	"errors"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/image"
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
	// Starts is the start of a standalone container that was refused: that is its answer, not a failure that is tried again.
	Starts int64
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
		if n.Starts > 0 {
			lifecycle.Refuse(cf, n.Starts, n.Message, now)
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

// noteFor turns the error of an action into a failure of the kind given, or nil when it is nobody's.
func noteFor(kind capsule.FailureKind, act lifecycle.Action, err error) *Note {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	n := &Note{Kind: kind, Message: err.Error()}
	if act.Container == "" && kind != capsule.FailedVolume && kind != capsule.FailedNetwork {
		n.Kind = capsule.FailedSandbox
	}
	if act.Op == lifecycle.Restart && n.Kind == capsule.FailedStart && !errdefs.IsFailedPrecondition(err) { // its sandbox runs
		n.Starts = act.Starts
	}
	var img *image.Error
	if errors.As(err, &img) {
		n.Kind, n.Reason = capsule.FailedPull, img.Reason
	}
	return n
}
