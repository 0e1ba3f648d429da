// Package raw is the other side: capsules made by hand, in the best order that the Engine API allows.
package raw

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/test/bench/round"
	"github.com/capsulet/capsulet/test/dev/stage"
	rt "github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

// rawLabel is on the raw side's containers; the server's carry the instance's label.
const rawLabel = "io.capsulet.bench"

// Engine is the machine's Docker engine as the raw side uses it.
type Engine struct {
	*client.Client
	host     *docker.Host // for images alone
	Instance string
	App      string // image of apps
	sandbox  string // image of sandboxes
	About    string // what it is
	Endpoint string // where it listens
}

// Open connects and puts both images on the engine.
func Open(ctx context.Context) (*Engine, error) {
	e := &Engine{Instance: "bench-" + uuid.NewString()[:8], Endpoint: stage.Engine()}
	var err error
	if e.host, err = docker.Open(ctx, docker.Config{Endpoint: e.Endpoint, Instance: e.Instance}); err != nil {
		return nil, err
	}
	if e.sandbox, err = e.host.EnsureSandboxImage(ctx, false); err != nil {
		return nil, errors.Join(err, e.host.Close())
	}
	if e.App, err = runtimetest.BuildImage(ctx, e.host); err != nil {
		return nil, errors.Join(err, e.host.Close())
	}
	if e.Client, err = client.NewClientWithOpts(client.WithHost(e.Endpoint), client.WithAPIVersionNegotiation()); err != nil {
		return nil, errors.Join(err, e.host.Close())
	}
	info, err := e.Info(ctx)
	if err != nil {
		return nil, errors.Join(err, e.Shut(ctx))
	}
	e.About = fmt.Sprintf("Docker Engine %s, %d CPUs, %.1f GiB, %s, kernel %s, storage %s, cgroup v%s; %s",
		info.ServerVersion, info.NCPU, float64(info.MemTotal)/(1<<30), info.OperatingSystem, info.KernelVersion, info.Driver,
		info.CgroupVersion, runtime.Version())
	return e, nil
}

// Shut removes all containers of this run, of both sides.
func (e *Engine) Shut(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	for _, label := range []string{rawLabel, rt.LabelInstance} {
		all, err := e.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label+"="+e.Instance))})
		errs = append(errs, err)
		for _, c := range all {
			errs = append(errs, e.remove(ctx, c.ID))
		}
	}
	return errors.Join(append(errs, e.Close(), e.host.Close())...)
}

// capsule is a capsule made by hand.
type capsule struct {
	sandbox string
	apps    []string
}

// up brings a capsule up in the best order that the Engine API allows and returns when all of it is seen running.
func (e *Engine) up(ctx context.Context, apps int) (c *capsule, err error) {
	c = &capsule{apps: make([]string, apps)}
	name := uuid.NewString()
	if c.sandbox, err = e.create(ctx, name, "", 0); err != nil {
		return c, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.start(gctx, c.sandbox) })
	for i := range c.apps {
		g.Go(func() (err error) {
			c.apps[i], err = e.create(gctx, name, c.sandbox, i)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return c, err
	}
	g, gctx = errgroup.WithContext(ctx)
	g.Go(func() error { return e.seeRunning(gctx, c.sandbox) })
	for _, id := range c.apps {
		g.Go(func() error {
			if err := e.start(gctx, id); err != nil {
				return err
			}
			return e.seeRunning(gctx, id)
		})
	}
	return c, g.Wait()
}

// down removes the apps at once, then the sandbox.
func (e *Engine) down(ctx context.Context, c *capsule) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, id := range c.apps {
		g.Go(func() error { return e.remove(gctx, id) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return e.remove(ctx, c.sandbox)
}

// create makes a sandbox, or app i in it, with the options that runtime/docker gives.
func (e *Engine) create(ctx context.Context, name, sandbox string, i int) (string, error) {
	no := false
	cfg := &container.Config{
		Image: e.sandbox, Hostname: "bench", Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		Labels: map[string]string{
			rawLabel: e.Instance, rt.LabelCapsule: name, rt.LabelCapsuleName: "bench", rt.LabelAttempt: "0", rt.LabelSandboxAttempt: "0",
		},
	}
	host := &container.HostConfig{
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		LogConfig:     container.LogConfig{Type: "local", Config: map[string]string{"max-size": "10m", "max-file": "5", "compress": "false"}},
		Init:          &no,
		Resources:     container.Resources{CPUShares: 2},
		NetworkMode:   "default", IpcMode: "shareable", SecurityOpt: []string{"seccomp=unconfined"},
	}
	what := "sandbox"
	if sandbox != "" {
		what = fmt.Sprintf("app%d", i)
		cfg.Image, cfg.Hostname, cfg.Cmd = e.App, "", []string{"sleep"}
		cfg.Labels[rt.LabelContainer] = what
		host.NetworkMode, host.IpcMode = container.NetworkMode("container:"+sandbox), container.IpcMode("container:"+sandbox)
		host.SecurityOpt, host.OomScoreAdj = nil, 1000
	}
	r, err := e.ContainerCreate(ctx, cfg, host, nil, nil, "bench-"+what+"_"+name)
	if err != nil {
		return "", fmt.Errorf("create %s: %w", what, err)
	}
	return r.ID, nil
}

func (e *Engine) start(ctx context.Context, id string) error {
	if err := e.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return fmt.Errorf("start container %s: %w", id, err)
	}
	return nil
}

func (e *Engine) seeRunning(ctx context.Context, id string) error {
	c, err := e.ContainerInspect(ctx, id)
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", id, err)
	}
	if !c.State.Running {
		return fmt.Errorf("container %s is %s after its start", id, c.State.Status)
	}
	return nil
}

func (e *Engine) remove(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	err := e.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !strings.Contains(err.Error(), "No such container") && !strings.Contains(err.Error(), "already in progress") {
		return fmt.Errorf("remove container %s: %w", id, err)
	}
	return nil
}

// workers is the number of workers that is best on a small machine (FACTS: 2 to 4).
const workers = 4

// Single brings one capsule up and takes it away.
func (e *Engine) Single(ctx context.Context, apps int, took *[2]time.Duration) error {
	began := time.Now()
	c, err := e.up(ctx, apps)
	if err != nil {
		return err
	}
	took[0] = time.Since(began)
	round.Pause(ctx, round.Rest)
	began = time.Now()
	if err := e.down(ctx, c); err != nil {
		return err
	}
	took[1] = time.Since(began)
	round.Pause(ctx, round.Rest)
	return ctx.Err()
}

// Burst brings capsules of one app up and takes them away.
func (e *Engine) Burst(ctx context.Context, size int, took *[2]time.Duration) error {
	cs := make([]*capsule, size)
	began := time.Now()
	err := round.Each(ctx, size, workers, func(ctx context.Context, i int) (err error) {
		cs[i], err = e.up(ctx, 1)
		return err
	})
	if err != nil {
		return err
	}
	took[0] = time.Since(began)
	round.Pause(ctx, 3*round.Rest)
	began = time.Now()
	err = round.Each(ctx, size, workers, func(ctx context.Context, i int) error { return e.down(ctx, cs[i]) })
	took[1] = time.Since(began)
	round.Pause(ctx, 3*round.Rest)
	return err
}
