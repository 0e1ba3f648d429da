// Package round is how two sides are measured fairly: they take turns, each has the engine for itself, and a trace tells
// where the time of a round goes.
package round

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// Rest lets the engine finish what it does after it has answered, so that it is charged to nobody.
const Rest = 150 * time.Millisecond

// Sides takes turns: in odd rounds the second goes first.
func Sides(round int, first, second func() error) error {
	if round%2 == 1 {
		first, second = second, first
	}
	if err := first(); err != nil {
		return err
	}
	return second()
}

// Each calls f for 0 to n-1, at most workers at a time.
func Each(ctx context.Context, n, workers int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}

// Pause waits, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Plural is the s of more than one.
func Plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
