package world

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// untouched demands that the pod's container is the one it was.
func (w *world) untouched(uid types.UID, before []string) {
	w.t.Helper()
	if after := w.containersOf(uid); !slices.Equal(before, after) {
		w.t.Errorf("containers %v, then %v", before, after)
	}
}

func TestDeletionWritesTheEndFirst(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		behaviour fake.Behaviour
		grace     []int64
		code      int32
		phase     corev1.PodPhase
		least     time.Duration
	}{
		{"it stops gently", fake.Behaviour{StopAfter: 300 * time.Millisecond}, nil, 0, corev1.PodSucceeded, 300 * time.Millisecond},
		{"it stops with an error", fake.Behaviour{StopCode: 143}, nil, 143, corev1.PodFailed, 0},
		{"it does not hear", fake.Behaviour{IgnoreTERM: true}, []int64{1}, 137, corev1.PodFailed, time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.image("ends", row.behaviour)
			uid := w.create("web", image("ends"))
			w.await(uid, "ready", ready)
			began := time.Now()
			w.delete("web", row.grace...)
			last := w.awaitGone(uid)
			if took := time.Since(began); took < row.least || took > row.least+20*time.Second {
				t.Errorf("it took %v", took)
			}
			end := app(last).State.Terminated
			if last.Status.Phase != row.phase || end == nil || end.ExitCode != row.code {
				t.Errorf("the last state was %s, %+v", last.Status.Phase, app(last).State)
			}
			if ids := w.containersOf(uid); len(ids) > 0 {
				t.Errorf("the object went before the containers: %v", ids)
			}
		})
	}
}

func TestGraceMayBeShortened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("deaf", fake.Behaviour{IgnoreTERM: true})
	uid := w.create("web", image("deaf"))
	w.await(uid, "ready", ready)
	w.delete("web", 600)
	w.event(uid, "Killing")
	w.delete("web", 1)
	if end := app(w.awaitGone(uid)).State.Terminated; end == nil || end.ExitCode != 137 {
		t.Errorf("end: %+v", end)
	}
}

func TestDeletionAtEveryMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("setup", fake.Behaviour{Exits: true, After: 50 * time.Millisecond})
	w.host().SetDelay(func(op, _ string) time.Duration {
		if op == "create" || op == "start" {
			return 20 * time.Millisecond
		}
		return 0
	})
	for n := range 10 {
		uid := w.create("web", func(p *corev1.Pod) { p.Spec.InitContainers = []corev1.Container{container("setup", "setup")} })
		time.Sleep(time.Duration(n) * 25 * time.Millisecond) // each moment of its making is a moment to go
		w.delete("web")
		last := w.awaitGone(uid)
		if ended := phase(corev1.PodFailed)(last) || phase(corev1.PodSucceeded)(last); w.wasTakenUp(uid) && !ended {
			t.Errorf("deleted after %d ms it ended as %s", n*25, last.Status.Phase)
		}
		w.awaitNoContainers(uid)
	}
}

// wasTakenUp says whether the API was ever told of the pod's containers: one that goes before has no end to tell of.
func (w *world) wasTakenUp(uid types.UID) bool {
	states, _ := w.api.history(uid)
	return slices.ContainsFunc(states, func(p *corev1.Pod) bool { return len(p.Status.ContainerStatuses) > 0 })
}

func TestRecreateUnderOneName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("slow", fake.Behaviour{StopAfter: 500 * time.Millisecond})
	first := w.create("web", image("slow"))
	w.await(first, "ready", ready)
	w.delete("web")
	w.awaitGone(first)
	second := w.create("web", image("slow"))
	w.await(second, "ready", ready)
	w.delete("web", 0) // by force: the object goes at once, the containers later
	third := w.create("web", nil)
	p := w.await(third, "ready", ready)
	if app(p).RestartCount != 0 {
		t.Errorf("container: %+v", app(p))
	}
	before := w.containersOf(third)
	w.awaitNoContainers(second)
	w.untouched(third, before)
	if p, gone := w.api.history(third); gone || p[len(p)-1].DeletionTimestamp != nil {
		t.Error("the third pod was deleted with the second")
	}
}

func TestServerDownAndUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stays, goes, crashes := w.create("stays", nil), w.create("goes", nil), w.create("crashes", nil)
	for _, uid := range []types.UID{stays, goes, crashes} {
		w.await(uid, "ready", ready)
	}
	before := w.containersOf(stays)
	w.stopServer()
	w.delete("goes", 5)
	late := w.create("late", nil)
	if !w.host().Crash(w.containersOf(crashes)[0], 7) {
		t.Fatal("nothing to crash")
	}
	if !slices.Equal(before, w.containersOf(stays)) || len(w.host().Running()) != 5 {
		t.Errorf("the end of the server changed the containers: %v", w.host().Running())
	}
	w.startServer()
	w.await(late, "ready", ready)
	p := w.await(crashes, "restarted", func(p *corev1.Pod) bool { return app(p).RestartCount == 1 && ready(p) })
	if end := app(p).LastTerminationState.Terminated; end == nil || end.ExitCode != 7 {
		t.Errorf("last state: %+v", end)
	}
	w.awaitGone(goes)
	w.untouched(stays, before)
	if p := w.await(stays, "ready", ready); app(p).RestartCount != 0 {
		t.Errorf("container: %+v", app(p))
	}
}

func TestServerRestartsAtRandomMoments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []types.UID
	for n := range 4 {
		all = append(all, w.create(fmt.Sprint("web-", n), nil))
		w.stopServer()
		w.startServer()
	}
	for _, uid := range all {
		if p := w.await(uid, "ready", ready); app(p).RestartCount != 0 {
			t.Errorf("container: %+v", app(p))
		}
	}
	for n := range all {
		w.delete(fmt.Sprint("web-", n), 1)
		w.stopServer()
		w.startServer()
	}
	for _, uid := range all {
		w.awaitGone(uid)
	}
}

func TestNodeRestartAdopts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stays, goes, crashes := w.create("stays", nil), w.create("goes", nil), w.create("crashes", nil)
	for _, uid := range []types.UID{stays, goes, crashes} {
		w.await(uid, "ready", ready)
	}
	before := w.containersOf(stays)
	w.stopNode()
	w.delete("goes", 5)
	forced := w.create("forced", nil)
	w.delete("forced", 0) // never seen by any node
	late := w.create("late", nil)
	w.host().Crash(w.containersOf(crashes)[0], 7)
	w.startNode()
	w.await(late, "ready", ready)
	w.await(crashes, "restarted", func(p *corev1.Pod) bool { return app(p).RestartCount == 1 && ready(p) })
	w.awaitGone(goes)
	w.untouched(stays, before)
	if ids := w.containersOf(forced); len(ids) > 0 {
		t.Errorf("a pod that is gone has containers: %v", ids)
	}
}

func TestPodForcedAwayWhileTheNodeIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.create("web", nil)
	w.await(old, "ready", ready)
	w.stopNode()
	w.delete("web", 0)
	now := w.create("web", nil)
	w.startNode()
	w.await(now, "ready", ready)
	w.awaitNoContainers(old)
}

// awaitNoContainers waits until the containers of a pod that is gone have gone too.
func (w *world) awaitNoContainers(uid types.UID) {
	w.t.Helper()
	for end := time.Now().Add(patience); len(w.containersOf(uid)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("containers of a pod that is gone:\n%s", w.describe(uid))
		}
	}
}

// awaitNothingRuns waits until the sandbox of a pod that has ended is stopped, which is after its phase says so.
func (w *world) awaitNothingRuns() {
	w.t.Helper()
	for end := time.Now().Add(patience); len(w.host().Running()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("still running: %v", w.host().Running())
		}
	}
}

func TestHostThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stays, crashes := w.create("stays", nil), w.create("crashes", nil)
	for _, uid := range []types.UID{stays, crashes} {
		w.await(uid, "ready", ready)
	}
	before := w.containersOf(stays)
	w.host().Partition(true)
	w.host().Crash(w.containersOf(crashes)[0], 7)
	early := w.create("early", nil) // before anybody noticed
	w.awaitHost(false)
	late := w.create("late", nil)
	w.await(late, "told that the host is down", func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodPending && strings.Contains(p.Status.Message, "down")
	})
	states, _ := w.api.history(stays)
	w.host().Partition(false)
	w.await(early, "ready", ready)
	w.await(late, "ready", ready)
	w.await(crashes, "restarted", func(p *corev1.Pod) bool { return app(p).RestartCount == 1 && ready(p) })
	w.untouched(stays, before)
	if after, _ := w.api.history(stays); len(after) != len(states) {
		t.Errorf("the status of a pod that ran on was written %d times", len(after)-len(states))
	}
}

// awaitHost waits until the server says whether its one host is up.
func (w *world) awaitHost(up bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		hosts, err := w.capsules.Hosts(w.ctx)
		if err == nil && len(hosts) == 1 && hosts[0].Up == up {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("hosts %+v, %v", hosts, err)
		}
	}
}

func TestEngineRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.create("web", nil)
	w.await(uid, "ready", ready)
	w.host().Reboot()
	p := w.await(uid, "restarted", func(p *corev1.Pod) bool { return app(p).RestartCount == 1 && ready(p) })
	if end := app(p).LastTerminationState.Terminated; end == nil || end.ExitCode != 137 {
		t.Errorf("last state: %+v", end)
	}
	w.event(uid, "SandboxChanged")
}

func TestSandboxKilledByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.create("web", nil)
	never := w.create("job", func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever })
	w.await(uid, "ready", ready)
	w.await(never, "ready", ready)
	for _, c := range w.host().Containers() {
		if c.Identity.Sandbox() {
			w.host().Crash(c.ID, 137)
		}
	}
	w.await(uid, "restarted", func(p *corev1.Pod) bool { return app(p).RestartCount == 1 && ready(p) })
	w.await(never, "Failed", phase(corev1.PodFailed))
}

func TestBurst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const pods = 50
	began := time.Now()
	var all []types.UID
	for n := range pods {
		all = append(all, w.create(fmt.Sprint("web-", n), nil))
	}
	for _, uid := range all {
		w.await(uid, "ready", ready)
	}
	t.Logf("%d pods ready after %v", pods, time.Since(began))
	if n := len(w.host().Running()); n != 2*pods {
		t.Errorf("%d containers run", n)
	}
	began = time.Now()
	for n := range pods {
		w.delete(fmt.Sprint("web-", n))
	}
	for _, uid := range all {
		w.awaitGone(uid)
	}
	t.Logf("%d pods gone after %v", pods, time.Since(began))
}

func TestEngineThatHiccups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fails := map[string]int{"create": 2, "start": 2, "remove": 2, "stop": 1}
	var calls = make(chan struct{}, 1) // guards fails
	w.host().SetFault(func(op, _ string) error {
		calls <- struct{}{}
		defer func() { <-calls }()
		if fails[op]--; fails[op] >= 0 {
			return fmt.Errorf("%s: the engine hiccups", op)
		}
		return nil
	})
	uid := w.create("web", nil)
	w.await(uid, "ready", ready)
	w.delete("web", 1)
	w.awaitGone(uid)
}

func TestWhoDoesNotBelongToUsIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.host().As("another")
	id, err := other.Create(t.Context(), runtime.ContainerConfig{Name: "theirs", Image: "app",
		Identity: runtime.Identity{Instance: "another", Capsule: "11111111-1111-4111-8111-111111111111"}})
	if err != nil {
		t.Fatal(err)
	}
	uid := w.create("web", nil)
	w.await(uid, "ready", ready)
	if c, err := other.Inspect(t.Context(), id); err != nil || c.State != capsule.StateCreated {
		t.Errorf("container %+v, %v", c, err)
	}
	w.host().RemoveByHand(id)
}
