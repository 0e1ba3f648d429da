package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/agent/container"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/image"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Deadlines of single calls to the engine. An engine that takes longer is not answering; the action is tried again.
const (
	createDeadline = 2 * time.Minute
	startDeadline  = 2 * time.Minute
	removeDeadline = 2 * time.Minute
	killMargin     = 30 * time.Second
)

// execute carries out one action. It decides nothing: what it sees goes to the observer, what fails into the result. ctx
// ends when the action is not wanted any more, engine only when the worker ends: a create that the engine has begun is
// waited for, because the engine goes on with it whether anybody listens or not.
func (a *Agent) execute(ctx, engine context.Context, c *capsule.Capsule, mounts map[string]runtime.Mount,
	act lifecycle.Action,
) result {
	var r result
	kind, err := capsule.FailedCreate, error(nil)
	switch act.Op {
	case lifecycle.PrepareVolumes:
		kind = capsule.FailedVolume
		r.mounts, err = a.cfg.Volumes.Prepare(ctx, c)
		r.volumes = c.Spec.Volumes
		r.cleared = err == nil
	case lifecycle.Create:
		kind, err = a.create(ctx, engine, c, mounts, act)
		r.cleared = err == nil && act.Container != ""
	case lifecycle.Start:
		kind, err = a.start(ctx, c, act)
		r.untried = errdefs.IsFailedPrecondition(err)
	case lifecycle.Stop:
		err = a.stop(ctx, c, act)
	case lifecycle.Resize:
		kind, err = capsule.FailedResize, a.resize(ctx, c, act)
		r.cleared = err == nil
	case lifecycle.Remove:
		err = a.remove(ctx, c.UUID, act.ID)
	case lifecycle.RemoveRecord:
		err = a.removeRecord(ctx, c.UUID)
	}
	switch {
	case err == nil || errors.Is(err, context.Canceled):
	case a.unreachable(ctx, err):
		a.suspect()
		pause(ctx, time.Second)
	case act.Op == lifecycle.Stop || act.Op == lifecycle.Remove || act.Op == lifecycle.RemoveRecord:
		// Nothing a user could mend: it is simply tried again.
		a.log.WithError(err).WithFields(map[string]any{"capsule": c.UUID, "action": act.Op, "container": act.Container}).
			Warn("Action failed, it will be tried again")
		pause(ctx, time.Second)
	default:
		r.note = noteFor(kind, act, err)
	}
	return r
}

// unreachable says whether the host, not the capsule, is to blame for err.
func (a *Agent) unreachable(ctx context.Context, err error) bool {
	var img *image.Error
	if errors.As(err, &img) {
		return false
	}
	return ctx.Err() == nil && (errdefs.IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded))
}

// noteFor finds the kind and the reason of a failure.
func noteFor(kind capsule.FailureKind, act lifecycle.Action, err error) *note {
	if act.Container == "" && kind != capsule.FailedVolume {
		kind = capsule.FailedSandbox
	}
	n := noteOf(kind, err)
	var img *image.Error
	if n != nil && errors.As(err, &img) {
		n.kind, n.reason = capsule.FailedPull, img.Reason
	}
	return n
}

// create makes a container, its image first. A container of that name that exists already is taken over: it was made by
// an earlier life of this server.
func (a *Agent) create(ctx, engine context.Context, c *capsule.Capsule, mounts map[string]runtime.Mount,
	act lifecycle.Action,
) (capsule.FailureKind, error) {
	var cfg runtime.ContainerConfig
	var img runtime.Image
	if act.Container == "" {
		cfg = container.Sandbox(c, a.place(c, mounts), act.Attempt)
	} else {
		var kind capsule.FailureKind
		var err error
		if cfg, img, kind, err = a.configure(ctx, c, mounts, act); err != nil {
			return kind, err
		}
	}
	release, err := a.startSlot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	engine, cancel := context.WithTimeout(engine, createDeadline)
	defer cancel()
	began := time.Now()
	id, err := a.cfg.Runtime.Create(engine, cfg)
	if errdefs.IsAlreadyExists(err) {
		return capsule.FailedCreate, a.takeOver(engine, cfg)
	}
	if err != nil {
		return capsule.FailedCreate, fmt.Errorf("creating container: %w", err)
	}
	if act.Container != "" {
		a.sized(c, act, false)
	}
	a.obs.put(runtime.Container{
		ID: id, Name: cfg.Name, Identity: cfg.Identity, State: capsule.StateCreated, CreatedAt: began,
		Image: cfg.Image, ImageID: img.ID,
	})
	return "", nil
}

// configure gets everything that a container needs before the engine is asked to make it.
func (a *Agent) configure(ctx context.Context, c *capsule.Capsule, mounts map[string]runtime.Mount, act lifecycle.Action,
) (cfg runtime.ContainerConfig, img runtime.Image, kind capsule.FailureKind, err error) {
	cs, _ := c.Spec.Container(act.Container)
	if img, err = a.images.Ensure(ctx, image.Request{
		Ref: cs.Image, Policy: cs.ImagePullPolicy, Credentials: cs.PullCredentials, Tell: func(p capsule.Pull) { a.pulled(c, act, p) },
	}); err != nil {
		return cfg, img, capsule.FailedPull, err
	}
	id := runtime.Identity{
		Instance: a.cfg.Instance, Capsule: c.UUID, CapsuleName: c.Spec.Name, Container: act.Container,
		Attempt: act.Attempt, SandboxAttempt: act.SandboxAttempt,
	}
	p := a.place(c, mounts)
	if p.SubPaths, err = a.subPaths(c, cs, p); err != nil {
		return cfg, img, capsule.FailedConfig, err
	}
	if cfg, err = container.Config(c, cs, img, p, id, act.SandboxID); err != nil {
		return cfg, img, capsule.FailedConfig, err
	}
	cfg.JoinPID = act.TargetID
	last, err := a.terminationMount(c, cs, act.Attempt)
	if err != nil {
		return cfg, img, capsule.FailedCreate, fmt.Errorf("making the file for the termination message: %w", err)
	}
	hosts, err := a.hostsMount(c, cs)
	if err != nil {
		return cfg, img, capsule.FailedCreate, err
	}
	cfg.Mounts = append(append(cfg.Mounts, last...), hosts...)
	return cfg, img, "", nil
}

// takeOver adopts the container that has the name already, if it is what we would have made.
func (a *Agent) takeOver(ctx context.Context, cfg runtime.ContainerConfig) error {
	found, err := a.cfg.Runtime.Inspect(ctx, cfg.Name)
	if err != nil {
		return fmt.Errorf("inspecting the container that has the name %s: %w", cfg.Name, err)
	}
	if found.Identity != cfg.Identity {
		return fmt.Errorf("the container name %s is taken by a container that is not this capsule's: remove it", cfg.Name)
	}
	a.obs.put(found)
	return nil
}

// start starts a created container and looks at it.
func (a *Agent) start(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) (capsule.FailureKind, error) {
	release, err := a.startSlot(ctx)
	if err != nil {
		return "", err
	}
	if err = a.writeHosts(c, act); err != nil {
		release()
		return capsule.FailedStart, err
	}
	looked := a.obs.start(act.ID)
	defer looked()
	starting, cancel := context.WithTimeout(ctx, startDeadline)
	err = a.cfg.Runtime.Start(starting, act.ID)
	cancel()
	release()
	if errdefs.IsNotFound(err) {
		a.obs.forget(c.UUID, act.ID)
		return "", nil
	}
	if errdefs.IsUnavailable(err) || ctx.Err() != nil {
		return "", errors.Join(err, ctx.Err())
	}
	a.obs.refresh(ctx, c.UUID, act.ID)
	looked()
	if err != nil {
		if act.Container == "" || !a.ended(c.UUID, act.ID) {
			return capsule.FailedStart, fmt.Errorf("starting container: %w", err)
		}
		return "", nil // the facts say so: it ended with the engine's error
	}
	a.postStart(ctx, c, act)
	return "", nil
}

// ended says whether the observer knows the container as exited.
func (a *Agent) ended(uuid, id string) bool {
	for _, i := range a.obs.instances(uuid) {
		if i.ID == id {
			return i.State == capsule.StateExited
		}
	}
	return false
}

// stop ends a running container, its preStop hook first, within the deadline of the action.
func (a *Agent) stop(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) error {
	if act.Container != "" {
		a.preStop(ctx, c, act)
	}
	grace := max(time.Until(act.Deadline), 0)
	stopping, cancel := context.WithTimeout(ctx, grace+killMargin)
	defer cancel()
	err := a.cfg.Runtime.Stop(stopping, act.ID, grace)
	if errdefs.IsNotFound(err) {
		a.obs.forget(c.UUID, act.ID)
		return nil
	}
	if err != nil {
		return fmt.Errorf("stopping container: %w", err)
	}
	a.obs.refresh(ctx, c.UUID, act.ID)
	return nil
}

// resize gives a running container the limits that its spec asks for now.
func (a *Agent) resize(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) error {
	cs, _ := c.Spec.Container(act.Container)
	if cs == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	if err := a.cfg.Runtime.Update(ctx, act.ID, container.Resources(cs)); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("resizing container: %w", err)
	}
	a.sized(c, act, true)
	return nil
}

func (a *Agent) remove(ctx context.Context, uuid, id string) error {
	ctx, cancel := context.WithTimeout(ctx, removeDeadline)
	defer cancel()
	if err := a.cfg.Runtime.Remove(ctx, id); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing container: %w", err)
	}
	a.obs.forget(uuid, id)
	return nil
}

// removeRecord removes the last traces of a capsule. It looks at the host once more: the record is what protects
// containers from being forgotten.
func (a *Agent) removeRecord(ctx context.Context, uuid string) error {
	ctx, cancel := context.WithTimeout(ctx, removeDeadline)
	defer cancel()
	left, err := a.cfg.Runtime.List(ctx, uuid)
	if err != nil {
		return fmt.Errorf("listing what is left of the capsule: %w", err)
	}
	for _, c := range left {
		a.obs.put(c)
	}
	if len(left) > 0 {
		return nil // the next look plans their removal
	}
	if err := a.cfg.Volumes.Remove(ctx, uuid); err != nil {
		return fmt.Errorf("removing volumes: %w", err)
	}
	return a.cfg.Store.RemoveCapsule(ctx, uuid)
}

// place collects what the host adds to the capsule's spec.
func (a *Agent) place(c *capsule.Capsule, mounts map[string]runtime.Mount) container.Place {
	address, all := "", a.addresses(c)
	if len(all) > 0 {
		address = all[0]
	}
	return container.Place{
		Instance: a.cfg.Instance, Mounts: mounts, MemoryBytes: a.hostInfo().MemoryBytes,
		Refs: map[capsule.Reference]string{
			capsule.RefCapsuleAddress: address, capsule.RefCapsuleAddresses: strings.Join(all, ","),
			capsule.RefHostAddress: a.cfg.Address, capsule.RefHostAddresses: a.cfg.Address,
		},
	}
}

// addresses are the capsule's as the host shows them now.
func (a *Agent) addresses(c *capsule.Capsule) []string {
	if c.Spec.HostNetwork {
		return []string{a.cfg.Address}
	}
	all := c.Facts.Sandbox.Addresses
	for _, i := range a.obs.instances(c.UUID) {
		if i.Container == "" && i.State == capsule.StateRunning && len(i.Addresses) > 0 {
			all = i.Addresses
		}
	}
	return all
}

// startSlot waits until the engine may be given one more create or start.
func (a *Agent) startSlot(ctx context.Context) (release func(), err error) {
	select {
	case a.starts <- struct{}{}:
		return func() { <-a.starts }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
