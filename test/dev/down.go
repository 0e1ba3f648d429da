package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/capsulet/capsulet/test/controlplane"
	"github.com/capsulet/capsulet/test/dev/stage"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// down removes everything in the order in which it can still be asked to go gently, goes on after each failure, and
// looks at the end whether anything is left.
func (w *world) down(ctx context.Context) error {
	if _, err := os.Stat(w.dir); errors.Is(err, os.ErrNotExist) {
		w.out.Line("  there is no .dev; looking for leftovers on the engine only")
	}
	if kubectl, err := os.Readlink(w.path("bin/kubectl")); err == nil {
		w.kubectl = kubectl
	}
	var errs []error
	if w.server.PID() != 0 {
		errs = append(errs, w.step(ctx, "delete what runs on the node", 90*time.Second, w.emptyNode))
		errs = append(errs, w.step(ctx, "stop capsulet", time.Minute, func(ctx context.Context, _ func(string)) error {
			return w.server.Stop(ctx, 30*time.Second)
		}))
	}
	errs = append(errs, w.leaveCluster(ctx))
	errs = append(errs, w.step(ctx, "remove what is left on the engine", 3*time.Minute, w.sweepEngine))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w\n.dev stays, so that `make down` can be tried again", err)
	}
	if err := w.stopEngine(ctx); err != nil {
		return err
	}
	if err := errors.Join(volume.RemoveTree(w.server.RunDir()), volume.RemoveTree(w.dir)); err != nil {
		return fmt.Errorf("remove .dev: %w", err)
	}
	w.out.Line("All of it is gone. Kept: bin/, the built Kubernetes programs (in the cache directory) and installed packages.")
	return nil
}

// emptyNode deletes the pods and capsules while somebody is there who stops them gently.
func (w *world) emptyNode(ctx context.Context, note func(string)) error {
	if _, err := w.kube(ctx, "version", "--request-timeout=5s"); err == nil {
		note("kubectl delete -f examples/web.yaml")
		if _, err := w.kube(ctx, "delete", "--ignore-not-found", "--timeout=60s", "-f", w.root+"/examples/web.yaml"); err != nil {
			return err
		}
		if w.ownCluster { // nothing in it is anybody else's
			if _, err := w.kube(ctx, "delete", "deploy,sts,ds,rs,job,pod", "--all", "-A", "--timeout=60s"); err != nil {
				return err
			}
		}
	}
	capsules, err := w.capsules(ctx)
	if err != nil {
		return err
	}
	for _, c := range capsules {
		note("DELETE capsule " + c.Name)
		if _, err := w.rest(ctx, http.MethodDelete, "/v1/capsules/"+c.UUID, nil); err != nil && !strings.Contains(err.Error(), ": 404 ") {
			return err
		}
	}
	return w.server.Await(ctx, "capsules are still there", func(ctx context.Context) error {
		capsules, err := w.capsules(ctx)
		if err == nil && len(capsules) > 0 {
			err = fmt.Errorf("%d capsules", len(capsules))
		}
		return err
	})
}

// leaveCluster stops our own control plane, or takes our node out of the user's cluster.
func (w *world) leaveCluster(ctx context.Context) error {
	if _, err := os.Stat(w.path("controlplane")); err == nil {
		return w.step(ctx, "stop the Kubernetes control plane", 2*time.Minute, func(ctx context.Context, _ func(string)) error {
			return controlplane.StopDir(ctx, w.path("controlplane"))
		})
	}
	if w.ownCluster || w.kubectl == "" {
		return nil
	}
	return w.step(ctx, "remove the node from the cluster", time.Minute, func(ctx context.Context, _ func(string)) error {
		_, err := w.kube(ctx, "delete", "node", nodeName, "--ignore-not-found")
		return err
	})
}

// sweepEngine removes by label what could not be asked, and the images; then it counts.
func (w *world) sweepEngine(ctx context.Context, _ func(string)) error {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil //nolint:nilerr // no docker, so nothing of ours on it
	}
	if err := answers(ctx); err != nil {
		return fmt.Errorf("the engine does not answer, so nothing can be removed from it: %w", err)
	}
	if err := errors.Join(
		stage.RemoveInstance(ctx, instance), stage.RemoveImages(ctx, instance), stage.RemoveUnused(ctx, "capsulet/sandbox"),
	); err != nil {
		return err
	}
	left, err := stage.Leftovers(ctx, instance)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("still there: %s", strings.Join(left, ", "))
	}
	return nil
}
