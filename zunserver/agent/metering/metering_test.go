package metering

import (
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// meter has the usage of processes by pid.
type meter map[int]capsule.Usage

func (m meter) Container(_ string, pid int) (capsule.Usage, error) {
	if u, ok := m[pid]; ok {
		return u, nil
	}
	return capsule.Usage{}, errdefs.ErrNotFound
}

func (m meter) Sandbox(id string, pid int) (capsule.Usage, error) { return m.Container(id, pid) }

func (m meter) Network(string, int) ([]capsule.Interface, error) {
	return []capsule.Interface{{Name: "eth0"}}, nil
}

func (m meter) Host() (capsule.HostStats, error) {
	return capsule.HostStats{}, errdefs.ErrNotImplemented
}

func TestCapsule(t *testing.T) {
	began := time.Unix(1000, 0)
	m := meter{}
	meters, running := New(m), map[string]runtime.Container{}
	c := &capsule.Capsule{UUID: "u", Spec: capsule.Spec{Name: "web", Containers: []capsule.ContainerSpec{{Name: "b"}, {Name: "a"}}}}
	run := func(id, name string, pid int) {
		running[name] = runtime.Container{ID: id, Pid: pid, State: capsule.StateRunning, StartedAt: began}
	}
	at := func(seconds float64, cpu ...uint64) {
		for pid, n := range cpu {
			m[pid+1] = capsule.Usage{At: began.Add(time.Duration(seconds * float64(time.Second))), CPUNanos: n, WorkingSetBytes: 10}
		}
	}
	look := func(cpu uint64, cores int64, containers int) {
		t.Helper()
		s, err := meters.Capsule(c, running)
		got := int64(-1)
		if s.CPUNanoCores != nil {
			got = int64(*s.CPUNanoCores)
		}
		if err != nil || s.CPUNanos != cpu || got != cores || len(s.Containers) != containers || s.WorkingSetBytes != uint64(10*(containers+1)) {
			t.Errorf("%+v (%d cores) %v, want CPU %d, rate %d, %d containers", s, got, err, cpu, cores, containers)
		}
	}
	if _, err := meters.Capsule(c, running); !errdefs.IsNotFound(err) {
		t.Errorf("nothing runs: %v", err)
	}
	run("s", "", 1)
	run("a1", "a", 2)
	run("b1", "b", 3)
	at(0, 10, 100, 1000)
	look(1110, -1, 2)
	at(0.5, 10, 300, 1000)
	look(1310, -1, 2) // too soon for a rate
	at(2, 10, 500, 3000)
	look(3510, 200+1000, 2)
	at(2.5, 10, 600, 3000)
	look(3610, 1200, 2) // the last rate again
	delete(running, "b")
	look(3610, 200, 1) // what b has used stays
	meters.Forget("u")
	look(610, -1, 1)
}
