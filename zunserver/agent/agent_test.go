package agent_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

func TestUpAndDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.create(func(s *capsule.Spec) {
		second := s.Containers[0]
		second.Name = "side"
		s.Containers = append(s.Containers, second)
	})
	c = w.await(c.UUID, "running", running)
	if got := c.Facts.Sandbox.Addresses; len(got) == 0 {
		t.Error("a running capsule has no address")
	}
	w.delete(c.UUID, 5)
	var last *capsule.Capsule
	w.await(c.UUID, "gone", func(c *capsule.Capsule) bool {
		if c != nil {
			last = c
		}
		return c == nil
	})
	if last.Facts.StoppedAt.IsZero() || last.Facts.Containers[0].Run.State() != capsule.StateExited {
		t.Errorf("the record went before its last facts were written: %s", facts(last))
	}
	w.empty()
}

func TestInitContainersRunInOrderBeforeTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.AddImage("init", fake.Behaviour{Exits: true, After: 20 * time.Millisecond})
	c := w.create(func(s *capsule.Spec) {
		for _, n := range []string{"first", "second"} {
			init := s.Containers[0]
			init.Name, init.Image = n, "init"
			s.InitContainers = append(s.InitContainers, init)
		}
	})
	c = w.await(c.UUID, "running", running)
	f := func(n string) *capsule.Run { return c.Facts.Container(n).Run }
	if !f("first").FinishedAt.Before(f("second").StartedAt) || !f("second").FinishedAt.Before(f("app").StartedAt) {
		t.Errorf("out of order: %s", facts(c))
	}
}

func TestRestartPolicy(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		policy capsule.RestartPolicy
		code   int
		again  bool
	}{
		{capsule.RestartAlways, 0, true},
		{capsule.RestartAlways, 3, true},
		{capsule.RestartOnFailure, 0, false},
		{capsule.RestartOnFailure, 3, true},
		{capsule.RestartNever, 0, false},
		{capsule.RestartNever, 3, false},
	} {
		t.Run(fmt.Sprint(row.policy, row.code), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.host.AddImage("exits", fake.Behaviour{Exits: true, Code: row.code})
			c := w.create(func(s *capsule.Spec) { s.RestartPolicy, s.Containers[0].Image = row.policy, "exits" })
			if row.again {
				// The first restart is immediate, the second waits ten seconds.
				c = w.await(c.UUID, "the second attempt ended", func(c *capsule.Capsule) bool {
					cf := c.Facts.Container("app")
					return cf != nil && cf.Last != nil && cf.Run.State() == capsule.StateExited
				})
				if cf := c.Facts.Container("app"); cf.BackOffSeconds != 10 || cf.Last.ExitCode != row.code {
					t.Errorf("back-off and last state: %s", facts(c))
				}
				return
			}
			w.await(c.UUID, "ended, sandbox gone", func(c *capsule.Capsule) bool {
				cf := c.Facts.Container("app")
				return cf != nil && cf.Run.State() == capsule.StateExited && !c.Facts.Sandbox.Ready
			})
		})
	}
}

func TestCommandNotFoundIsARunThatEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.AddImage("bad", fake.Behaviour{StartError: `exec: "nope": executable file not found in $PATH`})
	c := w.create(func(s *capsule.Spec) { s.RestartPolicy, s.Containers[0].Image = capsule.RestartNever, "bad" })
	c = w.await(c.UUID, "ended", func(c *capsule.Capsule) bool {
		cf := c.Facts.Container("app")
		return cf != nil && cf.Run.State() == capsule.StateExited
	})
	if r := c.Facts.Container("app").Run; r.ExitCode != 127 || r.Error == "" {
		t.Errorf("run: %+v", r)
	}
}

func TestPullFailsUntilTheImageIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.create(func(s *capsule.Spec) { s.Containers[0].Image = "later" })
	c = w.await(c.UUID, "pull failed", func(c *capsule.Capsule) bool {
		cf := c.Facts.Container("app")
		return cf != nil && cf.Failure != nil && cf.Failure.Kind == capsule.FailedPull
	})
	if f := c.Facts.Container("app").Failure; f.Count != 1 || f.RetryAt.Sub(f.At) != 10*time.Second {
		t.Errorf("failure: %+v", f)
	}
	w.await(c.UUID, "backing off", func(c *capsule.Capsule) bool { return c.Facts.Container("app").Failure.BackingOff })
	w.host.AddImage("later", fake.Behaviour{})
	w.await(c.UUID, "running", running)
}

func TestDeleteWhileItIsBeingMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.SetDelay(func(op, _ string) time.Duration {
		if op == "pull" || op == "create" || op == "start" {
			return 50 * time.Millisecond
		}
		return 0
	})
	for i := range 12 {
		c := w.create(nil)
		time.Sleep(time.Duration(i) * 20 * time.Millisecond) // every moment of its making is a moment to go
		w.delete(c.UUID, 1)
		w.await(c.UUID, "gone", gone)
	}
	w.empty()
}

func TestSandboxDeathRebuildsTheCapsule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.create(nil)
	c = w.await(c.UUID, "running", running)
	first := c.Facts.Sandbox.ID
	w.host.Crash(first, 137)
	c = w.await(c.UUID, "running in another sandbox", func(c *capsule.Capsule) bool {
		return running(c) && c.Facts.Sandbox.ID != first
	})
	if c.Facts.Sandbox.Attempt != 1 || c.Facts.Container("app").Run.Attempt != 1 {
		t.Errorf("attempts: %s", facts(c))
	}
}

func TestEngineRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.create(nil)
	c = w.await(c.UUID, "running", running)
	w.host.Partition(true)
	w.host.Reboot()
	w.host.Partition(false)
	w.await(c.UUID, "running again", func(c *capsule.Capsule) bool { return running(c) && c.Facts.Sandbox.Attempt == 1 })
}

func TestPartitionChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.create(nil)
	before := w.await(c.UUID, "running", running)
	w.host.Partition(true)
	time.Sleep(300 * time.Millisecond) // long enough for many pings to fail
	w.host.Partition(false)
	second := w.create(nil)
	w.await(second.UUID, "running", running)
	after := w.await(c.UUID, "still running", running)
	if after.Revision != before.Revision {
		t.Errorf("facts changed in a partition: %s", facts(after))
	}
}

func TestRestartOfTheServerAdopts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.create(nil)
	before := w.await(c.UUID, "running", running)
	w.stopAgent()
	w.startAgent()
	other := w.create(nil)
	w.await(other.UUID, "running", running)
	after := w.await(c.UUID, "running", running)
	if after.Facts.Container("app").Run.ID != before.Facts.Container("app").Run.ID {
		t.Error("a container was started again")
	}
}

func TestRemovedByHandUnderNeverIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.create(func(s *capsule.Spec) { s.RestartPolicy = capsule.RestartNever })
	c = w.await(c.UUID, "running", running)
	w.host.RemoveByHand(c.Facts.Container("app").Run.ID)
	c = w.await(c.UUID, "ended", func(c *capsule.Capsule) bool {
		return c.Facts.Container("app").Run.State() == capsule.StateExited
	})
	if r := c.Facts.Container("app").Run; !r.Lost || r.ExitCode != 137 {
		t.Errorf("run: %+v", r)
	}
}

func TestSweepRemovesWhatTheStoreDoesNotKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, err := w.host.Create(t.Context(), runtime.ContainerConfig{
		Name: "dangling", Image: "app", Identity: runtime.Identity{Instance: "test", Capsule: "11111111-1111-4111-8111-111111111111"},
	})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := w.host.Inspect(t.Context(), id); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the dangling container is still there")
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.empty()
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, zero := int64(1), int64(0)
	c := w.create(func(s *capsule.Spec) { s.ActiveDeadlineSeconds, s.TerminationGracePeriodSeconds = &one, &zero })
	c = w.await(c.UUID, "ended by its deadline", func(c *capsule.Capsule) bool {
		return c.Facts.End != nil && c.Facts.Container("app").Run.State() == capsule.StateExited
	})
	if c.Facts.End.Reason != "DeadlineExceeded" {
		t.Errorf("end: %+v", c.Facts.End)
	}
}

func TestFaultsOfTheEngineAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"create", "start", "inspect", "stop", "remove", "list"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var left atomic.Int32
			left.Store(2)
			w.host.SetFault(func(o, _ string) error {
				if o == op && left.Add(-1) >= 0 {
					return errors.New("the engine hiccups")
				}
				return nil
			})
			c := w.create(nil)
			w.await(c.UUID, "running", running)
			left.Store(2)
			w.delete(c.UUID, 1)
			w.await(c.UUID, "gone", gone)
			w.empty()
		})
	}
}
