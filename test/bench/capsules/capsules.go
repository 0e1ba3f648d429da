// Package capsules measures the capsule API with a server in this process, in turns with the raw side.
package capsules

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/test/bench/raw"
	"github.com/capsulet/capsulet/test/bench/report"
	"github.com/capsulet/capsulet/test/bench/round"
)

// Bench is what to measure.
type Bench struct {
	Engine *raw.Engine
	Out    io.Writer
	Log    *logrus.Entry
	// Trace prints each call to the engine with its time.
	Trace bool
	// Singles and Bursts are rounds, 0 for none; Size is the number of capsules in a burst.
	Singles, Bursts, Size int
	// Logs, Execs and Forwards are rounds of streams.
	Logs, Execs, Forwards int
}

// The bars.
const (
	singleBar = 1.25
	burstBar  = 1.2
)

// Measure starts the server and takes turns with the raw side.
func (b Bench) Measure(ctx context.Context, r *report.Report) (err error) {
	s, err := b.start(ctx)
	if err != nil {
		return fmt.Errorf("start the capsule server: %w", err)
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for _, apps := range []int{1, 2} {
		if b.Singles == 0 {
			break
		}
		f, err := b.singles(ctx, s, apps)
		if err != nil {
			return fmt.Errorf("capsules of %d apps: %w", apps, err)
		}
		r.Figures = append(r.Figures, f...)
	}
	for _, m := range []struct {
		rounds  int
		measure func(context.Context, *server) (report.Figure, error)
	}{{b.Logs, b.logs}, {b.Execs, b.execs}, {b.Forwards, b.forwards}} {
		if m.rounds == 0 {
			continue
		}
		f, err := m.measure(ctx, s)
		if err != nil {
			return err
		}
		r.Figures = append(r.Figures, f)
	}
	if b.Bursts > 0 {
		f, err := b.bursts(ctx, s)
		if err != nil {
			return fmt.Errorf("bursts: %w", err)
		}
		r.Figures = append(r.Figures, f...)
	}
	return nil
}

func (b Bench) singles(ctx context.Context, s *server, apps int) ([]report.Figure, error) {
	up := report.Figure{Name: fmt.Sprintf("capsule of %d app%s, create → all running", apps, round.Plural(apps)), Bar: singleBar}
	down := report.Figure{Name: fmt.Sprintf("capsule of %d app%s, delete (no grace) → gone", apps, round.Plural(apps))}
	const warmUp = 2
	for i := range b.Singles + warmUp {
		var ours, theirs [2]time.Duration
		err := round.Sides(i, func() error { return single(ctx, s, apps, &ours) }, func() error { return b.Engine.Single(ctx, apps, &theirs) })
		if err != nil {
			return nil, err
		}
		if i < warmUp {
			continue
		}
		up.Add(ours[0], theirs[0])
		down.Add(ours[1], theirs[1])
		fmt.Fprintf(b.Out, "  %d app%s, %d of %d: up %.0f ms, raw %.0f ms; down %.0f ms, raw %.0f ms\n", apps, round.Plural(apps), i-warmUp+1, b.Singles,
			report.Milliseconds(ours[0]), report.Milliseconds(theirs[0]), report.Milliseconds(ours[1]), report.Milliseconds(theirs[1]))
	}
	return []report.Figure{up, down}, nil
}

func single(ctx context.Context, s *server, apps int, took *[2]time.Duration) error {
	began := round.Begin()
	id, err := s.up(ctx, apps)
	if err != nil {
		return err
	}
	took[0] = time.Since(began)
	if s.trace {
		round.Trace(began, "ALL RUNNING")
	}
	round.Pause(ctx, round.Rest)
	began = round.Begin()
	if err := s.down(ctx, id); err != nil {
		return err
	}
	took[1] = time.Since(began)
	if s.trace {
		round.Trace(began, "GONE")
	}
	round.Pause(ctx, round.Rest)
	return ctx.Err()
}

func (b Bench) bursts(ctx context.Context, s *server) ([]report.Figure, error) {
	up := report.Figure{Name: fmt.Sprintf("%d capsules of 1 app at once, create → all running", b.Size), Bar: burstBar}
	down := report.Figure{Name: fmt.Sprintf("%d capsules of 1 app at once, delete (no grace) → gone", b.Size)}
	for i := range b.Bursts {
		var ours, theirs [2]time.Duration
		err := round.Sides(i, func() error { return burst(ctx, s, b.Size, &ours) }, func() error { return b.Engine.Burst(ctx, b.Size, &theirs) })
		if err != nil {
			return nil, err
		}
		up.Add(ours[0], theirs[0])
		down.Add(ours[1], theirs[1])
		fmt.Fprintf(b.Out, "  burst of %d, %d of %d: up %.2f s, raw %.2f s; down %.2f s, raw %.2f s\n", b.Size, i+1, b.Bursts,
			ours[0].Seconds(), theirs[0].Seconds(), ours[1].Seconds(), theirs[1].Seconds())
	}
	return []report.Figure{up, down}, nil
}

func burst(ctx context.Context, s *server, size int, took *[2]time.Duration) error {
	ids := make([]string, size)
	began := round.Begin()
	err := round.Each(ctx, size, size, func(ctx context.Context, i int) (err error) {
		ids[i], err = s.up(ctx, 1)
		return err
	})
	if err != nil {
		return err
	}
	took[0] = time.Since(began)
	round.Pause(ctx, 3*round.Rest)
	began = time.Now()
	err = round.Each(ctx, size, size, func(ctx context.Context, i int) error { return s.down(ctx, ids[i]) })
	took[1] = time.Since(began)
	round.Pause(ctx, 3*round.Rest)
	return err
}
