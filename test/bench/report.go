package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one thing that was measured. It has a bar or is for information.
type figure struct {
	name         string
	ours, theirs []time.Duration // theirs is empty where there is nothing to compare with
	bar          float64         // ours/theirs at most; 0 is none
	most         time.Duration   // the median at most; 0 is none
}

func (f *figure) add(ours, theirs time.Duration) {
	f.ours, f.theirs = append(f.ours, ours), append(f.theirs, theirs)
}

// quantile is the nearest rank; 0 of nothing.
func quantile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(ds))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (f *figure) ratio() float64 {
	return float64(quantile(f.ours, 0.5)) / float64(quantile(f.theirs, 0.5))
}

func (f *figure) pass() bool {
	return (f.bar == 0 || f.ratio() <= f.bar) && (f.most == 0 || quantile(f.ours, 0.5) <= f.most)
}

// cells are the figure as a row of a table.
func (f *figure) cells() []string {
	ms := func(ds []time.Duration, q float64) string {
		if len(ds) == 0 {
			return ""
		}
		return fmt.Sprintf("%.0f ms", milliseconds(quantile(ds, q)))
	}
	ratio, bar, verdict := "", "for information", ""
	if len(f.theirs) > 0 {
		ratio = fmt.Sprintf("%.2f", f.ratio())
	}
	switch {
	case f.bar > 0:
		bar = fmt.Sprintf("≤ %.2f × raw", f.bar)
	case f.most > 0:
		bar = fmt.Sprintf("p50 ≤ %.0f ms", milliseconds(f.most))
	}
	if f.bar > 0 || f.most > 0 {
		verdict = map[bool]string{true: "PASS", false: "FAIL"}[f.pass()]
	}
	return []string{
		f.name, fmt.Sprint(len(f.ours)), ms(f.ours, 0.5), ms(f.ours, 0.9), ms(f.ours, 0.99), ms(f.theirs, 0.5), ms(f.theirs, 0.9), ratio, bar, verdict,
	}
}

var head = []string{"what", "n", "capsulet p50", "p90", "p99", "raw p50", "p90", "ratio of p50", "bar", ""}

// gauge is one number that is no time.
type gauge struct {
	name, unit string
	value, bar float64 // at most; a bar of 0 is none
}

func (g *gauge) pass() bool { return g.bar == 0 || g.value <= g.bar }

func (g *gauge) cells() []string {
	bar, verdict := "for information", ""
	if g.bar > 0 {
		bar, verdict = fmt.Sprintf("≤ %.4g %s", g.bar, g.unit), map[bool]string{true: "PASS", false: "FAIL"}[g.pass()]
	}
	return []string{g.name, fmt.Sprintf("%.3g %s", g.value, g.unit), bar, verdict}
}

var gaugeHead = []string{"what", "capsulet", "bar", ""}

// report is one run.
type report struct {
	began   time.Time
	engine  string
	options options
	figures []figure
	gauges  []gauge
}

func (r *report) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for i := range r.figures {
		fmt.Fprintln(t, strings.Join(r.figures[i].cells(), "\t"))
	}
	if len(r.gauges) > 0 {
		fmt.Fprintln(t, "\n"+strings.Join(gaugeHead, "\t"))
	}
	for i := range r.gauges {
		fmt.Fprintln(t, strings.Join(r.gauges[i].cells(), "\t"))
	}
	_ = t.Flush()
}

// missed is an error that names every bar that was missed.
func (r *report) missed() error {
	var errs []error
	for i := range r.figures {
		if f := &r.figures[i]; !f.pass() {
			errs = append(errs, fmt.Errorf("the bar was missed: %s", f.name))
		}
	}
	for i := range r.gauges {
		if g := &r.gauges[i]; !g.pass() {
			errs = append(errs, fmt.Errorf("the bar was missed: %s", g.name))
		}
	}
	return errors.Join(errs...)
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench` (`go run ./test/bench`); do not edit. Compare ratios, not absolute times.\n\n")
	fmt.Fprintf(&b, "- %s, took %s\n- %s\n- %s\n\n", r.began.UTC().Format("2006-01-02 15:04 UTC"), time.Since(r.began).Round(time.Second),
		r.engine, load())
	row := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	row(head)
	row(slices.Repeat([]string{"---"}, len(head)))
	for i := range r.figures {
		row(r.figures[i].cells())
	}
	if len(r.gauges) > 0 {
		b.WriteString("\n")
		row(gaugeHead)
		row(slices.Repeat([]string{"---"}, len(gaugeHead)))
	}
	for i := range r.gauges {
		row(r.gauges[i].cells())
	}
	b.WriteString(`
## What was measured

One process, one engine; capsulet and the raw side take turns and change who goes first each round.

- **create → all running**: from ` + "`POST /v1/capsules`" + ` on a capsule server with embedded etcd (loopback HTTP) until its
  native watch shows every container running. Raw is the Engine API in its best order: create the sandbox, create the apps
  while it starts, start all apps at once, inspect everything once; same images and options. A burst is posted all at once;
  raw does the same work with four workers.
- **delete → gone**: ` + "`DELETE …?grace_period=0`" + ` until the record is gone. Raw removes the apps at once, by force, then the sandbox.
- **exit → Pod status**: from the container's FinishedAt as the engine has it until a Kubernetes watch shows the container as
  terminated, with ` + "`capsulet run`" + ` on a real control plane on the same machine.
- **Pods, create → Ready**: from the create request until a Kubernetes watch shows the Pod (the last of them) as Ready, on the
  same control plane, bound to the node already. They are Pods of one container as users write them, with the token of their
  service account mounted. Raw makes as many capsules as in create → all running. The bars are what a kubelet with
  cri-dockerd does on such a machine when it is quiet; on one that is not, look at the ratio.
- **idle Pods**: 100 Pods of one container, each with an HTTP readiness probe every 10 s. Memory and processor time are the
  process's in /proc over a minute, its embedded etcd, API and kubelet endpoint included.

## Repeat it

` + "```\nmake bench                                   # all of it, rewrites this file\ngo run ./test/bench -quick                   # few rounds, writes nothing\ngo run ./test/bench -only single -trace      # where the time goes, call by call\n```\n")
	return b.String()
}

// load says how busy the machine was: other people's work falls on both sides but spreads the figures.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "load unknown"
	}
	f := strings.Fields(string(b))
	return "load average at the end: " + strings.Join(f[:min(3, len(f))], " ")
}
