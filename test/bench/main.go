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

	"github.com/capsulet/capsulet/test/dev/stage"
)

// options is what a run is told.
type options struct {
	quick, trace, verbose bool
	only                  []string
	out                   string
	pairs, bursts, exits  int
	burstSize, idlePods   int
	idle                  time.Duration
}

const parts = "single,burst,status,pods,idle"

func main() {
	var o options
	var only string
	flag.BoolVar(&o.quick, "quick", false, "few rounds; writes no file")
	flag.BoolVar(&o.trace, "trace", false, "print each call to the engine with its time")
	flag.BoolVar(&o.verbose, "v", false, "print the server's log")
	flag.StringVar(&only, "only", parts, "what to measure")
	flag.StringVar(&o.out, "o", "", "where to write the report; docs/benchmarks.md when everything is measured in full")
	flag.IntVar(&o.pairs, "pairs", 21, "rounds of single capsules")
	flag.IntVar(&o.bursts, "bursts", 4, "rounds of bursts")
	flag.IntVar(&o.exits, "exits", 30, "containers that end")
	flag.IntVar(&o.burstSize, "size", 20, "capsules in a burst")
	flag.IntVar(&o.idlePods, "idle-pods", 100, "pods that do nothing")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long idle pods are looked at")
	flag.Parse()
	o.only = strings.Split(only, ",")
	if o.quick {
		o.pairs, o.bursts, o.exits, o.idlePods, o.idle = 5, 1, 8, 20, 20*time.Second
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
	root, err := stage.Root()
	if err != nil {
		return err
	}
	e, err := openEngine(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close(context.WithoutCancel(ctx))) }()
	r := report{began: time.Now(), engine: e.about, options: o}
	fmt.Fprintf(w, "%s\n", e.about)
	if slices.Contains(o.only, "single") || slices.Contains(o.only, "burst") {
		if err := measureCapsules(ctx, w, e, o, &r); err != nil {
			r.print(w) // what was measured before is not lost
			return err
		}
	}
	for _, m := range []struct {
		part    string
		measure func(context.Context, io.Writer, *engine, string, options, *report) error
	}{{"status", measureStatus}, {"pods", measurePods}, {"idle", measureIdle}} {
		if !slices.Contains(o.only, m.part) {
			continue
		}
		if err := m.measure(ctx, w, e, root, o, &r); err != nil {
			r.print(w)
			return fmt.Errorf("%s: %w", m.part, err)
		}
	}
	r.print(w)
	if o.out == "" && !o.quick && len(o.only) == len(strings.Split(parts, ",")) {
		o.out = filepath.Join(root, "docs", "benchmarks.md")
	}
	if o.out != "" {
		if err := os.WriteFile(o.out, []byte(r.markdown()), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(w, "written to %s\n", o.out)
	}
	return r.missed()
}

// measureCapsules starts the server and takes turns with the raw side.
func measureCapsules(ctx context.Context, w io.Writer, e *engine, o options, r *report) (err error) {
	s, err := startServer(ctx, e, o, logger(o))
	if err != nil {
		return fmt.Errorf("start the capsule server: %w", err)
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if slices.Contains(o.only, "single") {
		for _, apps := range []int{1, 2} {
			f, err := measureSingles(ctx, w, s, e, apps, o.pairs)
			if err != nil {
				return fmt.Errorf("capsules of %d apps: %w", apps, err)
			}
			r.figures = append(r.figures, f...)
		}
	}
	if slices.Contains(o.only, "burst") {
		f, err := measureBursts(ctx, w, s, e, o.burstSize, o.bursts)
		if err != nil {
			return fmt.Errorf("bursts: %w", err)
		}
		r.figures = append(r.figures, f...)
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
