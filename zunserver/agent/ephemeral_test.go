package agent_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// An ephemeral container that comes with an update runs once, beside the others, and its end changes nothing.
func TestEphemeralContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.AddImage("debug", fake.Behaviour{Exits: true, Code: 3, After: 50 * time.Millisecond})
	c := w.create(nil)
	w.await(c.UUID, "running", running)
	_, err := w.store.UpdateSpec(t.Context(), c.UUID, func(s *capsule.Spec) error {
		next, err := s.Clone()
		if err != nil {
			return err
		}
		next.EphemeralContainers = []capsule.ContainerSpec{{Name: "debug", Image: "debug", ImagePullPolicy: corev1.PullIfNotPresent, TargetContainer: "app"}}
		s.Adopt(next, false)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c = w.await(c.UUID, "debugged", func(c *capsule.Capsule) bool {
		cf := c.Facts.Container("debug")
		return cf != nil && cf.Run.State() == capsule.StateExited
	})
	cf := c.Facts.Container("debug")
	if !cf.Ephemeral || cf.Run.ExitCode != 3 || !running(c) || c.Status() != capsule.StatusRunning {
		t.Errorf("status %s, %s", c.Status(), facts(c))
	}
	cfg, ok := w.host.Config(cf.Run.ID)
	if !ok || cfg.JoinPID != c.Facts.Container("app").Run.ID {
		t.Errorf("it joins %q", cfg.JoinPID)
	}
	w.delete(c.UUID, 1)
	w.await(c.UUID, "gone", gone)
	w.empty()
}
