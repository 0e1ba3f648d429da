package pods

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/capsulet/capsulet/test/bench/proc"
	"github.com/capsulet/capsulet/test/bench/report"
	"github.com/capsulet/capsulet/test/bench/round"
)

// The bars of idle pods.
const (
	rssBar = 150 // MB
	cpuBar = 3   // percent of one core
	// settle is how long what follows a start takes: events, statuses, the collector's next rounds.
	settle = 20 * time.Second
)

// Idle looks at capsulet while its pods do nothing but answer probes.
func (b Bench) Idle(ctx context.Context, r *report.Report) (err error) {
	c := &cluster{e: b.Engine, level: "info"}
	defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
	if err := c.open(ctx, b.Out, b.Root); err != nil {
		return err
	}
	names := podNames("idle", b.IdlePods)
	for some := range slices.Chunk(names, 20) {
		if _, err := c.up(ctx, some, probed); err != nil {
			return fmt.Errorf("%w; the end of the server's log:\n%s", err, c.server.Tail(20))
		}
		fmt.Fprintf(b.Out, "  idle pods up to %s are ready\n", some[len(some)-1])
	}
	pid := c.server.PID()
	round.Pause(ctx, settle)
	before, err := proc.CPU(pid)
	if err != nil {
		return err
	}
	began, rss := time.Now(), 0.0
	for time.Since(began) < b.Watch && ctx.Err() == nil {
		round.Pause(ctx, min(5*time.Second, b.Watch-time.Since(began)))
		m, err := proc.Memory(pid, "VmRSS")
		if err != nil {
			return err
		}
		rss = max(rss, m)
	}
	after, err := proc.CPU(pid)
	if err != nil {
		return err
	}
	cpu := 100 * float64(after-before) / float64(time.Since(began))
	peak, err := proc.Memory(pid, "VmHWM")
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d idle Pods with an HTTP probe every 10 s", b.IdlePods)
	r.Gauges = append(r.Gauges,
		report.Gauge{Name: what + ": RSS, highest in " + b.Watch.String(), Unit: "MB", Value: rss, Bar: rssBar},
		report.Gauge{Name: what + ": CPU over " + b.Watch.String(), Unit: "% of a core", Value: cpu, Bar: cpuBar},
		report.Gauge{Name: what + ": highest RSS since the start", Unit: "MB", Value: peak})
	if err := b.scrape(ctx, c, fmt.Sprintf("%d Pods", b.IdlePods), r); err != nil {
		return err
	}
	// Nobody has read the watch for a while, and the API server cuts off who does not.
	if err := c.watch(ctx); err != nil {
		return err
	}
	_, err = c.down(ctx, names)
	return err
}
