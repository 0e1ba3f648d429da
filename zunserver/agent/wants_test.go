package agent_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// TestWantsConverge asks for random things in random order while the engine hiccups, processes die and the agent is replaced by
// a new one, and then waits: every container is what its owner asked for last.
func TestWantsConverge(t *testing.T) {
	t.Parallel()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (repeat with -seed)", s)
	random := rand.New(rand.NewPCG(s, s))
	w := newWorld(t)
	w.patience = time.Minute // a pull that failed is tried again after ten seconds
	var mu sync.Mutex
	faults := rand.New(rand.NewPCG(s, 1))
	hiccup := func(op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if op != "events" && faults.IntN(100) < 4 {
			return errors.New("the engine hiccups")
		}
		return nil
	}
	w.host.SetFault(hiccup)
	w.host.SetLostAnswer(hiccup)
	var all []string
	for range 3 {
		all = append(all, w.container(func(c *capsule.Capsule) {
			c.Standalone[0].RestartPolicy, c.Standalone[0].AutoHeal = "always", true
		}).UUID)
	}
	for range 60 {
		uuid := all[random.IntN(len(all))]
		switch n := random.IntN(100); {
		case n < 20:
			w.ask(uuid, start)
		case n < 35:
			w.ask(uuid, wish(capsule.WantStopped))
		case n < 45:
			w.ask(uuid, wish(capsule.WantPaused))
		case n < 55:
			w.ask(uuid, wish(capsule.WantRunning))
		case n < 62:
			w.ask(uuid, rebuild)
		case n < 65:
			w.ask(uuid, func(_ *capsule.Spec, s *capsule.Standalone) { s.Want.NoRestart = true })
		case n < 75:
			if on := w.host.Containers(); len(on) > 0 {
				w.host.Crash(on[random.IntN(len(on))].ID, random.IntN(2))
			}
		case n < 80:
			w.host.Reboot()
		case n < 90:
			w.stopAgent()
			w.startAgent()
		default:
			time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond)
		}
	}
	w.host.SetFault(nil)
	w.host.SetLostAnswer(nil)
	left := 0
	for _, uuid := range all {
		c := w.await(uuid, "what its owner wants", satisfied)
		if left++; run(c) == nil {
			continue
		}
		if left++; !w.onHost(run(c).ID) {
			t.Errorf("%s is not on the host", run(c).ID)
		}
	}
	w.soon("nothing else is left", func() bool { return len(w.host.Containers()) == left })
}

// satisfied says whether the facts are what is wanted.
func satisfied(c *capsule.Capsule) bool {
	r, want := run(c), c.Standalone[0].Want
	if !c.Facts.Sandbox.Ready || r == nil {
		return c.Facts.Sandbox.Ready && want.State == capsule.WantStopped // before it was made
	}
	switch live := r.State() == capsule.StateRunning; want.State {
	case capsule.WantRunning, capsule.WantPaused:
		if want.NoRestart && !live && !r.Lost { // its owner had it end
			return r.Starts == want.Starts
		}
		return live && r.Starts == want.Starts && r.Made >= want.Rebuild && r.Paused == (want.State == capsule.WantPaused)
	default:
		return !live && !r.Lost
	}
}

func (w *world) onHost(id string) bool {
	return slices.ContainsFunc(w.host.Containers(), func(c runtime.Container) bool { return c.ID == id })
}
