package lifecycle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
)

func TestMoves(t *testing.T) {
	const id = "11111111-2222-3333-4444-555555555555"
	in := func(names ...string) (all []capsule.Attachment) {
		for _, n := range names {
			all = append(all, capsule.Attachment{Network: n, Addresses: []string{"10.0.0.2"}})
		}
		return all
	}
	for _, row := range []struct {
		name   string
		wanted []capsule.Net
		in     []capsule.Attachment
		join   []capsule.Net
		leave  []string
	}{
		{"where it should be", []capsule.Net{{Network: id}, {Network: "b"}}, in("b", "capsulet_"+id), nil, nil},
		{"a network of the API", []capsule.Net{{Network: id}}, in("bridge"), []capsule.Net{{Network: id}}, []string{"bridge"}},
		{"nowhere, as it should be", nil, in("none"), nil, nil},
		{"out of nowhere", []capsule.Net{{Network: "b"}}, in("none"), []capsule.Net{{Network: "b"}}, []string{"none"}},
		{"its fixed address", []capsule.Net{{Network: "b", IPv4: "10.0.0.2"}}, in("b"), nil, nil},
		{"another address: out first", []capsule.Net{{Network: "b", IPv4: "10.0.0.9"}}, in("b"), nil, []string{"b"}},
		{"a fixed address of what does not run", []capsule.Net{{Network: "b", IPv4: "10.0.0.9"}}, []capsule.Attachment{{Network: "b"}}, nil, nil},
	} {
		join, leave := lifecycle.Moves(row.wanted, row.in)
		if d := cmp.Diff(row.join, join) + cmp.Diff(row.leave, leave); d != "" {
			t.Errorf("%s:\n%s", row.name, d)
		}
	}
}

// A failed connection is over when nothing is to be connected any more, and not because the sandbox runs.
func TestNetworkFailure(t *testing.T) {
	s := good()
	s.nets("bridge", "b")
	s.in("bridge")
	s.c.Facts.Failure = lifecycle.Fail(nil, capsule.FailedNetwork, "", "address in use", now)
	if s.look(); s.c.Facts.Failure == nil || len(s.c.Facts.Sandbox.Networks) != 1 {
		t.Errorf("%+v", s.c.Facts)
	}
	s.c.Spec.Nets = nil
	if s.look(); s.c.Facts.Failure != nil {
		t.Errorf("%+v", s.c.Facts.Failure)
	}
}
