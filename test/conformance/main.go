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
	"strings"
	"syscall"
	"time"

	"github.com/capsulet/capsulet/test/controlplane"
	"github.com/capsulet/capsulet/test/controlplane/progress"
	"github.com/capsulet/capsulet/test/dev/stage"
	"github.com/capsulet/capsulet/test/e2e"
)

// options is what a run is told.
type options struct {
	// focus chooses among the conformance specs of nodes and storage; empty is the family, whole.
	focus string
	// fast leaves the slow ones of the family out.
	fast  bool
	procs int
	limit time.Duration
	out   string
}

func main() {
	o := options{out: os.Getenv("CAPSULET_CONFORMANCE_OUT")}
	flag.StringVar(&o.focus, "focus", "", "regular expression over the names of the specs; the whole pod family when empty")
	flag.IntVar(&o.procs, "procs", 4, "specs at a time")
	flag.DurationVar(&o.limit, "limit", 90*time.Minute, "end the suite after this long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // the first context
	err := whole(ctx, os.Stdout, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1) //nolint:forbidigo // main
	}
}

// whole runs what is asked for, prints it, and writes docs/conformance.md when that is the whole family.
func whole(ctx context.Context, w io.Writer, o options) error {
	r, runErr := run(ctx, w, o)
	if len(r.specs) == 0 {
		return runErr
	}
	r.table(w)
	all := o.focus == ""
	err := errors.Join(runErr, r.verdict(all))
	if !all || runErr != nil {
		return err
	}
	root, rerr := stage.Root()
	if rerr != nil {
		return errors.Join(err, rerr)
	}
	file := filepath.Join(root, "docs", "conformance.md")
	fmt.Fprintln(w, "written:", file)
	return errors.Join(err, os.WriteFile(file, []byte(r.markdown()), 0o644))
}

// run makes all that the suite needs, runs it and takes everything away again.
func run(ctx context.Context, w io.Writer, o options) (r result, err error) {
	out := progress.New(w)
	root, err := stage.Root()
	if err != nil {
		return r, err
	}
	programs, err := controlplane.BuildSuite(ctx, out)
	if err != nil {
		return r, err
	}
	unlock, err := lock(ctx, out)
	if err != nil {
		return r, err
	}
	defer unlock()
	dir, err := outDir(o.out)
	if err != nil {
		return r, err
	}
	defer func() {
		if o.out == "" && err == nil && r.total().failed == 0 {
			err = os.RemoveAll(dir)
			return
		}
		out.Line("the suite's output, its reports and capsulet's log are in %s", dir)
	}()
	g := ginkgo{programs: programs, dir: dir, procs: o.procs, limit: o.limit}
	names, err := choose(ctx, g, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, removeImages(context.WithoutCancel(ctx))) }()
	err = out.Step(ctx, "make the suite's images", func(ctx context.Context, note func(string)) error {
		return makeImages(ctx, root, dir, programs, note)
	})
	if err != nil {
		return r, err
	}
	return inWorld(ctx, out, g, names)
}

// choose lists the specs to run.
func choose(ctx context.Context, g ginkgo, o options) ([]string, error) {
	if o.focus != "" {
		names, err := g.list(ctx, o.focus)
		if err == nil && len(names) == 0 {
			err = fmt.Errorf("no conformance spec of nodes or storage that is not serial matches %q", o.focus)
		}
		return names, err
	}
	names, err := g.list(ctx, family)
	if err != nil {
		return nil, err
	}
	if len(names) != familySize {
		return nil, fmt.Errorf("the pod family has %d specs, not %d as it has in %s", len(names), familySize, controlplane.Version)
	}
	if !o.fast {
		return names, nil
	}
	names, unused := withoutSlow(names)
	if len(unused) > 0 {
		return nil, fmt.Errorf("no spec is called %q: correct the table in slow.go", unused)
	}
	return names, nil
}

// inWorld starts a cluster with one capsulet node, runs the specs, and demands that nothing is left of their pods.
func inWorld(ctx context.Context, out *progress.Printer, g ginkgo, names []string) (r result, err error) {
	w, err := e2e.NewWorld(ctx, e2e.Options{NoTaint: true, Out: out})
	if err != nil {
		return r, err
	}
	defer func() {
		err = errors.Join(err, copyLog(w.Server.Log(), filepath.Join(g.dir, "capsulet.log")), w.Close(context.WithoutCancel(ctx)))
	}()
	r = result{began: time.Now(), procs: g.procs}
	if r.about, err = about(ctx, w); err != nil {
		return r, err
	}
	what := fmt.Sprintf("run %d specs, %d at a time (%s)", len(names), g.procs, filepath.Join(g.dir, "suite.log"))
	err = out.Step(ctx, what, func(ctx context.Context, note func(string)) error {
		r.specs, err = g.run(ctx, w.ControlPlane, names, note)
		return err
	})
	r.took = time.Since(r.began)
	if err != nil {
		return r, err
	}
	return r, out.Step(ctx, "wait until the suite's pods are gone", func(ctx context.Context, note func(string)) error {
		return awaitNoPods(ctx, w, note)
	})
}

// awaitNoPods waits for the namespaces that the suite deletes without waiting itself.
func awaitNoPods(ctx context.Context, w *e2e.World, note func(string)) error {
	const limit = 3 * time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	for tick := time.NewTicker(time.Second); ; {
		left, err := w.Kubectl(ctx, "get", "pods", "-A", "--no-headers", "-o", "custom-columns=:metadata.namespace,:metadata.name,:status.phase")
		if err == nil && left == "" {
			return nil
		}
		note(fmt.Sprintf("%d are there", strings.Count(left, "\n")+1))
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err, errors.New(left))
		case <-tick.C:
		}
	}
}

func about(ctx context.Context, w *e2e.World) ([]string, error) {
	engine, err := stage.Docker(ctx, "version", "-f", "{{.Server.Version}}")
	if err != nil {
		return nil, err
	}
	info, err := stage.Docker(ctx, "info", "-f", "{{.OperatingSystem}}, {{.NCPU}} CPUs, cgroup v{{.CgroupVersion}}, {{.Driver}}")
	if err != nil {
		return nil, err
	}
	version, err := w.Kubectl(ctx, "get", "node", w.Node, "-o", "jsonpath={.status.nodeInfo.kubeletVersion}")
	if err != nil {
		return nil, err
	}
	return []string{"node: " + version, "engine: Docker " + engine, "machine: " + info}, nil
}

func copyLog(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func outDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "capsulet-conformance-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// lock waits until no other run is on this machine; the kernel drops it when this process ends, in whatever way.
func lock(ctx context.Context, out *progress.Printer) (unlock func(), err error) {
	cache, err := controlplane.CacheDir()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(cache, "conformance.lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	told := false
	for tick := time.NewTicker(time.Second); ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if !told {
			out.Line("  another run of the suite is on this machine; waiting for it")
			told = true
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("wait for another run of the suite: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}
