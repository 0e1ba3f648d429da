package fake

import (
	"context"
	"time"
)

// Clock is the time of a fake host.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f on its own goroutine after d, unless it was stopped before.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

// sleep waits for d, the end of ctx, or a broken link to the engine.
func sleep(ctx context.Context, c Clock, d time.Duration, link <-chan struct{}) error {
	if d <= 0 {
		return ctx.Err()
	}
	done := make(chan struct{})
	stop := c.AfterFunc(d, func() { close(done) })
	defer stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-link:
		return errUnavailable()
	}
}
