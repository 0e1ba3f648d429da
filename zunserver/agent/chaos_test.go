package agent_test

import (
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

var seed = flag.Uint64("seed", 0, "seed of the chaos test; 0 takes one from the clock")

// TestChaosConverges does everything that can happen to a host, in random order, and then waits: every capsule that was
// not deleted runs, every other one is gone, nothing else is on the host, and no container was ever started twice or
// lived twice (the fake host watches that by itself).
func TestChaosConverges(t *testing.T) {
	t.Parallel()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (repeat with -seed)", s)
	random := rand.New(rand.NewPCG(s, s))
	w := newWorld(t)
	var mu sync.Mutex
	faults := rand.New(rand.NewPCG(s, 1))
	chance := func(percent int) bool {
		mu.Lock()
		defer mu.Unlock()
		return faults.IntN(100) < percent
	}
	w.host.SetFault(func(op, _ string) error {
		if op != "events" && chance(5) {
			return errors.New("the engine hiccups")
		}
		return nil
	})
	w.host.SetLostAnswer(func(op, _ string) error {
		if op == "create" || op == "start" || op == "remove" {
			if chance(5) {
				return errors.New("the answer was lost")
			}
		}
		return nil
	})
	alive, deleted := map[string]bool{}, map[string]bool{}
	crashed := map[string]bool{}
	pick := func() string {
		for uuid := range alive {
			return uuid
		}
		return ""
	}
	for range 80 {
		switch n := random.IntN(100); {
		case n < 35:
			alive[w.create(nil).UUID] = true
		case n < 55:
			if uuid := pick(); uuid != "" {
				w.delete(uuid, int64(random.IntN(2)))
				delete(alive, uuid)
				deleted[uuid] = true
			}
		case n < 70:
			if on := w.host.Containers(); len(on) > 0 {
				c := on[random.IntN(len(on))]
				if crashed[c.Identity.Capsule] {
					break // a second crash would wait for its back-off
				}
				byHand := random.IntN(2) > 0
				if byHand && !w.recorded(c.Identity.Capsule, c.ID) {
					break // should the agent end in this moment too, no trace would be left that it ran
				}
				crashed[c.Identity.Capsule] = true
				if byHand {
					w.host.RemoveByHand(c.ID)
				} else {
					w.host.Crash(c.ID, 1)
				}
			}
		case n < 80:
			w.host.Partition(true)
			time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
			w.host.Partition(false)
		case n < 90:
			w.stopAgent()
			w.startAgent()
		default:
			time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
		}
	}
	w.host.SetFault(nil)
	w.host.SetLostAnswer(nil)
	for uuid := range deleted {
		w.await(uuid, "gone", gone)
	}
	for uuid := range alive {
		w.await(uuid, "running", running)
	}
	w.settle(alive)
}

// recorded says whether the store knows that the container was started.
func (w *world) recorded(uuid, id string) bool {
	c, err := w.store.Capsule(w.t.Context(), uuid)
	if err != nil {
		return false
	}
	if s := c.Facts.Sandbox; s.ID == id {
		return !s.StartedAt.IsZero()
	}
	return slices.ContainsFunc(c.Facts.Containers, func(f capsule.ContainerFacts) bool {
		return f.Run != nil && f.Run.ID == id && !f.Run.StartedAt.IsZero()
	})
}

// settle waits until nothing but the capsules given is on the host.
func (w *world) settle(alive map[string]bool) {
	w.t.Helper()
	var stray string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		stray = ""
		for _, c := range w.host.Containers() {
			if !alive[c.Identity.Capsule] || c.State == capsule.StateCreated {
				stray = c.Name + " " + string(c.State)
			}
		}
		if stray == "" {
			return
		}
	}
	w.t.Errorf("left on the host: %s", stray)
}
