package stats_test

import (
	"testing"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/stats"
)

// start makes containers that run and returns their IDs.
func start(t *testing.T, h *fake.Host, names ...string) (ids []string) {
	t.Helper()
	for _, name := range names {
		cfg := runtime.ContainerConfig{Name: "n-" + name, Identity: runtime.Identity{Instance: "i", Capsule: "u", Container: name}, Image: "app", Sandbox: "n-"}
		if name == "" {
			cfg.Image, cfg.Sandbox, cfg.Inside = "", "", true
		}
		id, err := h.Create(t.Context(), cfg)
		if err == nil {
			err = h.Start(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// Everybody who asks is served by one round, and what was started since by a reading of its own.
func TestFarReadsInRounds(t *testing.T) {
	h := fake.New(fake.Config{Instance: "i"})
	h.AddImage("app", fake.Behaviour{})
	f := stats.NewFar(h)
	if _, err := f.Host(); !errdefs.IsNotImplemented(err) {
		t.Errorf("no sandbox: %v", err)
	}
	ids := start(t, h, "", "a", "b")
	h.SetUsage(ids[1], capsule.Usage{CPUNanos: 7})
	reads := 0
	h.SetFault(func(op, _ string) error {
		if op == "stats" {
			reads++
		}
		return nil
	})
	for range 3 {
		if u, err := f.Container(ids[1], 0); err != nil || u.CPUNanos != 7 {
			t.Errorf("%+v, %v", u, err)
		}
		if n, err := f.Network(ids[0], 0); err != nil || len(n) != 1 {
			t.Errorf("%+v, %v", n, err)
		}
	}
	if reads != 3 {
		t.Errorf("%d readings for 3 containers", reads)
	}
	late := start(t, h, "late")[0]
	if _, err := f.Container(late, 0); err != nil || reads != 4 {
		t.Errorf("%v after %d readings", err, reads)
	}
	if _, err := f.Container("none", 0); !errdefs.IsNotFound(err) {
		t.Errorf("no container: %v", err)
	}
	if s, err := f.Host(); err != nil || s.CPUNanos == 0 || s.StartedAt.IsZero() {
		t.Errorf("the host: %+v, %v", s, err)
	}
}
