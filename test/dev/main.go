// Command dev is behind `make up` and `make down`: from a fresh clone to a Pod and a capsule that run on real Docker,
// and back to nothing.
//
//	up    engine ─► bin/capsulet ─► cluster ($KUBECONFIG, or a control plane in .dev/) ─► image ─► capsulet run (detached)
//	      ─► node Ready ─► examples/web.yaml ─► a page ─► examples/capsule.yaml by REST ─► what to type next
//	down  the same backwards; what cannot be asked to go is removed by its label
//
// Every step looks first and changes only what is not as it should be, so that a second `up` changes nothing and one
// that was interrupted goes on. All files are in .dev/ and bin/; .dev/ goes with `down`.
//
// Decisions (2026-11-20): a program of its own rather than shell, because it shares the control plane, the process
// bookkeeping and the clean-up with the end-to-end tests; what works here is what they test.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/capsulet/capsulet/test/controlplane/progress"
	"github.com/capsulet/capsulet/test/dev/stage"
)

const (
	instance    = "dev"
	nodeName    = "capsulet"
	apiPort     = 9517
	kubeletPort = 10250
	image       = "capsulet/web:dev"
	selfImage   = "capsulet/capsulet:dev"
)

// world is what the steps work on.
type world struct {
	root, dir  string // of the repository, and .dev in it
	out        *progress.Printer
	server     *stage.Server
	ownCluster bool
	kubeconfig string
	ignored    string // a KUBECONFIG that is not used, because .dev has a control plane
	kubectl    string
	page       string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "\nmake %s failed: %v\n", os.Args[len(os.Args)-1], err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("say up, down, image or tools")
	}
	w, err := newWorld()
	if err != nil {
		return err
	}
	switch args[0] {
	case "up":
		return w.up(ctx)
	case "down":
		return w.down(ctx)
	case "image":
		return w.images(ctx)
	case "tools":
		return w.tools(ctx)
	default:
		return fmt.Errorf("unknown command %q: up, down, image or tools", args[0])
	}
}

func newWorld() (*world, error) {
	root, err := stage.Root()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("this needs root: it talks to Docker, writes under /run and may install packages")
	}
	w := &world{root: root, dir: filepath.Join(root, ".dev"), out: progress.New(os.Stdout)}
	if err := w.chooseCluster(os.Getenv("KUBECONFIG")); err != nil {
		return nil, err
	}
	w.server = &stage.Server{
		Program: filepath.Join(root, "bin", "capsulet"), Dir: w.dir, Instance: instance,
		NodeName: nodeName, Kubeconfig: w.path("kubeconfig"), APIPort: apiPort, KubeletPort: kubeletPort,
		Engine: stage.Engine(), LogLevel: "info", Detached: true,
	}
	if w.ownCluster {
		w.server.NodeAddress = "127.0.0.1" // where its API server is too
	}
	return w, nil
}

// chooseCluster finds out whose cluster it is. What is in .dev counts first: .dev/env exports KUBECONFIG, and a shell may
// or may not have it from the time of `up`; what is deleted by `down` must not depend on that.
func (w *world) chooseCluster(env string) (err error) {
	own, joined := w.path("controlplane/admin.kubeconfig"), w.path("kubeconfig")
	if env == own || env == joined {
		env = ""
	}
	started := exists(w.path("controlplane"))
	w.ownCluster = started || env == "" && !exists(joined)
	switch {
	case w.ownCluster:
		w.kubeconfig, w.ignored = own, env
	case env == "":
		w.kubeconfig = joined
	default:
		w.kubeconfig, err = filepath.Abs(env)
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// step gives each step a deadline and a title.
func (w *world) step(ctx context.Context, what string, limit time.Duration, f func(ctx context.Context, note func(string)) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("gave up after %s", limit))
	defer cancel()
	return w.out.Step(ctx, what, f)
}
