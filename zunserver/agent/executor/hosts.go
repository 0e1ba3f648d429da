package executor

import (
	"context"

	"github.com/capsulet/capsulet/zunserver/agent/container"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// hostsMount mounts the capsule's /etc/hosts, whose content comes when the sandbox has its address.
func (e *Executor) hostsMount(c *capsule.Capsule, cs *capsule.ContainerSpec) ([]runtime.Mount, error) {
	if !container.WantsHosts(&c.Spec, cs) {
		return nil, nil
	}
	return e.cfg.Volumes.HostsMount(c)
}

// sandboxOf is the sandbox of this ID, as volumes need it.
func (e *Executor) sandboxOf(c *capsule.Capsule, id string) volume.Sandbox {
	s := volume.Sandbox{ID: id, Addresses: e.addresses(c)}
	for _, i := range e.cfg.Observer.Instances(c.UUID) {
		if i.ID == id {
			s.StartedAt = i.StartedAt
		}
	}
	if container.HasHosts(&c.Spec) {
		s.Hosts = func(addresses []string) (before []byte, own bool, after []byte) {
			return container.Hosts(&c.Spec, addresses)
		}
	}
	return s
}

// prepare makes the volumes or brings them up to date, also in a sandbox that runs.
func (e *Executor) prepare(ctx context.Context, c *capsule.Capsule) (map[string]runtime.Mount, error) {
	release, err := e.lock(ctx, c.UUID)
	if err != nil {
		return nil, err
	}
	defer release()
	mounts, err := e.cfg.Volumes.Prepare(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, i := range e.cfg.Observer.Instances(c.UUID) {
		if i.Container == "" && i.State == capsule.StateRunning {
			return mounts, e.cfg.Volumes.Fill(ctx, c, e.sandboxOf(c, i.ID))
		}
	}
	return mounts, nil
}

// fill gives the sandbox that a container is about to be started in what it has to have. Only the first one of a sandbox
// writes; the others find it done.
func (e *Executor) fill(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) error {
	if act.Container == "" {
		return nil
	}
	release, err := e.lock(ctx, c.UUID)
	if err != nil {
		return err
	}
	defer release()
	for _, i := range e.cfg.Observer.Instances(c.UUID) {
		if i.Container == "" && i.State == capsule.StateRunning {
			return e.cfg.Volumes.Fill(ctx, c, e.sandboxOf(c, i.ID))
		}
	}
	return nil // the start will say that no sandbox runs
}

// lock admits one at a time to the volumes of a capsule.
func (e *Executor) lock(ctx context.Context, uuid string) (release func(), err error) {
	e.mu.Lock()
	l := e.locks[uuid]
	if l == nil {
		l = make(chan struct{}, 1)
		e.locks[uuid] = l
	}
	e.mu.Unlock()
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *Executor) unlock(uuid string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.locks, uuid)
}
