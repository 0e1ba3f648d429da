package agent_test

import (
	"context"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

func TestALostLeaseIsTakenAgainAndProbesGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var sick atomic.Bool
	w.host.AddImage("probed", fake.Behaviour{Exec: func(context.Context, runtime.ExecConfig) int {
		if sick.Load() {
			return 1
		}
		return 0
	}})
	c := w.create(func(s *capsule.Spec) {
		s.Containers[0].Image = "probed"
		s.Containers[0].ReadinessProbe = &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check"}}},
			PeriodSeconds: 1, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 1,
		}
	})
	ready := func(want bool) func(*capsule.Capsule) bool {
		return func(c *capsule.Capsule) bool { return running(c) && c.Facts.Containers[0].Ready == want }
	}
	before := w.await(c.UUID, "ready", ready(true))
	if err := (<-w.leases).Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.leases <- <-w.leases // the agent holds it again
	sick.Store(true)
	after := w.await(c.UUID, "not ready", ready(false))
	if before.Facts.Containers[0].Run.ID != after.Facts.Containers[0].Run.ID {
		t.Error("a container was started again")
	}
}
