package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/capsulet/capsulet/test/controlplane"
	"github.com/capsulet/capsulet/test/dev/stage"
)

func (w *world) up(ctx context.Context) error {
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return err
	}
	if w.ignored != "" {
		return fmt.Errorf("KUBECONFIG=%s, but there is a control plane in %s: `make down` removes it, or unset KUBECONFIG", w.ignored, w.dir)
	}
	w.out.Line("capsulet: everything it makes is in %s or carries the label %s=%s", w.dir, stage.InstanceLabel, instance)
	for _, f := range []func(context.Context) error{
		w.ensureEngine, w.ensureCluster, w.ensureServer, w.ensureNode, w.ensureExample, w.ensureCapsule,
	} {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return w.show(ctx)
}

func (w *world) ensureCluster(ctx context.Context) error {
	if !w.ownCluster {
		w.out.Line("  using the cluster of KUBECONFIG=%s", w.kubeconfig)
		kubectl, err := exec.LookPath("kubectl")
		if err != nil {
			programs, err := controlplane.Build(ctx, w.out)
			if err != nil {
				return err
			}
			kubectl = programs.Path("kubectl")
		}
		w.kubectl = kubectl
	} else {
		cp, err := controlplane.Start(ctx, controlplane.Config{Dir: w.path("controlplane"), Detached: true, Progress: w.out})
		if err != nil {
			return fmt.Errorf("%w\nthe logs are %s/*.log; `make down` and `make up` start afresh", err, w.path("controlplane"))
		}
		w.kubectl = cp.Kubectl
	}
	if err := copyFile(w.kubeconfig, w.path("kubeconfig")); err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	if err := w.link(w.kubectl, "bin/kubectl"); err != nil {
		return err
	}
	if _, err := w.kube(ctx, "version"); err != nil {
		return fmt.Errorf("the cluster does not answer: %w", err)
	}
	return nil
}

func (w *world) ensureServer(ctx context.Context) error {
	var changed bool
	err := w.step(ctx, "build bin/capsulet and the image "+image, 20*time.Minute, func(ctx context.Context, note func(string)) (err error) {
		note("go build ./cmd/capsulet")
		if changed, err = stage.Build(ctx, w.root, "./cmd/capsulet", w.server.Program); err != nil {
			return err
		}
		note(image)
		return stage.Image(ctx, w.root, "./examples/web", image, instance)
	})
	if err != nil {
		return err
	}
	newConfig, err := w.server.WriteConfig()
	if err != nil {
		return fmt.Errorf("write capsulet's configuration: %w", err)
	}
	running := w.server.PID() != 0
	if running && !changed && !newConfig {
		return nil
	}
	return w.step(ctx, "start capsulet run --config .dev/capsulet.yaml", time.Minute, func(ctx context.Context, _ func(string)) error {
		if running { // another program or configuration: its containers stay and are adopted
			if err := w.server.Stop(ctx, 20*time.Second); err != nil {
				return err
			}
		}
		if err := w.server.Start(); err != nil {
			return err
		}
		return w.server.Await(ctx, "the capsule API does not answer", func(ctx context.Context) error {
			_, err := w.rest(ctx, http.MethodGet, "/v1/capsules", nil)
			return err
		})
	})
}

func (w *world) ensureNode(ctx context.Context) error {
	if err := w.writeEnv(); err != nil {
		return err
	}
	return w.step(ctx, "wait for the node "+nodeName+" to be Ready", 2*time.Minute, func(ctx context.Context, _ func(string)) error {
		return w.server.Await(ctx, "the node is not Ready", func(ctx context.Context) error {
			out, err := w.kube(ctx, "get", "node", nodeName, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
			if err == nil && out != "True" {
				err = fmt.Errorf("its condition Ready is %q", out)
			}
			return err
		})
	})
}

func (w *world) ensureExample(ctx context.Context) error {
	err := w.step(ctx, "apply examples/web.yaml and wait until it is Ready", 3*time.Minute, func(ctx context.Context, note func(string)) error {
		if _, err := w.kube(ctx, "apply", "-f", filepath.Join(w.root, "examples", "web.yaml")); err != nil {
			return err
		}
		note("kubectl rollout status deployment/web")
		_, err := w.kube(ctx, "rollout", "status", "deployment/web", "--timeout=150s")
		if err != nil {
			out, _ := w.kube(context.WithoutCancel(ctx), "describe", "pods", "-l", "app=web")
			return fmt.Errorf("%w\n%s\nthe end of %s:\n%s", err, out, w.server.Log(), w.server.Tail(15))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.step(ctx, "fetch a page from a pod's address", 30*time.Second, func(ctx context.Context, _ func(string)) error {
		address, err := w.kube(ctx, "get", "pods", "-l", "app=web", "--field-selector=status.phase=Running",
			"-o", "jsonpath={.items[0].status.podIP}")
		if err != nil {
			return err
		}
		url := "http://" + address + ":8080/"
		w.page, err = fetch(ctx, url)
		if err != nil {
			return fmt.Errorf("%w (is the engine on another machine? then pod addresses are reached from there only)", err)
		}
		w.page = url + " says: " + strings.TrimSpace(w.page)
		return nil
	})
}

func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return string(body), err
}

// kube runs kubectl on the cluster.
func (w *world) kube(ctx context.Context, args ...string) (string, error) {
	if w.kubectl == "" {
		return "", errors.New("there is no kubectl")
	}
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, w.kubectl, append([]string{"--kubeconfig", w.path("kubeconfig")}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(to); err == nil && string(old) == string(b) {
		return nil
	}
	return os.WriteFile(to, b, 0o600)
}

// link makes .dev/<name> a symbolic link to target.
func (w *world) link(target, name string) error {
	path := w.path(name)
	if old, err := os.Readlink(path); err == nil && old == target {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}
