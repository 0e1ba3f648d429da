package client

import (
	"context"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/cmd/capsulet/output"
)

// Wait is for something to become what its user wants it to be.
type Wait struct {
	Kind   string // such as capsule
	Target Target
	// For is the word that people know the condition by.
	For string
	// Timeout is how long it may take; 0 is for ever.
	Timeout time.Duration
}

// Until looks again and again until the condition is met. look says in words what the thing is at present. Its error ends the wait,
// unless the server cannot be asked for a moment (Unavailable).
func (c *Call) Until(w Wait, look func(context.Context) (is string, met bool, err error)) error {
	ctx := c.Context()
	if w.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.Timeout)
		defer cancel()
	}
	progress := output.NewProgress(c.Err(), "waiting for "+w.Kind+" "+w.Target.Name+" to be "+w.For)
	defer progress.End()
	last := "nothing is known of it"
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		is, met, err := look(ctx)
		switch {
		case err == nil && met:
			return nil
		case err == nil:
			last = is
			progress.Say("waiting for %s %s to be %s; it is %s", w.Kind, w.Target.Name, w.For, last)
		case ctx.Err() == nil && !errdefs.IsUnavailable(err):
			return err
		}
		if Sleep(ctx, pause) != nil {
			if err := c.Context().Err(); err != nil {
				return err
			}
			return TimedOut("%s %s is not %s after %s; it is %s", w.Kind, w.Target.Name, w.For, w.Timeout.Round(time.Millisecond), last)
		}
	}
}

// Together is what is left of a timeout, which begins now, whenever it is asked for; 0, for ever, stays.
func Together(timeout time.Duration) (left func() time.Duration) {
	end := time.Now().Add(timeout)
	return func() time.Duration {
		if timeout == 0 {
			return 0
		}
		return max(time.Until(end), time.Millisecond)
	}
}

// Reason adds why, if that is known.
func Reason(status, why string) string {
	if why == "" {
		return status
	}
	return status + ": " + why
}
