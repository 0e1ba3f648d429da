package agent_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// sized is a host whose containers have written as much as their capsule's name says.
type sized struct {
	*fake.Host
	asked chan string
}

func (s sized) WritableBytes(ctx context.Context, id string) (int64, error) {
	c, err := s.Inspect(ctx, id)
	if err != nil {
		return 0, err
	}
	bytes := resource.MustParse(c.Identity.CapsuleName)
	select {
	case s.asked <- c.Identity.CapsuleName:
	default:
	}
	return bytes.Value(), nil
}

// A capsule whose containers wrote more than they may is ended at once, for good, and its neighbour is not.
func TestTooMuchOnTheDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stopAgent()
	asked := make(chan string, 100)
	w.wrap = func(h *fake.Host) runtime.Host { return sized{h, asked} }
	w.startAgent()
	named := func(name string) *capsule.Capsule {
		return w.create(func(s *capsule.Spec) {
			s.Name = name
			s.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse("1Mi")}
		})
	}
	little, much := named("100Ki"), named("2Mi")
	ended := w.await(much.UUID, "evicted", func(c *capsule.Capsule) bool {
		cf := c.Facts.Container("app")
		return c.Facts.End != nil && cf != nil && cf.Run.State() == capsule.StateExited
	})
	if end := ended.Facts.End; end.Reason != "Evicted" || end.Message != "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. " {
		t.Errorf("end: %+v", end)
	}
	deadline := time.After(20 * time.Second)
	for name := ""; name != "100Ki"; {
		select {
		case name = <-asked:
		case <-deadline:
			t.Fatal("the other one was never measured")
		}
	}
	if c := w.await(little.UUID, "running", running); c.Facts.End != nil {
		t.Errorf("the other one: %+v", c.Facts.End)
	}
}

// near is a host that says that it shares this machine.
type near struct{ *fake.Host }

func (n near) Info(ctx context.Context) (runtime.Info, error) {
	i, err := n.Host.Info(ctx)
	i.Near = true
	return i, err
}

// What nobody limits is measured for those who ask for statistics, and not before somebody does.
func TestStorageInStatistics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stopAgent()
	w.wrap = func(h *fake.Host) runtime.Host { return near{h} }
	w.volumes = volume.Near{StateDir: t.TempDir(), RunDir: t.TempDir()}
	w.startAgent()
	c := w.create(func(s *capsule.Spec) {
		s.Volumes = []capsule.Volume{{Name: "data", EmptyDir: &corev1.EmptyDirVolumeSource{}}}
		s.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	})
	c = w.await(c.UUID, "running", running)
	time.Sleep(200 * time.Millisecond) // some rounds of measuring
	ask := func() *capsule.Storage {
		t.Helper()
		s, err := w.agent.Stats(c)
		if err != nil {
			t.Fatal(err)
		}
		return s.Storage
	}
	if s := ask(); s != nil {
		t.Errorf("measured before anybody asked: %+v", s)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s := ask()
		if s == nil && time.Now().Before(deadline) {
			continue
		}
		if s == nil || len(s.Volumes) != 1 || s.Volumes[0].Name != "data" || !s.Volumes[0].Ephemeral || len(s.Containers) != 1 || s.At.IsZero() {
			t.Errorf("%+v", s)
		}
		return
	}
}
