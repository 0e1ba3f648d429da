package fake

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// bridge is a network of the engine and the prefixes that its addresses are of.
type bridge struct {
	runtime.NetworkConfig
	driver, instance string
	v4, v6           netip.Prefix
}

// endpoint is a sandbox in a network. It has addresses while the sandbox runs.
type endpoint struct {
	runtime.Endpoint
	addresses []string
}

// predefined are the networks that every engine has.
func predefined() map[string]*bridge {
	m := map[string]*bridge{}
	for name, driver := range map[string]string{capsule.BridgeNetwork: "bridge", capsule.HostNetwork: "host", capsule.NoNetwork: "null"} {
		m[name] = &bridge{NetworkConfig: runtime.NetworkConfig{Name: name}, driver: driver}
	}
	m[capsule.BridgeNetwork].v4 = netip.MustParsePrefix("172.17.0.0/16")
	return m
}

// CreateNetwork makes a network, or finds it.
func (h *Host) CreateNetwork(ctx context.Context, cfg runtime.NetworkConfig) error {
	return h.call(ctx, "createnetwork", cfg.Name, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if n := h.networks[cfg.Name]; n != nil {
			if n.instance != h.instance || n.ID != cfg.ID {
				return fmt.Errorf("create network %s: the name is taken: %w", cfg.Name, errdefs.ErrAlreadyExists)
			}
			return nil
		}
		n := &bridge{NetworkConfig: cfg, driver: "bridge", instance: h.instance}
		for _, p := range cfg.Subnets {
			for _, other := range h.networks {
				if other.v4.Overlaps(p) || other.v6.Overlaps(p) {
					return fmt.Errorf("create network %s: %s overlaps with network %s: %w", cfg.Name, p, other.Name, errdefs.ErrFailedPrecondition)
				}
			}
			if p.Addr().Is4() {
				n.v4 = p
			} else {
				n.v6 = p
			}
		}
		if !n.v4.IsValid() {
			n.v4 = h.freePrefix()
		}
		h.networks[cfg.Name] = n
		return nil
	})
}

// freePrefix is one that no network has; the caller holds mu.
func (e *engine) freePrefix() netip.Prefix {
	for n := byte(18); ; n++ {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, n, 0, 0}), 16)
		taken := false
		for _, other := range e.networks {
			taken = taken || other.v4.Overlaps(p)
		}
		if !taken {
			return p
		}
	}
}

// ListNetworks returns the networks of the engine.
func (h *Host) ListNetworks(ctx context.Context) ([]runtime.Network, error) {
	var all []runtime.Network
	err := h.call(ctx, "listnetworks", "", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, n := range h.networks {
			one := runtime.Network{Name: n.Name, Driver: n.driver}
			if n.instance == h.instance {
				one.ID = n.ID
			}
			all = append(all, one)
		}
		return nil
	})
	return all, err
}

// RemoveNetwork deletes a network that no running sandbox is in.
func (h *Host) RemoveNetwork(ctx context.Context, name string) error {
	return h.call(ctx, "removenetwork", name, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, c := range h.containers {
			if c.running() && c.in(name) >= 0 {
				return fmt.Errorf("network %s has container %s in it: %w", name, c.view.Name, errdefs.ErrFailedPrecondition)
			}
		}
		delete(h.networks, name)
		return nil
	})
}

// Connect puts a sandbox into a network.
func (h *Host) Connect(ctx context.Context, to runtime.Endpoint) error {
	return h.call(ctx, "connect", to.Network, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(to.ID)
		if err != nil {
			return err
		}
		if h.networks[to.Network] == nil {
			return fmt.Errorf("connect to network %s: %w", to.Network, errdefs.ErrNotFound)
		}
		if c.in(to.Network) >= 0 {
			return nil
		}
		if c.in(capsule.NoNetwork) >= 0 || c.in(capsule.HostNetwork) >= 0 {
			return fmt.Errorf("container %s cannot be in %s besides its own: %w", c.view.Name, to.Network, errdefs.ErrPermissionDenied)
		}
		ep := endpoint{Endpoint: to}
		if c.running() {
			if err := h.address(&ep); err != nil {
				return err
			}
		}
		c.endpoints = append(c.endpoints, ep)
		c.showNetworks()
		return nil
	})
}

// Disconnect takes a sandbox out of a network.
func (h *Host) Disconnect(ctx context.Context, id, network string) error {
	return h.call(ctx, "disconnect", network, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err != nil {
			return err
		}
		if i := c.in(network); i >= 0 {
			h.release(&c.endpoints[i])
			c.endpoints = slices.Delete(c.endpoints, i, i+1)
			c.showNetworks()
		}
		return nil
	})
}

// in is the place of the network among those of the container, -1 if it is not in it.
func (c *container) in(network string) int {
	return slices.IndexFunc(c.endpoints, func(e endpoint) bool { return e.Network == network })
}

// plug gives a sandbox the network that it is made in.
func (c *container) plug(cfg *runtime.ContainerConfig) {
	if cfg.Identity.Sandbox() {
		c.endpoints = []endpoint{{Endpoint: runtime.Endpoint{
			Network: cmp.Or(cfg.Network, capsule.BridgeNetwork), IPv4: cfg.IPv4, IPv6: cfg.IPv6,
		}}}
		c.showNetworks()
	}
}

// join gives a sandbox that starts its addresses; the caller holds mu.
func (e *engine) join(c *container) error {
	for i := range c.endpoints {
		if err := e.address(&c.endpoints[i]); err != nil {
			e.leave(c)
			return err
		}
	}
	c.showNetworks()
	return nil
}

// leave takes the addresses of a sandbox that has ended; the caller holds mu.
func (e *engine) leave(c *container) {
	for i := range c.endpoints {
		e.release(&c.endpoints[i])
	}
	c.showNetworks()
}

// address gives an endpoint its addresses; the caller holds mu.
func (e *engine) address(ep *endpoint) error {
	n := e.networks[ep.Network]
	if n == nil {
		return fmt.Errorf("network %s not found", ep.Network)
	}
	for _, of := range []struct {
		prefix netip.Prefix
		fixed  string
	}{{n.v4, ep.IPv4}, {n.v6, ep.IPv6}} {
		if !of.prefix.IsValid() {
			continue
		}
		a := of.fixed
		if a == "" {
			a = e.takeAddress(of.prefix)
		} else if e.addresses[a] {
			return fmt.Errorf("address already in use: %s: %w", a, errdefs.ErrFailedPrecondition)
		}
		e.addresses[a] = true
		ep.addresses = append(ep.addresses, a)
	}
	return nil
}

func (e *engine) release(ep *endpoint) {
	for _, a := range ep.addresses {
		delete(e.addresses, a)
	}
	ep.addresses = nil
}

// showNetworks makes the container look as its endpoints are.
func (c *container) showNetworks() {
	v := &c.view
	if !v.Identity.Sandbox() {
		return
	}
	v.Network, v.Addresses, v.Networks = "", nil, []capsule.Attachment{}
	for _, e := range c.endpoints {
		v.Networks = append(v.Networks, capsule.Attachment{Network: e.Network, Addresses: slices.Clone(e.addresses)})
		if v.Network == "" && len(e.addresses) > 0 {
			v.Network = e.Network
		}
		v.Addresses = append(v.Addresses, e.addresses...)
	}
}

// takeAddress gives the lowest free address but the first two; the caller holds mu.
func (e *engine) takeAddress(of netip.Prefix) string {
	for a := of.Addr().Next().Next(); ; a = a.Next() {
		if !e.addresses[a.String()] {
			return a.String()
		}
	}
}
