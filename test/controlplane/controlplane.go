package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/capsulet/capsulet/test/controlplane/progress"
)

// Config says where a control plane lives and how long.
type Config struct {
	// Dir holds all of it. A short path on a local disk; it is made when it is missing.
	Dir string
	// Detached lets the programs survive this process. Otherwise they die with it.
	Detached bool
	// Progress shows the build and the start; nil shows nothing.
	Progress *progress.Printer
}

// ControlPlane is a running control plane. Its methods are not meant for concurrent use; the fields may be read freely.
type ControlPlane struct {
	// Kubeconfig is the path of the administrator's kubeconfig, Kubectl that of the matching kubectl.
	Kubeconfig, Kubectl string
	// URL is the API server's.
	URL string
	// Dir is Config.Dir, absolute; the logs are <part>.log in it.
	Dir string

	programs Programs
	pki      pki
	detached bool
	state    state
}

const (
	startTimeout = 2 * time.Minute
	stopGrace    = 10 * time.Second
	attempts     = 3 // of picking free ports
)

// Start builds the programs if need be and starts what is not running of the control plane in cfg.Dir. It returns when
// the API server is ready and the default ServiceAccount exists, so that a pod can be created at once.
func Start(ctx context.Context, cfg Config) (*ControlPlane, error) {
	p := cfg.Progress
	if p == nil {
		p = progress.New(nil)
	}
	programs, err := Build(ctx, p)
	if err != nil {
		return nil, err
	}
	c, unlock, err := open(ctx, cfg.Dir, programs)
	if err != nil {
		return nil, err
	}
	defer unlock()
	c.detached = cfg.Detached
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %s", startTimeout))
	defer cancel()
	if c.running() == len(parts) && c.get(ctx, "/readyz") == nil {
		return c, nil
	}
	what := "start the Kubernetes control plane (" + c.Dir + ")"
	err = p.Step(ctx, what, func(ctx context.Context, note func(string)) error {
		return c.startRetrying(ctx, note)
	})
	if err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*stopGrace)
		defer cancel()
		return nil, errors.Join(err, c.stop(stopCtx))
	}
	return c, nil
}

// startRetrying picks other ports when somebody took one between our look at it and the program's bind. Ports that a
// running part uses stay: the others must find it there.
func (c *ControlPlane) startRetrying(ctx context.Context, note func(string)) error {
	for i := 1; ; i++ {
		if c.running() == 0 {
			if err := c.pickPorts(); err != nil {
				return err
			}
		}
		err := c.start(ctx, note)
		if err == nil || i == attempts || !strings.Contains(err.Error(), "address already in use") {
			return err
		}
		if err := c.stop(ctx); err != nil {
			return err
		}
	}
}

func (c *ControlPlane) start(ctx context.Context, note func(string)) error {
	if err := c.pki.ensure(); err != nil {
		return err
	}
	if err := c.writeKubeconfigs(); err != nil {
		return err
	}
	waits := map[string]func() error{
		"kube-apiserver": func() error { return c.await(ctx, "kube-apiserver", "/readyz") },
		"kube-scheduler": func() error {
			return c.await(ctx, "kube-controller-manager", "/api/v1/namespaces/default/serviceaccounts/default")
		},
	}
	for _, part := range parts {
		note(part)
		if err := c.startPart(part); err != nil {
			return err
		}
		if wait := waits[part]; wait != nil {
			if err := wait(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *ControlPlane) startPart(part string) error {
	if c.alive(part) {
		return nil
	}
	pid, err := spawn(c.programs.Path(part), c.args(part), c.path(part+".log"), c.detached)
	if err != nil {
		return err
	}
	c.state.PIDs[part] = pid
	return c.saveState()
}

func (c *ControlPlane) alive(part string) bool {
	return ours(c.state.PIDs[part], c.programs.Path(part), c.Dir)
}

func (c *ControlPlane) running() int {
	n := 0
	for _, part := range parts {
		if c.alive(part) {
			n++
		}
	}
	return n
}

// await asks the API server for path until it answers 200. It gives up early when a program that it takes is dead, and
// says what that program said last.
func (c *ControlPlane) await(ctx context.Context, culprit, path string) error {
	for {
		err := c.get(ctx, path)
		if err == nil {
			return nil
		}
		for _, part := range parts {
			if c.state.PIDs[part] != 0 && !c.alive(part) {
				return fmt.Errorf("%s ended; the end of %s:\n%s", part, c.path(part+".log"), logTail(c.path(part+".log")))
			}
		}
		if perr := pause(ctx); perr != nil {
			return fmt.Errorf("wait for %s: %w (last answer: %w); the end of %s:\n%s",
				path, perr, err, c.path(culprit+".log"), logTail(c.path(culprit+".log")))
		}
	}
}

// Stop ends the control plane, etcd last, and returns when every process is gone. Dir stays. It is not an error when
// nothing runs.
func (c *ControlPlane) Stop(ctx context.Context) error {
	unlock, err := lockFile(ctx, c.path("lock"))
	if err != nil {
		return err
	}
	defer unlock()
	return c.stop(ctx)
}

func (c *ControlPlane) stop(ctx context.Context) error {
	var errs []error
	for i := len(parts) - 1; i >= 0; i-- {
		part := parts[i]
		errs = append(errs, end(ctx, c.state.PIDs[part], c.programs.Path(part), c.Dir, stopGrace))
		delete(c.state.PIDs, part)
	}
	errs = append(errs, c.saveState())
	return errors.Join(errs...)
}

// StopDir ends the control plane in dir, which another process may have started. A directory without one is no error.
func StopDir(ctx context.Context, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, stateFile)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	c, unlock, err := open(ctx, dir, Programs{})
	if err != nil {
		return err
	}
	defer unlock()
	return c.stop(ctx)
}
