package main

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

	rt "github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

// rawLabel is on the raw side's containers; the server's carry the instance's label.
const rawLabel = "io.capsulet.bench"

// engine is the machine's Docker engine as the raw side uses it.
type engine struct {
	*client.Client
	host     *docker.Host // for images alone
	instance string
	app      string // image of apps
	sandbox  string // image of sandboxes
	about    string
}

// openEngine connects and puts both images on the engine.
func openEngine(ctx context.Context, _ options) (*engine, error) {
	e := &engine{instance: "bench-" + uuid.NewString()[:8]}
	var err error
	if e.host, err = docker.Open(ctx, docker.Config{Instance: e.instance}); err != nil {
		return nil, err
	}
	if e.sandbox, err = e.host.EnsureSandboxImage(ctx); err != nil {
		return nil, errors.Join(err, e.host.Close())
	}
	if e.app, err = runtimetest.BuildImage(ctx, e.host); err != nil {
		return nil, errors.Join(err, e.host.Close())
	}
	if e.Client, err = client.NewClientWithOpts(client.WithHost(docker.DefaultEndpoint), client.WithAPIVersionNegotiation()); err != nil {
		return nil, errors.Join(err, e.host.Close())
	}
	info, err := e.Info(ctx)
	if err != nil {
		return nil, errors.Join(err, e.close(ctx))
	}
	e.about = fmt.Sprintf("Docker Engine %s, %d CPUs, %.1f GiB, %s, kernel %s, storage %s, cgroup v%s; %s",
		info.ServerVersion, info.NCPU, float64(info.MemTotal)/(1<<30), info.OperatingSystem, info.KernelVersion, info.Driver,
		info.CgroupVersion, runtime.Version())
	return e, nil
}

// close removes all containers of this run, of both sides.
func (e *engine) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	for _, label := range []string{rawLabel, rt.LabelInstance} {
		all, err := e.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label+"="+e.instance))})
		errs = append(errs, err)
		for _, c := range all {
			errs = append(errs, e.remove(ctx, c.ID))
		}
	}
	return errors.Join(append(errs, e.Close(), e.host.Close())...)
}

// rawCapsule is a capsule made by hand.
type rawCapsule struct {
	sandbox string
	apps    []string
}

// up brings a capsule up in the best order that the Engine API allows and returns when all of it is seen running.
func (e *engine) up(ctx context.Context, apps int) (c *rawCapsule, err error) {
	c = &rawCapsule{apps: make([]string, apps)}
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
func (e *engine) down(ctx context.Context, c *rawCapsule) error {
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
func (e *engine) create(ctx context.Context, name, sandbox string, i int) (string, error) {
	no := false
	cfg := &container.Config{
		Image: e.sandbox, Hostname: "bench", Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		Labels: map[string]string{
			rawLabel: e.instance, rt.LabelCapsule: name, rt.LabelCapsuleName: "bench", rt.LabelAttempt: "0", rt.LabelSandboxAttempt: "0",
		},
	}
	host := &container.HostConfig{
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "5"}},
		Init:          &no,
		Resources:     container.Resources{CPUShares: 2},
		NetworkMode:   "default", IpcMode: "shareable", SecurityOpt: []string{"seccomp=unconfined"},
	}
	what := "sandbox"
	if sandbox != "" {
		what = fmt.Sprintf("app%d", i)
		cfg.Image, cfg.Hostname, cfg.Cmd = e.app, "", []string{"sleep"}
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

func (e *engine) start(ctx context.Context, id string) error {
	if err := e.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return fmt.Errorf("start container %s: %w", id, err)
	}
	return nil
}

func (e *engine) seeRunning(ctx context.Context, id string) error {
	c, err := e.ContainerInspect(ctx, id)
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", id, err)
	}
	if !c.State.Running {
		return fmt.Errorf("container %s is %s after its start", id, c.State.Status)
	}
	return nil
}

func (e *engine) remove(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	err := e.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !strings.Contains(err.Error(), "No such container") && !strings.Contains(err.Error(), "already in progress") {
		return fmt.Errorf("remove container %s: %w", id, err)
	}
	return nil
}
