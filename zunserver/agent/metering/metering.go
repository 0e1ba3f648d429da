// Package metering makes of single readings of counters what people ask for: the use of a capsule, rates, and CPU time that
// stays used when its container has ended.
package metering

import (
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// rateInterval is the shortest time that a rate is made of; who asks more often gets the last one again.
const rateInterval = time.Second

// Meter reads what containers and their host use; see package stats.
type Meter interface {
	Container(id string, pid int) (capsule.Usage, error)
	Sandbox(id string, pid int) (capsule.Usage, error)
	Network(id string, pid int) ([]capsule.Interface, error)
	Host() (capsule.HostStats, error)
}

// Meters remembers readings, by capsule: rates are made of two of them, and CPU time that was used stays used.
type Meters struct {
	meter Meter

	mu  sync.Mutex
	of  map[string]map[string]*reading // capsule, container
	end map[string]uint64              // capsule: CPU time of containers that have ended
}

// reading is where the present interval began, what was read last, and the rate of the last interval.
type reading struct {
	began capsule.Usage
	last  uint64
	cores *uint64
}

// New returns the meters of a host that nothing was read of.
func New(meter Meter) *Meters {
	return &Meters{meter: meter, of: map[string]map[string]*reading{}, end: map[string]uint64{}}
}

// Capsule returns what a capsule uses of which these containers run, by name; the sandbox's is empty. NotFound: nothing of
// it runs; NotImplemented: this host cannot tell.
func (s *Meters) Capsule(c *capsule.Capsule, running map[string]runtime.Container) (capsule.Stats, error) {
	out := capsule.Stats{UUID: c.UUID, Containers: []capsule.ContainerStats{}}
	sandbox, ok := running[""]
	if !ok {
		return out, fmt.Errorf("capsule %s does not run: %w", c.Spec.Name, errdefs.ErrNotFound)
	}
	var err error
	if out.Usage, err = s.meter.Sandbox(sandbox.ID, sandbox.Pid); err != nil {
		return out, fmt.Errorf("statistics of capsule %s: %w", c.Spec.Name, err)
	}
	out.StartedAt = sandbox.StartedAt
	s.rate(c.UUID, sandbox.ID, &out.Usage)
	if !c.Spec.HostNetwork {
		if out.Network, err = s.meter.Network(sandbox.ID, sandbox.Pid); err != nil {
			return out, fmt.Errorf("statistics of capsule %s: %w", c.Spec.Name, err)
		}
	}
	alive := map[string]bool{sandbox.ID: true}
	for _, list := range [][]capsule.ContainerSpec{c.Spec.InitContainers, c.Spec.Containers, c.Spec.EphemeralContainers} {
		for i := range list {
			r, ok := running[list[i].Name]
			if !ok {
				continue
			}
			u, err := s.meter.Container(r.ID, r.Pid)
			if errdefs.IsNotFound(err) {
				continue // it has just ended
			}
			if err != nil {
				return out, fmt.Errorf("statistics of container %s of capsule %s: %w", list[i].Name, c.Spec.Name, err)
			}
			s.rate(c.UUID, r.ID, &u)
			alive[r.ID] = true
			out.Containers = append(out.Containers, capsule.ContainerStats{Name: list[i].Name, StartedAt: r.StartedAt, Usage: u})
			out.Add(u)
		}
	}
	out.CPUNanos += s.spent(c.UUID, alive)
	return out, nil
}

// Host returns what the whole host uses; NotImplemented: it cannot tell.
func (s *Meters) Host(name string) (capsule.HostStats, error) {
	h, err := s.meter.Host()
	if err != nil {
		return h, fmt.Errorf("statistics of host %s: %w", name, err)
	}
	h.Name = name
	s.rate("", "", &h.Usage)
	return h, nil
}

// rate sets the rate of a new reading.
func (s *Meters) rate(uuid, id string, u *capsule.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[uuid] == nil {
		s.of[uuid] = map[string]*reading{}
	}
	r := s.of[uuid][id]
	if r != nil && u.CPUNanos < r.last { // it was started again in place
		s.end[uuid] += r.last
		r = nil
	}
	if r == nil {
		s.of[uuid][id] = &reading{began: *u, last: u.CPUNanos}
		return
	}
	if d := u.At.Sub(r.began.At); d >= rateInterval && u.CPUNanos >= r.began.CPUNanos {
		cores := uint64(float64(u.CPUNanos-r.began.CPUNanos) / d.Seconds())
		r.began, r.cores = *u, &cores
	}
	r.last, u.CPUNanoCores = max(r.last, u.CPUNanos), r.cores
}

// spent is the CPU time that containers of the capsule had used when they were last seen alive.
func (s *Meters) spent(uuid string, alive map[string]bool) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.of[uuid] {
		if !alive[id] {
			s.end[uuid] += r.last
			delete(s.of[uuid], id)
		}
	}
	return s.end[uuid]
}

// Forget drops a capsule that is gone.
func (s *Meters) Forget(uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, uuid)
	delete(s.end, uuid)
}
