package agent_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// network makes a network of the API.
func (w *world) network(subnets ...string) string {
	w.t.Helper()
	n := capsule.Network{UUID: uuid.NewString(), Name: "net"}
	for _, s := range subnets {
		n.Subnets = append(n.Subnets, netip.MustParsePrefix(s))
	}
	if _, err := w.store.Networks().Create(w.t.Context(), n.UUID, n); err != nil {
		w.t.Fatal(err)
	}
	return n.UUID
}

// in says that a running capsule is in these networks and in no others.
func in(networks ...string) func(*capsule.Capsule) bool {
	return func(c *capsule.Capsule) bool {
		if !running(c) || len(c.Facts.Sandbox.Networks) != len(networks) {
			return false
		}
		for i, a := range c.Facts.Sandbox.Networks {
			if a.Network != capsule.EngineNetwork(networks[i]) || len(a.Addresses) == 0 {
				return false
			}
		}
		return true
	}
}

func (w *world) nets(uuid string, nets ...capsule.Net) {
	w.t.Helper()
	if _, err := w.store.UpdateSpec(w.t.Context(), uuid, func(s *capsule.Spec) error { s.Nets = nets; return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	blue, red := w.network("10.7.0.0/24"), w.network()
	c := w.create(func(s *capsule.Spec) { s.Nets = []capsule.Net{{Network: blue, IPv4: "10.7.0.77"}, {Network: "bridge"}} })
	c = w.await(c.UUID, "in its networks", in(blue, "bridge"))
	if s := c.Facts.Sandbox; s.Addresses[0] != "10.7.0.77" || len(s.Addresses) != 2 || s.Network != capsule.EngineNetwork(blue) {
		t.Errorf("%+v", s)
	}
	sandbox := c.Facts.Sandbox.ID

	w.nets(c.UUID, capsule.Net{Network: "bridge"}, capsule.Net{Network: red})
	c = w.await(c.UUID, "one more and one less", in("bridge", red))
	w.nets(c.UUID, capsule.Net{Network: capsule.NoNetwork})
	c = w.await(c.UUID, "alone", in())
	w.nets(c.UUID)
	if c = w.await(c.UUID, "where one is when nothing is said", in("bridge")); c.Facts.Sandbox.ID != sandbox || c.Facts.Container("app").Run.Attempt != 0 {
		t.Errorf("it was made again: %s", facts(c))
	}
}

// A network that is not to be had is said and tried again, and what runs goes on.
func TestNetworkThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	failed := func(kind capsule.FailureKind) func(*capsule.Capsule) bool {
		return func(c *capsule.Capsule) bool {
			return c != nil && c.Facts.Failure != nil && c.Facts.Failure.Kind == kind
		}
	}
	first := w.create(func(s *capsule.Spec) { s.Nets = []capsule.Net{{Network: "blue"}} })
	if first = w.await(first.UUID, "failed", failed(capsule.FailedSandbox)); first.Facts.Failure.Message != "the host has no network called blue: not found" {
		t.Errorf("%+v", first.Facts.Failure)
	}
	w.nets(first.UUID)
	w.await(first.UUID, "running", running)

	second := w.create(nil)
	w.await(second.UUID, "running", running)
	lost := uuid.NewString()
	w.nets(second.UUID, capsule.Net{Network: "bridge"}, capsule.Net{Network: lost})
	if second = w.await(second.UUID, "failed", failed(capsule.FailedNetwork)); !running(second) {
		t.Errorf("it does not run: %s", facts(second))
	}
	w.nets(second.UUID)
	w.await(second.UUID, "well", func(c *capsule.Capsule) bool { return running(c) && c.Facts.Failure == nil })
}

// What a deleted network left on the host goes when nothing is in it any more; networks of others stay.
func TestNetworksAreSwept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	blue, red := w.network(), w.network()
	other := w.host.As("other")
	if err := other.CreateNetwork(ctx, runtime.NetworkConfig{Name: "theirs", ID: uuid.NewString()}); err != nil {
		t.Fatal(err)
	}
	c := w.create(func(s *capsule.Spec) { s.Nets = []capsule.Net{{Network: blue}, {Network: red}} })
	w.await(c.UUID, "in its networks", in(blue, red))
	if err := w.store.Networks().Remove(ctx, blue); err != nil {
		t.Fatal(err)
	}
	w.delete(c.UUID, 0)
	w.await(c.UUID, "gone", gone)
	w.awaitNetworks("blue is gone", func(names []string) bool { return !slices.Contains(names, capsule.EngineNetwork(blue)) })
	w.awaitNetworks("the others are there", func(names []string) bool {
		return slices.Contains(names, capsule.EngineNetwork(red)) && slices.Contains(names, "theirs") && slices.Contains(names, "bridge")
	})
	if _, err := w.store.Network(ctx, blue); !errdefs.IsNotFound(err) {
		t.Errorf("%v", err)
	}
}

// awaitNetworks looks at the names of the host's networks until ok says so.
func (w *world) awaitNetworks(what string, ok func(names []string) bool) {
	w.t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		all, err := w.host.ListNetworks(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		var names []string
		for _, n := range all {
			names = append(names, n.Name)
		}
		if ok(names) {
			return
		}
		select {
		case <-deadline:
			w.t.Fatalf("never: %s; networks %q", what, names)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
