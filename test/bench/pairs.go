package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
)

// rest lets the engine finish what it does after it has answered, so that it is charged to nobody.
const rest = 150 * time.Millisecond

// rawWorkers is the number of workers that is best on a small machine (FACTS: 2 to 4).
const rawWorkers = 4

// The bars.
const (
	singleBar = 1.25
	burstBar  = 1.2
	statusBar = 150 * time.Millisecond
)

// sides takes turns: in odd rounds the second goes first.
func sides(round int, first, second func() error) error {
	if round%2 == 1 {
		first, second = second, first
	}
	if err := first(); err != nil {
		return err
	}
	return second()
}

func measureSingles(ctx context.Context, w io.Writer, s *server, e *engine, apps, pairs int) ([]figure, error) {
	up := figure{name: fmt.Sprintf("capsule of %d app%s, create → all running", apps, plural(apps)), bar: singleBar}
	down := figure{name: fmt.Sprintf("capsule of %d app%s, delete (no grace) → gone", apps, plural(apps))}
	const warmUp = 2
	for i := range pairs + warmUp {
		var ours, theirs [2]time.Duration
		err := sides(i, func() error { return single(ctx, s, apps, &ours) }, func() error { return rawSingle(ctx, e, apps, &theirs) })
		if err != nil {
			return nil, err
		}
		if i < warmUp {
			continue
		}
		up.add(ours[0], theirs[0])
		down.add(ours[1], theirs[1])
		fmt.Fprintf(w, "  %d app%s, %d of %d: up %.0f ms, raw %.0f ms; down %.0f ms, raw %.0f ms\n", apps, plural(apps), i-warmUp+1, pairs,
			milliseconds(ours[0]), milliseconds(theirs[0]), milliseconds(ours[1]), milliseconds(theirs[1]))
	}
	return []figure{up, down}, nil
}

func single(ctx context.Context, s *server, apps int, took *[2]time.Duration) error {
	began := time.Now()
	origin.Store(began.UnixNano())
	id, err := s.up(ctx, apps)
	if err != nil {
		return err
	}
	took[0] = time.Since(began)
	if s.trace {
		trace(began, "ALL RUNNING")
	}
	pause(ctx, rest)
	began = time.Now()
	origin.Store(began.UnixNano())
	if err := s.down(ctx, id); err != nil {
		return err
	}
	took[1] = time.Since(began)
	if s.trace {
		trace(began, "GONE")
	}
	pause(ctx, rest)
	return ctx.Err()
}

func rawSingle(ctx context.Context, e *engine, apps int, took *[2]time.Duration) error {
	began := time.Now()
	c, err := e.up(ctx, apps)
	if err != nil {
		return err
	}
	took[0] = time.Since(began)
	pause(ctx, rest)
	began = time.Now()
	if err := e.down(ctx, c); err != nil {
		return err
	}
	took[1] = time.Since(began)
	pause(ctx, rest)
	return ctx.Err()
}

func measureBursts(ctx context.Context, w io.Writer, s *server, e *engine, size, pairs int) ([]figure, error) {
	up := figure{name: fmt.Sprintf("%d capsules of 1 app at once, create → all running", size), bar: burstBar}
	down := figure{name: fmt.Sprintf("%d capsules of 1 app at once, delete (no grace) → gone", size)}
	for i := range pairs {
		var ours, theirs [2]time.Duration
		err := sides(i, func() error { return burst(ctx, s, size, &ours) }, func() error { return rawBurst(ctx, e, size, &theirs) })
		if err != nil {
			return nil, err
		}
		up.add(ours[0], theirs[0])
		down.add(ours[1], theirs[1])
		fmt.Fprintf(w, "  burst of %d, %d of %d: up %.2f s, raw %.2f s; down %.2f s, raw %.2f s\n", size, i+1, pairs,
			ours[0].Seconds(), theirs[0].Seconds(), ours[1].Seconds(), theirs[1].Seconds())
	}
	return []figure{up, down}, nil
}

func burst(ctx context.Context, s *server, size int, took *[2]time.Duration) error {
	ids := make([]string, size)
	began := time.Now()
	origin.Store(began.UnixNano())
	err := each(ctx, size, size, func(ctx context.Context, i int) (err error) {
		ids[i], err = s.up(ctx, 1)
		return err
	})
	if err != nil {
		return err
	}
	took[0] = time.Since(began)
	pause(ctx, 3*rest)
	began = time.Now()
	err = each(ctx, size, size, func(ctx context.Context, i int) error { return s.down(ctx, ids[i]) })
	took[1] = time.Since(began)
	pause(ctx, 3*rest)
	return err
}

func rawBurst(ctx context.Context, e *engine, size int, took *[2]time.Duration) error {
	cs := make([]*rawCapsule, size)
	began := time.Now()
	err := each(ctx, size, rawWorkers, func(ctx context.Context, i int) (err error) {
		cs[i], err = e.up(ctx, 1)
		return err
	})
	if err != nil {
		return err
	}
	took[0] = time.Since(began)
	pause(ctx, 3*rest)
	began = time.Now()
	err = each(ctx, size, rawWorkers, func(ctx context.Context, i int) error { return e.down(ctx, cs[i]) })
	took[1] = time.Since(began)
	pause(ctx, 3*rest)
	return err
}

// each calls f for 0 to n-1, at most workers at a time.
func each(ctx context.Context, n, workers int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
