package agent_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Resources that change are given to the container that runs, or to a new attempt where the policy says so.
func TestResize(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		policy  corev1.ResourceResizeRestartPolicy
		attempt int
	}{{"in place", corev1.NotRequired, 0}, {"by a restart", corev1.RestartContainer, 1}} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			limit := func(s *capsule.Spec, cpu string) {
				s.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
			}
			c := w.create(func(s *capsule.Spec) {
				limit(s, "1")
				s.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceCPU, RestartPolicy: row.policy}}
			})
			w.await(c.UUID, "running", running)
			if _, err := w.store.UpdateSpec(t.Context(), c.UUID, func(s *capsule.Spec) error { limit(s, "2"); return nil }); err != nil {
				t.Fatal(err)
			}
			c = w.await(c.UUID, "resized", func(c *capsule.Capsule) bool {
				return running(c) && len(c.Spec.Containers[0].Resized(c.Facts.Container("app").Run)) == 0
			})
			updates := 0
			for _, call := range w.host.Calls() {
				if call.Op == "update" {
					updates++
				}
			}
			if got := c.Facts.Container("app").Run.Attempt; got != row.attempt || updates != 1-row.attempt {
				t.Errorf("attempt %d after %d updates", got, updates)
			}
		})
	}
}
