package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	benchapi "github.com/capsulet/capsulet/test/bench/api"
	"github.com/capsulet/capsulet/test/bench/capsules"
	"github.com/capsulet/capsulet/test/bench/pods"
	"github.com/capsulet/capsulet/test/bench/raw"
	"github.com/capsulet/capsulet/test/bench/report"
	"github.com/capsulet/capsulet/test/dev/stage"
)

// options is what a run is told.
type options struct {
	quick, trace, verbose bool
	only                  []string
	out                   string
	pairs, bursts, exits  int
	logs, execs, forwards int
	burstSize, idlePods   int
	idle                  time.Duration
	capsules, watchers    int
	lists                 time.Duration
	profile               string
}

// parts are all that is measured, in this order.
var parts = []string{"single", "burst", "logs", "exec", "forward", "api", "status", "pods", "idle"}

func main() {
	var o options
	var only string
	flag.BoolVar(&o.quick, "quick", false, "few rounds; writes no file")
	flag.BoolVar(&o.trace, "trace", false, "print each call to the engine with its time")
	flag.BoolVar(&o.verbose, "v", false, "print the server's log")
	flag.StringVar(&only, "only", strings.Join(parts, ","), "what to measure")
	flag.StringVar(&o.out, "o", "", "where to write the report; docs/benchmarks.md when everything is measured in full")
	flag.IntVar(&o.pairs, "pairs", 21, "rounds of single capsules")
	flag.IntVar(&o.bursts, "bursts", 4, "rounds of bursts")
	flag.IntVar(&o.logs, "logs", 9, "rounds of logs")
	flag.IntVar(&o.execs, "execs", 31, "rounds of commands")
	flag.IntVar(&o.forwards, "forwards", 9, "rounds of forwarded ports")
	flag.IntVar(&o.exits, "exits", 30, "containers that end")
	flag.IntVar(&o.burstSize, "size", 20, "capsules in a burst")
	flag.IntVar(&o.idlePods, "idle-pods", 100, "pods that do nothing")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long idle pods are looked at")
	flag.IntVar(&o.capsules, "capsules", 1000, "capsules of three containers in the store that the API is asked for")
	flag.IntVar(&o.watchers, "watchers", 100, "who watch the API")
	flag.DurationVar(&o.lists, "lists", 20*time.Second, "how long the API is asked for lists")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the API's server to this file")
	flag.Parse()
	o.only = strings.Split(only, ",")
	if o.quick {
		o.pairs, o.bursts, o.exits, o.idlePods, o.idle = 5, 1, 8, 20, 20*time.Second
		o.logs, o.execs, o.forwards = 3, 5, 3
		o.capsules, o.watchers, o.lists = 200, 20, 3*time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // the first context
	err := run(ctx, os.Stdout, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // main
	}
}

// run measures what is asked for, prints it, writes it, and fails if a bar was missed.
func run(ctx context.Context, w io.Writer, o options) (err error) {
	for _, part := range o.only {
		if !slices.Contains(parts, part) {
			return fmt.Errorf("there is no part %q: %s", part, strings.Join(parts, ", "))
		}
	}
	root, err := stage.Root()
	if err != nil {
		return err
	}
	e, err := raw.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Shut(context.WithoutCancel(ctx))) }()
	r := report.Report{Began: time.Now(), Engine: e.About}
	fmt.Fprintf(w, "%s\n", e.About)
	err = measure(ctx, w, e, root, o, &r)
	r.Print(w) // what was measured before an error is not lost
	if err != nil {
		return err
	}
	if o.out == "" && !o.quick && len(o.only) == len(parts) {
		o.out = filepath.Join(root, "docs", "benchmarks.md")
	}
	if o.out != "" {
		if err := os.WriteFile(o.out, []byte(r.Markdown()), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(w, "written to %s\n", o.out)
	}
	return r.Missed()
}

func measure(ctx context.Context, w io.Writer, e *raw.Engine, root string, o options, r *report.Report) error {
	ofCapsules := capsules.Bench{Engine: e, Out: w, Log: logger(o), Trace: o.trace, Size: o.burstSize}
	with := func(rounds func(*capsules.Bench)) func(context.Context, *report.Report) error {
		b := ofCapsules
		rounds(&b)
		return b.Measure
	}
	ofPods := pods.Bench{Engine: e, Out: w, Root: root, Trace: o.trace, Quick: o.quick, Exits: o.exits, IdlePods: o.idlePods, Watch: o.idle}
	ofAPI := benchapi.Bench{
		Out: w, Root: root, Profile: o.profile, Capsules: o.capsules, Lists: o.lists, Watchers: o.watchers, Watched: o.capsules / 5,
	}
	how := map[string]func(context.Context, *report.Report) error{
		"single":  with(func(b *capsules.Bench) { b.Singles = o.pairs }),
		"burst":   with(func(b *capsules.Bench) { b.Bursts = o.bursts }),
		"logs":    with(func(b *capsules.Bench) { b.Logs = o.logs }),
		"exec":    with(func(b *capsules.Bench) { b.Execs = o.execs }),
		"forward": with(func(b *capsules.Bench) { b.Forwards = o.forwards }),
		"api":     ofAPI.Measure,
		"status":  ofPods.Status, "pods": ofPods.Pods, "idle": ofPods.Idle,
	}
	for _, part := range parts {
		if !slices.Contains(o.only, part) {
			continue
		}
		if err := how[part](ctx, r); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

func logger(o options) *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	if o.verbose {
		l.SetOutput(os.Stderr)
		l.SetLevel(logrus.DebugLevel)
		l.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: "15:04:05.000", DisableColors: true})
	}
	return logrus.NewEntry(l)
}
