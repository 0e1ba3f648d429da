package agent_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// container makes a container of the container API that lives on the host.
func (w *world) container(edit func(*capsule.Capsule)) *capsule.Capsule {
	w.t.Helper()
	c := &capsule.Capsule{
		UUID: uuid.NewString(), Kind: capsule.KindContainer, Project: "p", CreatedAt: time.Now(),
		Spec: capsule.Spec{
			Name: "web", RestartPolicy: capsule.RestartNever,
			Containers: []capsule.ContainerSpec{{Name: "app", Image: "app", ImagePullPolicy: corev1.PullIfNotPresent}},
		},
		Standalone: []capsule.Standalone{{Container: "app", Name: "web", Want: capsule.Want{State: capsule.WantRunning, Starts: 1, At: time.Now()}}},
	}
	if edit != nil {
		edit(c)
	}
	c, err := w.store.CreateCapsule(w.t.Context(), c)
	if err == nil {
		c, err = w.store.ClaimCapsule(w.t.Context(), c.UUID, capsule.Claim{Host: hostName, At: time.Now()})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// ask changes what the owner of a container wants, as the API does.
func (w *world) ask(uuid string, edit func(*capsule.Spec, *capsule.Standalone)) {
	w.t.Helper()
	_, err := w.store.UpdateStandalone(w.t.Context(), uuid, func(s *capsule.Spec, all *[]capsule.Standalone) error {
		(*all)[0].Want.At = time.Now()
		edit(s, &(*all)[0])
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func start(_ *capsule.Spec, s *capsule.Standalone) { s.Want.Start() }

func rebuild(spec *capsule.Spec, s *capsule.Standalone) {
	start(spec, s)
	s.Want.Rebuild = s.Want.Starts
}

func wish(state capsule.WantedState) func(*capsule.Spec, *capsule.Standalone) {
	return func(_ *capsule.Spec, s *capsule.Standalone) { s.Want.State = state }
}

func run(c *capsule.Capsule) *capsule.Run {
	if c == nil || c.Facts.Container("app") == nil {
		return nil
	}
	return c.Facts.Container("app").Run
}

// is says whether the status is the one given and nothing is being done.
func is(status string) func(*capsule.Capsule) bool {
	return func(c *capsule.Capsule) bool { return c != nil && c.Status() == status && c.TaskState() == "" }
}

func (w *world) file(id string) string {
	content, _, err := w.host.CopyFrom(w.t.Context(), id, "/note")
	if err != nil {
		return err.Error()
	}
	b, err := io.ReadAll(content)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func TestOwnerOfAContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.container(func(c *capsule.Capsule) { c.Standalone[0].Want = capsule.Want{State: capsule.WantCreated} })
	c = w.await(c.UUID, "created", is("Created"))
	id := run(c).ID
	w.host.WriteFile(id, "/note", []byte("kept"))

	w.ask(c.UUID, start)
	c = w.await(c.UUID, "running", is("Running"))
	w.ask(c.UUID, wish(capsule.WantPaused))
	w.await(c.UUID, "paused", is("Paused"))
	w.ask(c.UUID, wish(capsule.WantRunning))
	w.await(c.UUID, "running again", is("Running"))
	w.ask(c.UUID, wish(capsule.WantStopped))
	w.await(c.UUID, "stopped", is("Stopped"))
	w.ask(c.UUID, start)
	c = w.await(c.UUID, "started again", is("Running"))
	w.ask(c.UUID, start)
	c = w.await(c.UUID, "rebooted", func(c *capsule.Capsule) bool { return is("Running")(c) && run(c).Starts == 3 })
	if run(c).ID != id || !strings.Contains(w.file(id), "kept") {
		t.Errorf("it is another container: %s, %q", facts(c), w.file(id))
	}
	w.ask(c.UUID, rebuild)
	c = w.await(c.UUID, "rebuilt", func(c *capsule.Capsule) bool { return is("Running")(c) && run(c).Starts == 4 })
	if run(c).ID == id || strings.Contains(w.file(run(c).ID), "kept") {
		t.Errorf("it is the same container: %s", facts(c))
	}
	w.delete(c.UUID, 1)
	w.await(c.UUID, "gone", gone)
	w.empty()
}

// What the engine refuses to start is an error, and is not tried again until its owner, or the policy, says so.
func TestRefusedStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const refused = "exec: no such file"
	w.host.AddImage("wrong", fake.Behaviour{StartError: refused})
	never := w.container(func(c *capsule.Capsule) {
		c.Spec.Containers[0].Image = "wrong"
		c.Standalone[0].Want = capsule.Want{State: capsule.WantCreated}
	})
	w.await(never.UUID, "created", is("Created"))
	w.ask(never.UUID, start)
	never = w.await(never.UUID, "error", is("Error"))
	if r := run(never); r.Starts != 1 || !strings.Contains(never.StatusReason(), refused) {
		t.Errorf("%q, %s", never.StatusReason(), facts(never))
	}

	later := w.container(nil)
	later = w.await(later.UUID, "running", is("Running"))
	name, id := "", run(later).ID
	for _, c := range w.host.Containers() {
		if c.ID == id {
			name = c.Name
		}
	}
	w.ask(later.UUID, wish(capsule.WantStopped))
	w.await(later.UUID, "stopped", is("Stopped"))
	var tries atomic.Int32
	w.host.SetFault(func(op, target string) error {
		if op == "restart" && (target == id || target == name) {
			tries.Add(1)
			return errors.New(refused)
		}
		return nil
	})
	for n := int32(1); n <= 2; n++ { // each start that is asked for has its own answer
		w.ask(later.UUID, start)
		later = w.await(later.UUID, "error", func(c *capsule.Capsule) bool { return is("Error")(c) && run(c).Starts == int64(n)+1 })
		if tries.Load() != n || run(later).ExitCode != 128 || !strings.Contains(later.StatusReason(), refused) {
			t.Errorf("%d tries, %q, %s", tries.Load(), later.StatusReason(), facts(later))
		}
	}
	w.ask(later.UUID, func(_ *capsule.Spec, s *capsule.Standalone) { s.RestartPolicy, s.MaximumRetryCount = "on-failure", 1 })
	w.await(later.UUID, "the policy's one restart", func(c *capsule.Capsule) bool { return is("Error")(c) && run(c).Restarts == 1 })
	w.host.SetFault(nil)
	w.ask(later.UUID, start)
	later = w.await(later.UUID, "running again", is("Running"))
	if r := run(later); r.ID != id || r.Error != "" || r.Restarts != 0 || later.StatusReason() != "" {
		t.Errorf("%q, %s", later.StatusReason(), facts(later))
	}
}

// A rebuild with an image that does not come leaves what runs alone.
func TestRebuildThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.container(nil)
	c = w.await(c.UUID, "running", is("Running"))
	id := run(c).ID
	w.ask(c.UUID, func(spec *capsule.Spec, s *capsule.Standalone) { rebuild(spec, s); spec.Containers[0].Image = "typo" })
	c = w.await(c.UUID, "error", func(c *capsule.Capsule) bool { return c.Status() == "Error" })
	if run(c).ID != id || run(c).State() != capsule.StateRunning || !strings.Contains(c.StatusReason(), "typo") {
		t.Errorf("%q, %s", c.StatusReason(), facts(c))
	}
	w.host.AddImage("right", fake.Behaviour{})
	w.ask(c.UUID, func(spec *capsule.Spec, s *capsule.Standalone) { rebuild(spec, s); spec.Containers[0].Image = "right" })
	w.await(c.UUID, "rebuilt", func(c *capsule.Capsule) bool { return is("Running")(c) && run(c).Image == "right" })
}

func TestRestartPolicyOfStandalone(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		policy   string
		most     int
		code     int
		restarts int
	}{{"no", 0, 1, 0}, {"on-failure", 2, 1, 2}, {"on-failure", 0, 0, 0}, {"", 0, 1, 0}} {
		w := newWorld(t)
		w.host.AddImage("exits", fake.Behaviour{Exits: true, Code: row.code})
		c := w.container(func(c *capsule.Capsule) {
			c.Spec.Containers[0].Image = "exits"
			c.Standalone[0].RestartPolicy, c.Standalone[0].MaximumRetryCount = row.policy, row.most
		})
		c = w.await(c.UUID, "stopped", is("Stopped"))
		if run(c).Restarts != row.restarts || w.starts("app") != row.restarts+1 || !c.Facts.Sandbox.Ready {
			t.Errorf("%+v: %d starts, %s", row, w.starts("app"), facts(c))
		}
	}
}

// starts is how often containers of the name in the spec were started.
func (w *world) starts(name string) int {
	n := 0
	for full, count := range w.host.StartCounts() {
		if strings.HasPrefix(full, "capsulet_"+name+"_") {
			n += count
		}
	}
	return n
}

func TestAutoRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host.AddImage("exits", fake.Behaviour{Exits: true, After: 30 * time.Millisecond, Code: 1})
	c := w.container(func(c *capsule.Capsule) { c.Spec.Containers[0].Image, c.Standalone[0].AutoRemove = "exits", true })
	w.await(c.UUID, "gone", gone)
	w.empty()
	// In a sandbox it goes alone.
	c = w.container(func(c *capsule.Capsule) {
		c.Kind, c.Spec.Containers[0].Image, c.Standalone[0].AutoRemove = capsule.KindSandbox, "exits", true
	})
	w.await(c.UUID, "the sandbox is empty", func(c *capsule.Capsule) bool {
		return len(c.Spec.Containers) == 0 && len(c.Standalone) == 0 && len(c.Facts.Containers) == 0 && is("Running")(c)
	})
	w.soon("the container is removed", func() bool { return len(w.host.Containers()) == 1 })
}

func TestVanished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	left := w.container(nil)
	healed := w.container(func(c *capsule.Capsule) { c.Standalone[0].AutoHeal = true })
	for _, c := range []*capsule.Capsule{left, healed} {
		c = w.await(c.UUID, "running", is("Running"))
		w.host.RemoveByHand(run(c).ID)
	}
	c := w.await(left.UUID, "error", is("Error"))
	if c.StatusReason() == "" {
		t.Error("nobody knows why")
	}
	w.await(healed.UUID, "healed", func(c *capsule.Capsule) bool { return is("Running")(c) && run(c).Attempt == 1 })
	w.ask(left.UUID, start)
	w.await(left.UUID, "made again", is("Running"))
}

// After the host was rebooted, the policy says what comes back, in place.
func TestRebootOfTheHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	always := w.container(func(c *capsule.Capsule) { c.Standalone[0].RestartPolicy = "unless-stopped" })
	once := w.container(nil)
	stopped := w.container(func(c *capsule.Capsule) { c.Standalone[0].RestartPolicy = "unless-stopped" })
	before := w.await(always.UUID, "running", is("Running"))
	w.await(once.UUID, "running", is("Running"))
	w.await(stopped.UUID, "running", is("Running"))
	w.ask(stopped.UUID, wish(capsule.WantStopped))
	w.await(stopped.UUID, "stopped", is("Stopped"))
	w.stopAgent()
	w.host.Reboot()
	w.startAgent()
	after := w.await(always.UUID, "running again", func(c *capsule.Capsule) bool {
		return is("Running")(c) && !run(c).StartedAt.Equal(run(before).StartedAt)
	})
	if run(after).ID != run(before).ID || after.Facts.Sandbox.ID != before.Facts.Sandbox.ID || !after.Facts.Sandbox.Ready {
		t.Errorf("not in place: %s", facts(after))
	}
	for _, c := range []*capsule.Capsule{once, stopped} {
		w.await(c.UUID, "stopped, its sandbox up", func(c *capsule.Capsule) bool { return is("Stopped")(c) && c.Facts.Sandbox.Ready })
	}
	w.ask(once.UUID, start)
	w.await(once.UUID, "started", is("Running"))
}

func TestStandaloneSandbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.container(func(c *capsule.Capsule) { c.Kind, c.Spec.Containers, c.Standalone = capsule.KindSandbox, nil, nil })
	w.await(c.UUID, "up", is("Running"))
	put := func(names ...string) {
		if _, err := w.store.UpdateStandalone(t.Context(), c.UUID, func(s *capsule.Spec, all *[]capsule.Standalone) error {
			s.Containers, *all = nil, nil
			for _, n := range names {
				s.Containers = append(s.Containers, capsule.ContainerSpec{Name: n, Image: "app", ImagePullPolicy: corev1.PullIfNotPresent})
				*all = append(*all, capsule.Standalone{Container: n, Want: capsule.Want{State: capsule.WantRunning, Starts: 1, At: time.Now()}})
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	put("app", "other")
	c = w.await(c.UUID, "both run", running)
	id := run(c).ID
	put("app")
	w.await(c.UUID, "the other's facts are gone", func(c *capsule.Capsule) bool { return len(c.Facts.Containers) == 1 })
	w.soon("the other is removed", func() bool { return len(w.host.Containers()) == 2 })
	c = w.await(c.UUID, "one runs", running)
	if run(c).ID != id {
		t.Error("the one that stayed was touched")
	}
	put()
	w.soon("all are removed", func() bool { return len(w.host.Containers()) == 1 })
	w.await(c.UUID, "up", is("Running"))
	w.delete(c.UUID, 1)
	w.await(c.UUID, "gone", gone)
	w.empty()
}

// soon waits for something that the store does not tell.
func (w *world) soon(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s; on the host: %v", what, w.host.Containers())
		}
	}
}

// The answer of the engine is lost, or the agent ends, between a start and its fact: it was one start all the same.
func TestStartWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	for op, starts := range map[string]int{"start": 1, "restart": 2} {
		w := newWorld(t)
		c := w.container(func(c *capsule.Capsule) {
			if op == "start" {
				c.Standalone[0].Want = capsule.Want{State: capsule.WantCreated}
			}
		})
		if op == "start" {
			w.await(c.UUID, "created", is("Created"))
		} else {
			w.await(c.UUID, "running", is("Running"))
			w.ask(c.UUID, wish(capsule.WantStopped))
			w.await(c.UUID, "stopped", is("Stopped"))
		}
		var lost atomic.Bool
		w.host.SetLostAnswer(func(o, _ string) error {
			if o == op || o == "inspect" && lost.Load() {
				lost.Store(true)
				return errors.New("the answer was lost")
			}
			return nil
		})
		w.ask(c.UUID, start)
		w.soon("it is asked for", lost.Load)
		w.stopAgent()
		w.host.SetLostAnswer(nil)
		w.startAgent()
		c = w.await(c.UUID, "running", func(c *capsule.Capsule) bool { return is("Running")(c) && run(c).Starts == int64(starts) })
		if w.starts("app") != starts {
			t.Errorf("%s: %d starts, %s", op, w.starts("app"), facts(c))
		}
	}
}

func TestWantsThatCollide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.container(nil)
	c = w.await(c.UUID, "running", is("Running"))
	for range 5 { // faster than anything can be done
		w.ask(c.UUID, start)
		w.ask(c.UUID, wish(capsule.WantStopped))
		w.ask(c.UUID, rebuild)
	}
	c = w.await(c.UUID, "running", func(c *capsule.Capsule) bool { return is("Running")(c) && run(c).Starts == 11 && run(c).Made == 11 })
	w.soon("nothing else is there", func() bool { return len(w.host.Containers()) == 2 })
	if !slices.ContainsFunc(w.host.Running(), func(n string) bool { return strings.HasPrefix(n, "capsulet_app_") }) {
		t.Errorf("running: %v", w.host.Running())
	}
}
