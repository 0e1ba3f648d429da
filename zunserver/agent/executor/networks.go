package executor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// networkDeadline is for one change of a network.
const networkDeadline = 30 * time.Second

// madeIn is where the engine shows a new sandbox; nil for what is none.
func madeIn(cfg *runtime.ContainerConfig) []capsule.Attachment {
	if !cfg.Identity.Sandbox() {
		return nil
	}
	return []capsule.Attachment{{Network: cmp.Or(cfg.Network, capsule.BridgeNetwork)}}
}

// connect brings a sandbox into the networks of the spec. It looks at the sandbox itself: what is known of it may be old. The
// network that stands for none goes first, because no other is possible beside it; the others that are not wanted go last.
func (e *Executor) connect(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) error {
	ctx, cancel := context.WithTimeout(ctx, networkDeadline)
	defer cancel()
	defer e.cfg.Observer.Refresh(context.WithoutCancel(ctx), c.UUID, act.ID)
	s, err := e.cfg.Runtime.Inspect(ctx, act.ID)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the sandbox: %w", err)
	}
	join, leave := lifecycle.Moves(c.Spec.SandboxNets(), s.Networks)
	if i := slices.Index(leave, capsule.NoNetwork); i >= 0 {
		if err := e.cfg.Runtime.Disconnect(ctx, act.ID, capsule.NoNetwork); err != nil {
			return err
		}
		leave = slices.Delete(leave, i, i+1)
	}
	for _, n := range join {
		name := capsule.EngineNetwork(n.Network)
		if err := e.networkFor(ctx, name); err != nil {
			return err
		}
		if err := e.cfg.Runtime.Connect(ctx, runtime.Endpoint{ID: act.ID, Network: name, IPv4: n.IPv4, IPv6: n.IPv6}); err != nil {
			return err
		}
	}
	for _, name := range leave {
		if err := e.cfg.Runtime.Disconnect(ctx, act.ID, name); err != nil {
			return err
		}
	}
	return nil
}

// networkFor makes sure that the engine has a network. Those of the API are made when they are first needed.
func (e *Executor) networkFor(ctx context.Context, name string) error {
	switch name {
	case "", capsule.BridgeNetwork, capsule.HostNetwork, capsule.NoNetwork:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, networkDeadline)
	defer cancel()
	e.bridges.Lock()
	defer e.bridges.Unlock()
	all, err := e.cfg.Runtime.ListNetworks(ctx)
	if err != nil {
		return fmt.Errorf("looking for network %s: %w", name, err)
	}
	id := capsule.NetworkID(name)
	if slices.ContainsFunc(all, func(n runtime.Network) bool { return n.Name == name && n.ID == id }) {
		return nil
	}
	if id == "" {
		return fmt.Errorf("the host has no network called %s: %w", name, errdefs.ErrNotFound)
	}
	n, err := e.cfg.Records.Network(ctx, id)
	if errdefs.IsNotFound(err) {
		return fmt.Errorf("network %s was deleted: %w", id, err)
	}
	if err != nil {
		return fmt.Errorf("looking for network %s: %w", id, err)
	}
	return e.cfg.Runtime.CreateNetwork(ctx, runtime.NetworkConfig{Name: name, ID: id, Subnets: n.Subnets, Internal: n.Internal})
}
