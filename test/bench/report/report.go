// Package report is what a run of the benchmarks says: figures, gauges, their bars, and the file that keeps them.
package report

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

// Figure is one thing that was measured. It has a bar or is for information.
type Figure struct {
	Name         string
	Ours, Theirs []time.Duration // Theirs is empty where there is nothing to compare with
	Bar          float64         // Ours/Theirs at most; 0 is none
	Most         time.Duration   // the median at most; 0 is none
	Either       bool            // one of both bars is enough
	MostAt99     time.Duration   // the 99th percentile at most; 0 is none
}

// Add adds a round.
func (f *Figure) Add(ours, theirs time.Duration) {
	f.Ours, f.Theirs = append(f.Ours, ours), append(f.Theirs, theirs)
}

// quantile is the nearest rank; 0 of nothing.
func quantile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(ds))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// Milliseconds is d for people.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (f *Figure) ratio() float64 {
	return float64(quantile(f.Ours, 0.5)) / float64(quantile(f.Theirs, 0.5))
}

func (f *Figure) pass() bool {
	if f.MostAt99 > 0 && quantile(f.Ours, 0.99) > f.MostAt99 {
		return false
	}
	ratio, median := f.Bar == 0 || f.ratio() <= f.Bar, f.Most == 0 || quantile(f.Ours, 0.5) <= f.Most
	return ratio && median || f.Either && (ratio || median)
}

// cells are the figure as a row of a table.
func (f *Figure) cells() []string {
	ms := func(ds []time.Duration, q float64) string {
		if len(ds) == 0 {
			return ""
		}
		return fmt.Sprintf("%.0f ms", Milliseconds(quantile(ds, q)))
	}
	ratio, bar, verdict := "", "for information", ""
	if len(f.Theirs) > 0 {
		ratio = fmt.Sprintf("%.2f", f.ratio())
	}
	switch {
	case f.Either:
		bar = fmt.Sprintf("≤ %.2f × raw or %.0f ms", f.Bar, Milliseconds(f.Most))
	case f.Bar > 0:
		bar = fmt.Sprintf("≤ %.2f × raw", f.Bar)
	case f.Most > 0:
		bar = fmt.Sprintf("p50 ≤ %.0f ms", Milliseconds(f.Most))
	case f.MostAt99 > 0:
		bar = fmt.Sprintf("p99 ≤ %.0f ms", Milliseconds(f.MostAt99))
	}
	if f.Bar > 0 || f.Most > 0 || f.MostAt99 > 0 {
		verdict = map[bool]string{true: "PASS", false: "FAIL"}[f.pass()]
	}
	return []string{
		f.Name, fmt.Sprint(len(f.Ours)), ms(f.Ours, 0.5), ms(f.Ours, 0.9), ms(f.Ours, 0.99), ms(f.Theirs, 0.5), ms(f.Theirs, 0.9), ratio, bar, verdict,
	}
}

var head = []string{"what", "n", "capsulet p50", "p90", "p99", "raw p50", "p90", "ratio of p50", "bar", ""}

// Gauge is one number that is no time.
type Gauge struct {
	Name, Unit string
	Value, Bar float64 // at most; a bar of 0 is none
	Least      float64 // at least; likewise
}

func (g *Gauge) pass() bool { return (g.Bar == 0 || g.Value <= g.Bar) && g.Value >= g.Least }

func (g *Gauge) cells() []string {
	bar, verdict := "for information", ""
	switch {
	case g.Bar > 0:
		bar = fmt.Sprintf("≤ %.4g %s", g.Bar, g.Unit)
	case g.Least > 0:
		bar = fmt.Sprintf("≥ %.4g %s", g.Least, g.Unit)
	}
	if g.Bar > 0 || g.Least > 0 {
		verdict = map[bool]string{true: "PASS", false: "FAIL"}[g.pass()]
	}
	return []string{g.Name, fmt.Sprintf("%.3g %s", g.Value, g.Unit), bar, verdict}
}

var gaugeHead = []string{"what", "capsulet", "bar", ""}

// Report is one run.
type Report struct {
	Began   time.Time
	Engine  string // what it is
	Figures []Figure
	Gauges  []Gauge
}

// Print writes the tables.
func (r *Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for i := range r.Figures {
		fmt.Fprintln(t, strings.Join(r.Figures[i].cells(), "\t"))
	}
	if len(r.Gauges) > 0 {
		fmt.Fprintln(t, "\n"+strings.Join(gaugeHead, "\t"))
	}
	for i := range r.Gauges {
		fmt.Fprintln(t, strings.Join(r.Gauges[i].cells(), "\t"))
	}
	_ = t.Flush()
}

// Missed is an error that names every bar that was missed.
func (r *Report) Missed() error {
	var errs []error
	for i := range r.Figures {
		if f := &r.Figures[i]; !f.pass() {
			errs = append(errs, fmt.Errorf("the bar was missed: %s", f.Name))
		}
	}
	for i := range r.Gauges {
		if g := &r.Gauges[i]; !g.pass() {
			errs = append(errs, fmt.Errorf("the bar was missed: %s", g.Name))
		}
	}
	return errors.Join(errs...)
}

// Markdown is docs/benchmarks.md.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench` (`go run ./test/bench`); do not edit. Compare ratios, not absolute times.\n\n")
	fmt.Fprintf(&b, "- %s, took %s\n- %s\n- %s\n\n", r.Began.UTC().Format("2006-01-02 15:04 UTC"), time.Since(r.Began).Round(time.Second),
		r.Engine, load())
	row := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	row(head)
	row(slices.Repeat([]string{"---"}, len(head)))
	for i := range r.Figures {
		row(r.Figures[i].cells())
	}
	if len(r.Gauges) > 0 {
		b.WriteString("\n")
		row(gaugeHead)
		row(slices.Repeat([]string{"---"}, len(gaugeHead)))
	}
	for i := range r.Gauges {
		row(r.Gauges[i].cells())
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
- **a log, followed**: 30 MB that one container has printed in lines of 100 bytes, by GET /logs?follow=1 to its end. Raw is the
  engine's logs of the same container, followed too. 100 MB/s are 300 ms.
- **exec**: a command that ends at once, by POST /exec until its exit code is known. Raw creates, starts and inspects.
- **from a port**: 128 MB out of a capsule, through a port-forward of a Kubernetes client over SPDY. Raw is a connection to the
  capsule's address.
- **API**: a capsule server in a process of its own, with embedded etcd on the disk and hosts in memory; its clients are on the same two
  processors. Lists are Zun's (microversion 1.40). Each watcher lists, watches in Zun's form, and has to see what the others see.
- **idle Pods**: 100 Pods of one container, each with an HTTP readiness probe every 10 s. Memory and processor time are the
  process's in /proc over a minute, its embedded etcd, API and kubelet endpoint included.
- **scrape**: GET of the kubelet endpoint by an administrator of the cluster, over TLS, every 0.6 s (figures are kept for half a
  second). Once a minute, while somebody asks, the disks of the Pods are looked at in the background: that has a row of its own.

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
