package pods

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/capsulet/capsulet/test/bench/report"
	"github.com/capsulet/capsulet/test/bench/round"
)

// The bars of idle pods.
const (
	rssBar = 150 // MB
	cpuBar = 3   // percent of one core
	// settle is how long what follows a start takes: events, statuses, the collector's next rounds.
	settle = 20 * time.Second
	// tick is a unit of processor time in /proc (USER_HZ, which is 100 on every Linux that Go runs on).
	tick = 10 * time.Millisecond
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
	before, err := cpuTime(pid)
	if err != nil {
		return err
	}
	began, rss := time.Now(), 0.0
	for time.Since(began) < b.Watch && ctx.Err() == nil {
		round.Pause(ctx, min(5*time.Second, b.Watch-time.Since(began)))
		m, err := memory(pid, "VmRSS")
		if err != nil {
			return err
		}
		rss = max(rss, m)
	}
	after, err := cpuTime(pid)
	if err != nil {
		return err
	}
	cpu := 100 * float64(after-before) / float64(time.Since(began))
	peak, err := memory(pid, "VmHWM")
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

// cpuTime is the processor time of a process, in user and in system mode.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; utime and stime are the fields 14 and 15, the state after the name is 3.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s: %q", procFile(pid, "stat"), b)
	}
	user, userErr := strconv.ParseInt(fields[11], 10, 64)
	system, systemErr := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(userErr, systemErr)
}

// memory is a field of /proc/<pid>/status in MB.
func memory(pid int, field string) (float64, error) {
	b, err := os.ReadFile(procFile(pid, "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", procFile(pid, "status"), field)
}

func procFile(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }
