package runtimetest

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// network makes a network for the time of a test.
func (b *bench) network(t *testing.T, subnets ...string) runtime.NetworkConfig {
	t.Helper()
	id := uuid.NewString()
	cfg := runtime.NetworkConfig{Name: capsule.EngineNetwork(id), ID: id}
	for _, s := range subnets {
		cfg.Subnets = append(cfg.Subnets, netip.MustParsePrefix(s))
	}
	if err := b.Host.CreateNetwork(b.context(t), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		// After those of the bench: its containers have gone then.
		if err := b.Host.RemoveNetwork(ctx, cfg.Name); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return cfg
}

func testNetworks(t *testing.T, b *bench) {
	ctx := b.context(t)
	one := b.network(t, "10.201.77.0/24")
	if err := b.Host.CreateNetwork(ctx, one); err != nil {
		t.Errorf("made twice: %v", err)
	}
	is(t, "the network of another instance", b.Other.CreateNetwork(ctx, one), errdefs.ErrAlreadyExists)
	id := uuid.NewString()
	is(t, "a subnet that is taken", b.Host.CreateNetwork(ctx, runtime.NetworkConfig{
		Name: capsule.EngineNetwork(id), ID: id, Subnets: []netip.Prefix{netip.MustParsePrefix("10.201.77.128/25")},
	}), errdefs.ErrFailedPrecondition)
	for _, view := range []struct {
		host runtime.Host
		id   string
	}{{b.Host, one.ID}, {b.Other, ""}} {
		all, err := view.host.ListNetworks(ctx)
		i := slices.IndexFunc(all, func(n runtime.Network) bool { return n.Name == one.Name })
		if err != nil || i < 0 || all[i].ID != view.id || all[i].Driver != "bridge" {
			t.Errorf("list: %+v, %v", all, err)
		}
		if !slices.ContainsFunc(all, func(n runtime.Network) bool { return n.Name == capsule.BridgeNetwork && n.ID == "" }) {
			t.Errorf("the engine's own bridge is not in %+v", all)
		}
	}
	gone := b.network(t)
	for range 2 {
		if err := b.Host.RemoveNetwork(ctx, gone.Name); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
}

// names are the networks in the order that the host shows, each with how many addresses the sandbox has there.
func names(all []capsule.Attachment) map[string]int {
	m := map[string]int{}
	for _, a := range all {
		m[a.Network] = len(a.Addresses)
	}
	return m
}

func testSandboxInNetworks(t *testing.T, b *bench) {
	ctx := b.context(t)
	one, two, three := b.network(t, "10.201.78.0/24"), b.network(t), b.network(t)
	// The bench removes its containers before the networks go.
	cfg := b.sandboxConfig()
	cfg.Network, cfg.IPv4 = one.Name, "10.201.78.9"
	id := b.created(t, cfg)
	t.Cleanup(func() { _ = b.Host.Remove(context.WithoutCancel(t.Context()), id) })
	for range 2 {
		if err := b.Host.Connect(ctx, runtime.Endpoint{ID: id, Network: two.Name}); err != nil {
			t.Fatalf("connect before the start: %v", err)
		}
	}
	want := map[string]int{one.Name: 0, two.Name: 0}
	if c := b.inspect(t, id); !cmp.Equal(names(c.Networks), want) || c.Networks[0].Network != one.Name || len(c.Addresses) > 0 {
		t.Errorf("created: %+v", c)
	}
	if err := b.Host.Start(ctx, id); err != nil {
		t.Fatal(err)
	}
	want = map[string]int{one.Name: 1, two.Name: 1}
	if c := b.inspect(t, id); !cmp.Equal(names(c.Networks), want) || c.Network != one.Name || c.Addresses[0] != "10.201.78.9" || len(c.Addresses) != 2 {
		t.Errorf("running: %+v", c)
	}
	is(t, "an address that is taken", b.Host.Connect(ctx, runtime.Endpoint{ID: b.second(t), Network: one.Name, IPv4: "10.201.78.9"}), errdefs.ErrFailedPrecondition)
	is(t, "remove what is in use", b.Host.RemoveNetwork(ctx, two.Name), errdefs.ErrFailedPrecondition)
	is(t, "connect to nothing", b.Host.Connect(ctx, runtime.Endpoint{ID: id, Network: "capsulet_no-such"}), errdefs.ErrNotFound)
	if err := b.Host.Connect(ctx, runtime.Endpoint{ID: id, Network: three.Name}); err != nil {
		t.Fatalf("connect what runs: %v", err)
	}
	for range 2 {
		if err := b.Host.Disconnect(ctx, id, one.Name); err != nil {
			t.Fatalf("disconnect what runs: %v", err)
		}
	}
	want = map[string]int{two.Name: 1, three.Name: 1}
	if c := b.inspect(t, id); !cmp.Equal(names(c.Networks), want) || len(c.Addresses) != 2 {
		t.Errorf("connected and disconnected: %+v", c)
	}
	list, err := b.Host.List(ctx, b.capsule)
	i := slices.IndexFunc(list, func(c runtime.Container) bool { return c.ID == id })
	if err != nil || i < 0 || !cmp.Equal(names(list[i].Networks), want) {
		t.Errorf("list: %+v, %v", list, err)
	}
}

// second is another running sandbox, in the engine's own bridge.
func (b *bench) second(t *testing.T) string {
	t.Helper()
	cfg := b.sandboxConfig()
	cfg.Name, cfg.Network, cfg.Identity.Attempt = cfg.Name+"_second", "", 1
	id := b.running(t, cfg)
	t.Cleanup(func() { _ = b.Host.Remove(context.WithoutCancel(t.Context()), id) })
	return id
}
