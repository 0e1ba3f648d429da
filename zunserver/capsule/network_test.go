package capsule

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNetworkNames(t *testing.T) {
	const id = "11111111-2222-3333-4444-55555555555a"
	for network, want := range map[string]string{
		id: "capsulet_" + id, "11111111-2222-3333-4444-55555555555A": "capsulet_" + id, "bridge": "bridge", "capsulet_x": "capsulet_x",
	} {
		if got := EngineNetwork(network); got != want {
			t.Errorf("%s is called %s, want %s", network, got, want)
		}
	}
	for name, want := range map[string]string{"capsulet_" + id: id, "bridge": "", "capsulet_x": "", "capsulet_": "", id: ""} {
		if got := NetworkID(name); got != want {
			t.Errorf("%s is the network %q, want %q", name, got, want)
		}
	}
}

func TestNets(t *testing.T) {
	attach := func(s *Spec) { s.Attach(Net{Network: "c", IPv4: "10.0.0.9"}) }
	detach := func(network string) func(*Spec) { return func(s *Spec) { s.Detach(network) } }
	for _, row := range []struct {
		name   string
		spec   Spec
		change func(*Spec)
		want   []Net
	}{
		{"nothing said", Spec{}, func(*Spec) {}, []Net{{Network: "bridge"}}},
		{"the host's", Spec{HostNetwork: true}, func(*Spec) {}, nil},
		{"none", Spec{Nets: []Net{{Network: "none"}}}, func(*Spec) {}, nil},
		{"two", Spec{Nets: []Net{{Network: "b"}, {Network: "a"}}}, func(*Spec) {}, []Net{{Network: "b"}, {Network: "a"}}},
		{"one more than nothing said", Spec{}, attach, []Net{{Network: "bridge"}, {Network: "c", IPv4: "10.0.0.9"}}},
		{"one more than none", Spec{Nets: []Net{{Network: "none"}}}, attach, []Net{{Network: "c", IPv4: "10.0.0.9"}}},
		{"one that is there", Spec{Nets: []Net{{Network: "c"}}}, attach, []Net{{Network: "c"}}},
		{"one less", Spec{Nets: []Net{{Network: "b"}, {Network: "a"}}}, detach("b"), []Net{{Network: "a"}}},
		{"the last less", Spec{Nets: []Net{{Network: "a"}}}, detach("a"), nil},
		{"the one that nobody named less", Spec{}, detach("bridge"), nil},
		{"one that is not there less", Spec{Nets: []Net{{Network: "a"}}}, detach("b"), []Net{{Network: "a"}}},
	} {
		row.change(&row.spec)
		if d := cmp.Diff(row.want, row.spec.SandboxNets()); d != "" {
			t.Errorf("%s:\n%s", row.name, d)
		}
	}
}
