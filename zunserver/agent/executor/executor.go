package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/agent/container"
	"github.com/capsulet/capsulet/zunserver/agent/observer"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/image"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/network"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// Records is what the store does for actions.
type Records interface {
	// RemoveCapsule removes a record of which nothing is left.
	RemoveCapsule(ctx context.Context, uuid string) error
	// ExpireContainer deletes a standalone container that has ended for good, if it still has.
	ExpireContainer(ctx context.Context, uuid, host, container string, now time.Time) error
	// Network returns a network of the API by its UUID; NotFound when there is none.
	Network(ctx context.Context, uuid string) (capsule.Network, error)
}

// Config is what an executor needs; all of it is required.
type Config struct {
	// Name is the host's; Instance is the capsulet installation whose containers are ours; Address is where the host is reached
	// by others.
	Name, Instance, Address string
	// SeccompDir is where the seccomp profiles of this machine are.
	SeccompDir string

	Runtime  runtime.Host
	Volumes  volume.Driver
	Network  network.Dialer
	Observer *observer.Observer
	Records  Records
	Log      *logrus.Entry
	// Starts is how many containers are created or started at a time.
	Starts int
	// Host describes the host as it was last seen.
	Host func() runtime.Info
	// Report takes the news of a capsule, Suspect that the engine seems not to answer.
	Report  func(uuid string, n News)
	Suspect func()
}

// Executor acts on one host. It is safe for concurrent use for different capsules and containers.
type Executor struct {
	cfg    Config
	images *image.Puller
	starts queue

	mu    sync.Mutex
	locks map[string]chan struct{} // by capsule

	bridges sync.Mutex // held while one is looked for and made
}

// New returns an executor.
func New(cfg Config) *Executor {
	return &Executor{cfg: cfg, images: image.NewPuller(cfg.Runtime), starts: queue{free: cfg.Starts}, locks: map[string]chan struct{}{}}
}

// Deadlines of single calls to the engine. An engine that takes longer is not answering; the action is tried again.
const (
	createDeadline = 2 * time.Minute
	startDeadline  = 2 * time.Minute
	removeDeadline = 2 * time.Minute
	killMargin     = 30 * time.Second
)

// Execute carries out one action. It decides nothing: what it sees goes to the observer, what fails into the result. ctx
// ends when the action is not wanted any more, engine only when the worker ends: a create that the engine has begun is
// waited for, because the engine goes on with it whether anybody listens or not.
func (e *Executor) Execute(ctx, engine context.Context, c *capsule.Capsule, mounts map[string]runtime.Mount,
	act lifecycle.Action,
) Result {
	var r Result
	kind, err := capsule.FailedCreate, error(nil)
	switch act.Op {
	case lifecycle.PrepareVolumes:
		kind = capsule.FailedVolume
		r.Mounts, err = e.prepare(ctx, c)
		r.Volumes = c.Spec.Volumes
		r.Cleared = err == nil
	case lifecycle.Create:
		kind, err = e.create(ctx, engine, c, mounts, act)
		r.Cleared = err == nil && act.Container != ""
	case lifecycle.Start, lifecycle.Restart:
		kind, err = e.start(ctx, c, act)
		r.Untried = errdefs.IsFailedPrecondition(err)
	case lifecycle.Stop:
		err = e.stop(ctx, c, act)
	case lifecycle.Pause, lifecycle.Unpause:
		kind, err = capsule.FailedPause, e.freeze(ctx, c, act)
		r.Cleared = err == nil
	case lifecycle.Expire:
		err = e.cfg.Records.ExpireContainer(ctx, c.UUID, e.cfg.Name, act.Container, time.Now())
	case lifecycle.Resize:
		kind, err = capsule.FailedResize, e.resize(ctx, c, act)
		r.Cleared = err == nil
	case lifecycle.Connect:
		kind, err = capsule.FailedNetwork, e.connect(ctx, c, act)
		r.Cleared = err == nil
	case lifecycle.Remove:
		err = e.Remove(ctx, c.UUID, act.ID)
	case lifecycle.RemoveRecord:
		err = e.removeRecord(ctx, c.UUID)
	}
	switch {
	case err == nil || errors.Is(err, context.Canceled):
	case e.unreachable(ctx, err):
		e.cfg.Suspect()
		pause(ctx, time.Second)
	case act.Op == lifecycle.Stop || act.Op == lifecycle.Remove || act.Op == lifecycle.RemoveRecord || act.Op == lifecycle.Expire:
		// Nothing a user could mend: it is simply tried again.
		e.cfg.Log.WithError(err).WithFields(map[string]any{"capsule": c.UUID, "action": act.Op, "container": act.Container}).
			Warn("Action failed, it will be tried again")
		pause(ctx, time.Second)
	default:
		r.Note = noteFor(kind, act, err)
	}
	return r
}

// unreachable says whether the host, not the capsule, is to blame for err.
func (e *Executor) unreachable(ctx context.Context, err error) bool {
	var img *image.Error
	if errors.As(err, &img) {
		return false
	}
	return ctx.Err() == nil && (errdefs.IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded))
}

// create makes a container, its image first. A container of that name that exists already is taken over: it was made by
// an earlier life of this server.
func (e *Executor) create(ctx, engine context.Context, c *capsule.Capsule, mounts map[string]runtime.Mount,
	act lifecycle.Action,
) (capsule.FailureKind, error) {
	var cfg runtime.ContainerConfig
	var img runtime.Image
	if act.Container == "" {
		p := e.place(c, mounts)
		p.Sandbox, p.Inside = e.cfg.Volumes.SandboxMounts(c), !e.cfg.Host().Near
		cfg = container.Sandbox(c, p, act.Attempt)
		if err := e.networkFor(ctx, cfg.Network); err != nil {
			return capsule.FailedSandbox, err
		}
	} else {
		var kind capsule.FailureKind
		var err error
		if cfg, img, kind, err = e.configure(ctx, c, mounts, act); err != nil {
			return kind, err
		}
	}
	release, err := e.starts.wait(ctx, c.CreatedAt)
	if err != nil {
		return "", err
	}
	defer release()
	engine, cancel := context.WithTimeout(engine, createDeadline)
	defer cancel()
	began := time.Now()
	id, err := e.cfg.Runtime.Create(engine, cfg)
	if errdefs.IsAlreadyExists(err) {
		return capsule.FailedCreate, e.takeOver(engine, cfg)
	}
	if err != nil {
		return capsule.FailedCreate, fmt.Errorf("creating container: %w", err)
	}
	if act.Container != "" {
		e.sized(c, act, false)
	}
	e.cfg.Observer.Put(runtime.Container{
		ID: id, Name: cfg.Name, Identity: cfg.Identity, State: capsule.StateCreated, CreatedAt: began,
		Image: cfg.Image, ImageID: img.ID, Networks: madeIn(&cfg),
	})
	return "", nil
}

// configure gets everything that a container needs before the engine is asked to make it.
func (e *Executor) configure(ctx context.Context, c *capsule.Capsule, mounts map[string]runtime.Mount, act lifecycle.Action,
) (cfg runtime.ContainerConfig, img runtime.Image, kind capsule.FailureKind, err error) {
	cs, _ := c.Spec.Container(act.Container)
	if img, err = e.images.Ensure(ctx, image.Request{
		Ref: cs.Image, Policy: cs.ImagePullPolicy, Credentials: cs.PullCredentials, Tell: func(p capsule.Pull) { e.pulled(c, act, p) },
	}); err != nil {
		return cfg, img, capsule.FailedPull, err
	}
	id := runtime.Identity{
		Instance: e.cfg.Instance, Capsule: c.UUID, CapsuleName: c.Spec.Name, Container: act.Container,
		Attempt: act.Attempt, SandboxAttempt: act.SandboxAttempt, Made: act.Made,
	}
	p := e.place(c, mounts)
	release, err := e.lock(ctx, c.UUID)
	if err != nil {
		return cfg, img, "", err
	}
	defer release()
	if p.SubPaths, err = e.subPaths(ctx, c, cs, p, act); err != nil {
		return cfg, img, capsule.FailedConfig, err
	}
	if name := container.SeccompProfile(&c.Spec, cs); name != "" {
		if p.Seccomp, err = seccompProfile(e.cfg.SeccompDir, name); err != nil {
			return cfg, img, capsule.FailedCreate, err
		}
	}
	if cfg, err = container.Config(c, cs, img, p, id, act.SandboxID); err != nil {
		return cfg, img, capsule.FailedConfig, err
	}
	cfg.JoinPID = act.TargetID
	last, err := e.terminationMount(ctx, c, cs, act)
	if err != nil {
		return cfg, img, capsule.FailedCreate, fmt.Errorf("making the file for the termination message: %w", err)
	}
	hosts, err := e.hostsMount(c, cs)
	if err != nil {
		return cfg, img, capsule.FailedCreate, err
	}
	cfg.Mounts = append(append(cfg.Mounts, last...), hosts...)
	return cfg, img, "", nil
}

// takeOver adopts the container that has the name already, if it is what we would have made.
func (e *Executor) takeOver(ctx context.Context, cfg runtime.ContainerConfig) error {
	found, err := e.cfg.Runtime.Inspect(ctx, cfg.Name)
	if err != nil {
		return fmt.Errorf("inspecting the container that has the name %s: %w", cfg.Name, err)
	}
	ours := found.Identity
	ours.Made = cfg.Identity.Made // one of an earlier start or definition: what becomes of it is decided by the next look
	if ours != cfg.Identity {
		return fmt.Errorf("the container name %s is taken by a container that is not this capsule's: remove it", cfg.Name)
	}
	e.cfg.Observer.Put(found)
	return nil
}

// start starts a created container, or one that has ended in place, and looks at it.
func (e *Executor) start(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) (capsule.FailureKind, error) {
	if err := e.fill(ctx, c, act); err != nil {
		return capsule.FailedVolume, err
	}
	release, err := e.starts.wait(ctx, c.CreatedAt)
	if err != nil {
		return "", err
	}
	before := e.instance(c.UUID, act.ID)
	looked := e.cfg.Observer.Starting(act.ID)
	defer looked()
	starting, cancel := context.WithTimeout(ctx, startDeadline)
	if act.Op == lifecycle.Restart {
		err = e.cfg.Runtime.Restart(starting, act.ID)
	} else {
		err = e.cfg.Runtime.Start(starting, act.ID)
	}
	cancel()
	release()
	if errdefs.IsNotFound(err) {
		e.cfg.Observer.Forget(c.UUID, act.ID)
		return "", nil
	}
	if errdefs.IsUnavailable(err) || ctx.Err() != nil {
		return "", errors.Join(err, ctx.Err())
	}
	e.cfg.Observer.Refresh(ctx, c.UUID, act.ID)
	looked()
	if err != nil {
		now := e.instance(c.UUID, act.ID)
		refused := act.Op == lifecycle.Start && now.State == capsule.StateExited
		started := act.Op == lifecycle.Restart && now.StartedAt.After(before.StartedAt) // the answer was lost
		if act.Container != "" && (refused || started) {
			return "", nil // the facts say so
		}
		return capsule.FailedStart, fmt.Errorf("starting container: %w", err)
	}
	e.postStart(ctx, c, act)
	return "", nil
}

// instance is what the observer knows of a container; the zero value of one that it does not know.
func (e *Executor) instance(uuid, id string) (i lifecycle.Instance) {
	for _, i := range e.cfg.Observer.Instances(uuid) {
		if i.ID == id {
			return i
		}
	}
	return i
}

// stop ends a running container, its preStop hook first, within the deadline of the action.
func (e *Executor) stop(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) error {
	if act.Container != "" {
		e.preStop(ctx, c, act)
	}
	grace := max(time.Until(act.Deadline), 0)
	stopping, cancel := context.WithTimeout(ctx, grace+killMargin)
	defer cancel()
	err := e.cfg.Runtime.Stop(stopping, act.ID, grace)
	if errdefs.IsNotFound(err) {
		e.cfg.Observer.Forget(c.UUID, act.ID)
		return nil
	}
	if err != nil {
		return fmt.Errorf("stopping container: %w", err)
	}
	e.cfg.Observer.Refresh(ctx, c.UUID, act.ID)
	return nil
}

// Remove removes a container, by force if it runs.
func (e *Executor) Remove(ctx context.Context, uuid, id string) error {
	ctx, cancel := context.WithTimeout(ctx, removeDeadline)
	defer cancel()
	if err := e.cfg.Runtime.Remove(ctx, id); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing container: %w", err)
	}
	e.cfg.Observer.Forget(uuid, id)
	return nil
}

// removeRecord removes the last traces of a capsule. It looks at the host once more: the record is what protects
// containers from being forgotten.
func (e *Executor) removeRecord(ctx context.Context, uuid string) error {
	ctx, cancel := context.WithTimeout(ctx, removeDeadline)
	defer cancel()
	left, err := e.cfg.Runtime.List(ctx, uuid)
	if err != nil {
		return fmt.Errorf("listing what is left of the capsule: %w", err)
	}
	for _, c := range left {
		e.cfg.Observer.Put(c)
	}
	if len(left) > 0 {
		return nil // the next look plans their removal
	}
	if err := e.cfg.Volumes.Remove(ctx, uuid); err != nil {
		return fmt.Errorf("removing volumes: %w", err)
	}
	e.unlock(uuid)
	return e.cfg.Records.RemoveCapsule(ctx, uuid)
}

// place collects what the host adds to the capsule's spec.
func (e *Executor) place(c *capsule.Capsule, mounts map[string]runtime.Mount) container.Place {
	address, all := "", e.addresses(c)
	if len(all) > 0 {
		address = all[0]
	}
	return container.Place{
		Instance: e.cfg.Instance, Mounts: mounts, MemoryBytes: e.cfg.Host().MemoryBytes,
		Refs: map[capsule.Reference]string{
			capsule.RefCapsuleAddress: address, capsule.RefCapsuleAddresses: strings.Join(all, ","),
			capsule.RefHostAddress: e.cfg.Address, capsule.RefHostAddresses: e.cfg.Address,
		},
	}
}

// addresses are the capsule's as the host shows them now.
func (e *Executor) addresses(c *capsule.Capsule) []string {
	if c.Spec.HostNetwork {
		return []string{e.cfg.Address}
	}
	all := c.Facts.Sandbox.Addresses
	for _, i := range e.cfg.Observer.Instances(c.UUID) {
		if i.Container == "" && i.State == capsule.StateRunning && len(i.Addresses) > 0 {
			all = i.Addresses
		}
	}
	return all
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
