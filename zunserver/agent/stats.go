package agent

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

// Meter reads what containers and their host use. It asks no engine.
type Meter interface {
	Container(id string, pid int) (capsule.Usage, error)
	Network(pid int) ([]capsule.Interface, error)
	Host() (capsule.HostStats, error)
}

// Stats returns what a capsule of this host uses. NotFound: nothing of it runs; NotImplemented: this host cannot tell.
func (a *Agent) Stats(c *capsule.Capsule) (capsule.Stats, error) {
	s := capsule.Stats{UUID: c.UUID, Containers: []capsule.ContainerStats{}}
	running := a.obs.running(c.UUID)
	sandbox, ok := running[""]
	if !ok {
		return s, fmt.Errorf("capsule %s does not run: %w", c.Spec.Name, errdefs.ErrNotFound)
	}
	var err error
	if s.Usage, err = a.cfg.Meter.Container(sandbox.ID, sandbox.Pid); err != nil {
		return s, fmt.Errorf("statistics of capsule %s: %w", c.Spec.Name, err)
	}
	s.StartedAt = sandbox.StartedAt
	a.usage.rate(c.UUID, sandbox.ID, &s.Usage)
	if !c.Spec.HostNetwork {
		if s.Network, err = a.cfg.Meter.Network(sandbox.Pid); err != nil {
			return s, fmt.Errorf("statistics of capsule %s: %w", c.Spec.Name, err)
		}
	}
	alive := map[string]bool{sandbox.ID: true}
	for _, list := range [][]capsule.ContainerSpec{c.Spec.InitContainers, c.Spec.Containers, c.Spec.EphemeralContainers} {
		for i := range list {
			r, ok := running[list[i].Name]
			if !ok {
				continue
			}
			u, err := a.cfg.Meter.Container(r.ID, r.Pid)
			if errdefs.IsNotFound(err) {
				continue // it has just ended
			}
			if err != nil {
				return s, fmt.Errorf("statistics of container %s of capsule %s: %w", list[i].Name, c.Spec.Name, err)
			}
			a.usage.rate(c.UUID, r.ID, &u)
			alive[r.ID] = true
			s.Containers = append(s.Containers, capsule.ContainerStats{Name: list[i].Name, StartedAt: r.StartedAt, Usage: u})
			s.Add(u)
		}
	}
	s.CPUNanos += a.usage.spent(c.UUID, alive)
	return s, nil
}

// HostStats returns what the whole host uses; NotImplemented: it cannot tell.
func (a *Agent) HostStats() (capsule.HostStats, error) {
	h, err := a.cfg.Meter.Host()
	if err != nil {
		return h, fmt.Errorf("statistics of host %s: %w", a.cfg.Name, err)
	}
	h.Name = a.cfg.Name
	a.usage.rate("", "", &h.Usage)
	return h, nil
}

// running returns the containers of a capsule that run, by name; the sandbox's is empty.
func (o *observer) running(uuid string) map[string]runtime.Container {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string]runtime.Container{}
	for _, c := range o.seen[uuid] {
		if newest, ok := out[c.Identity.Container]; c.State == capsule.StateRunning && c.Pid > 0 &&
			(!ok || newest.Identity.Attempt < c.Identity.Attempt) {
			out[c.Identity.Container] = c.Container
		}
	}
	return out
}

// usage remembers readings, by capsule: rates are made of two of them, and CPU time that was used stays used.
type usage struct {
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

func newUsage() *usage { return &usage{of: map[string]map[string]*reading{}, end: map[string]uint64{}} }

// rate sets the rate of a new reading.
func (s *usage) rate(uuid, id string, u *capsule.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[uuid] == nil {
		s.of[uuid] = map[string]*reading{}
	}
	r := s.of[uuid][id]
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
func (s *usage) spent(uuid string, alive map[string]bool) uint64 {
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

// forget drops a capsule that is gone.
func (s *usage) forget(uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, uuid)
	delete(s.end, uuid)
}
