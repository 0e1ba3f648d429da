package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/capsulet/capsulet/test/child"
	"github.com/capsulet/capsulet/test/controlplane"
	"github.com/capsulet/capsulet/test/controlplane/progress"
	"github.com/capsulet/capsulet/test/dev/stage"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// World is a control plane with one capsulet node. Its methods are safe for concurrent use, except those that stop and
// start capsulet.
type World struct {
	Dir          string
	Instance     string
	Node         string
	Image        string // of test/e2e/app
	ControlPlane *controlplane.ControlPlane
	Server       *stage.Server

	root string
	// stop ends what this world has started.
	stop func(context.Context) error
	out  *progress.Printer
}

// Options of a world; the zero value is the usual one.
type Options struct {
	// Engine is the Docker endpoint, DOCKER_HOST or the local socket when empty. Images are imported into the engine of
	// DOCKER_HOST only.
	Engine string
	// CA, Cert and Key are files for mutual TLS with it.
	CA, Cert, Key string
	// ControlPlane is one that another world has started and stops; nil starts one.
	ControlPlane *controlplane.ControlPlane
	// NoTaint lets every pod onto the node, those without a toleration too.
	NoTaint bool
	// Out shows progress; nil shows nothing.
	Out *progress.Printer
}

// NewWorld starts a world and returns when its node is Ready. Close takes all of it away, and is called here when the
// start fails.
func NewWorld(ctx context.Context, o Options) (_ *World, err error) {
	id := strconv.FormatUint(rand.Uint64()&0xffffff, 36)
	w := &World{Instance: "e2e-" + id, Node: "capsulet-" + id, Image: "capsulet/e2e-" + id + ":test", out: o.Out}
	if w.out == nil {
		w.out = progress.New(nil)
	}
	if w.root, err = stage.Root(); err != nil {
		return nil, err
	}
	if w.Dir, err = os.MkdirTemp("", "capsulet-"+w.Instance+"-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close(context.WithoutCancel(ctx)))
		}
	}()
	if o.Engine == "" {
		if o.Engine = os.Getenv("DOCKER_HOST"); o.Engine == "" {
			o.Engine = "unix:///var/run/docker.sock"
		}
	}
	if w.ControlPlane = o.ControlPlane; w.ControlPlane == nil {
		w.ControlPlane, err = controlplane.Start(ctx, controlplane.Config{Dir: filepath.Join(w.Dir, "kube"), Progress: w.out})
		if err != nil {
			return nil, err
		}
		w.stop = w.ControlPlane.Stop
	}
	w.Server = &stage.Server{
		Program: filepath.Join(w.Dir, "capsulet"), Dir: w.Dir, Instance: w.Instance,
		NodeName: w.Node, Kubeconfig: w.ControlPlane.Kubeconfig, NodeAddress: "127.0.0.1",
		Engine: o.Engine, CA: o.CA, Cert: o.Cert, Key: o.Key, NoTaint: o.NoTaint, LogLevel: "debug",
	}
	err = w.out.Step(ctx, "build capsulet and the test image", func(ctx context.Context, note func(string)) error {
		note("./cmd/capsulet")
		if _, err := stage.Build(ctx, w.root, "./cmd/capsulet", w.Server.Program); err != nil {
			return err
		}
		note(w.Image)
		return w.ImportImage(ctx, w.Image)
	})
	if err != nil {
		return nil, err
	}
	return w, w.start(ctx)
}

// ImportImage puts the test image on the engine under another name.
func (w *World) ImportImage(ctx context.Context, ref string) error {
	return stage.Image(ctx, w.root, "./test/e2e/app", ref, w.Instance)
}

func (w *World) start(ctx context.Context) (err error) {
	for _, port := range []*int{&w.Server.APIPort, &w.Server.KubeletPort} {
		if *port, err = child.FreePort(ctx); err != nil {
			return err
		}
	}
	if _, err := w.Server.WriteConfig(); err != nil {
		return err
	}
	if err := w.Server.Start(); err != nil {
		return err
	}
	return w.out.Step(ctx, "wait for the node "+w.Node, func(ctx context.Context, _ func(string)) error {
		return w.AwaitNode(ctx, time.Minute)
	})
}

// AwaitNode waits until the node is Ready.
func (w *World) AwaitNode(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return w.Server.Await(ctx, "the node is not Ready", func(ctx context.Context) error {
		out, err := w.Kubectl(ctx, "get", "node", w.Node, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && out != "True" {
			err = fmt.Errorf("its condition Ready is %q", out)
		}
		return err
	})
}

// Kubectl runs kubectl as the administrator and returns what it printed.
func (w *World) Kubectl(ctx context.Context, args ...string) (string, error) {
	return w.kubectl(ctx, "", args...)
}

func (w *World) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, w.ControlPlane.Kubectl, append([]string{"--kubeconfig", w.ControlPlane.Kubeconfig}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// Close stops everything, removes it, and fails when capsulet left something on the engine that it should have removed:
// with no pod in the cluster there is nothing for an instance to keep but its sandbox image.
func (w *World) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var errs []error
	if w.Server != nil {
		errs = append(errs, w.Server.Stop(ctx, 20*time.Second))
	}
	left, err := stage.Leftovers(ctx, w.Instance)
	errs = append(errs, err)
	for _, l := range left {
		if !strings.HasPrefix(l, "image ") {
			errs = append(errs, fmt.Errorf("left on the engine: %s", l))
		}
	}
	errs = append(errs, stage.RemoveInstance(ctx, w.Instance), stage.RemoveImages(ctx, w.Instance))
	if w.stop != nil {
		errs = append(errs, w.stop(ctx))
	} else if w.ControlPlane != nil { // others go on with it, and nothing shall be scheduled to a node that is gone
		_, err := w.Kubectl(ctx, "delete", "node", w.Node, "--ignore-not-found")
		errs = append(errs, err)
	}
	if w.Server != nil {
		errs = append(errs, volume.RemoveTree(w.Server.RunDir()))
	}
	if keep() {
		w.out.Line("kept: %s", w.Dir)
	} else {
		errs = append(errs, volume.RemoveTree(w.Dir))
	}
	return errors.Join(errs...)
}

func keep() bool { return os.Getenv("CAPSULET_E2E_KEEP") == "1" }
