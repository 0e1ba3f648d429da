package lifecycle_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// scene is a running capsule of two containers and one finished init container; rows change it.
type scene struct {
	c      *capsule.Capsule
	seen   lifecycle.Observed
	probes map[string]lifecycle.ProbeResult
}

func good() *scene {
	s := &scene{
		c: &capsule.Capsule{UUID: "u", Spec: capsule.Spec{
			Name: "web", RestartPolicy: capsule.RestartAlways,
			InitContainers: []capsule.ContainerSpec{{Name: "init"}},
			Containers:     []capsule.ContainerSpec{{Name: "a"}, {Name: "b"}},
		}},
		seen: lifecycle.Observed{VolumesReady: true, Instances: []lifecycle.Instance{
			{ID: "s0", State: capsule.StateRunning, StartedAt: now.Add(-time.Hour), CreatedAt: now.Add(-time.Hour)},
			{
				ID: "i0", Container: "init", State: capsule.StateExited, StartedAt: now.Add(-time.Hour),
				CreatedAt: now.Add(-time.Hour), FinishedAt: now.Add(-time.Hour),
			},
			{ID: "a0", Container: "a", State: capsule.StateRunning, StartedAt: now.Add(-time.Minute), CreatedAt: now.Add(-time.Minute)},
			{ID: "b0", Container: "b", State: capsule.StateRunning, StartedAt: now.Add(-time.Minute), CreatedAt: now.Add(-time.Minute)},
		}},
		probes: map[string]lifecycle.ProbeResult{"a": {ID: "a0", Started: true, Ready: true}, "b": {ID: "b0", Started: true, Ready: true}},
	}
	s.look()
	return s
}

// look takes the observations into the facts, as the agent does before it decides.
func (s *scene) look() { s.c.Facts = lifecycle.Advance(s.c, s.seen, s.probes, now) }

func (s *scene) instance(id string) *lifecycle.Instance {
	for i := range s.seen.Instances {
		if s.seen.Instances[i].ID == id {
			return &s.seen.Instances[i]
		}
	}
	panic("no instance " + id)
}

func (s *scene) exit(id string, code int, ago time.Duration) {
	i := s.instance(id)
	i.State, i.ExitCode, i.FinishedAt = capsule.StateExited, code, now.Add(-ago)
}

func (s *scene) drop(ids ...string) {
	var left []lifecycle.Instance
	for _, i := range s.seen.Instances {
		if !strings.Contains(" "+strings.Join(ids, " ")+" ", " "+i.ID+" ") {
			left = append(left, i)
		}
	}
	s.seen.Instances = left
}

func (s *scene) delete() {
	s.c.Deletion = &capsule.Deletion{At: now, GraceSeconds: 30}
}

// a is the first container.
func (s *scene) a() *capsule.ContainerSpec { return &s.c.Spec.Containers[0] }

func fresh(s *scene) { s.seen.Instances, s.c.Facts = nil, capsule.Facts{} }

func sidecar(s *scene) {
	always := corev1.ContainerRestartPolicyAlways
	s.c.Spec.InitContainers = append(s.c.Spec.InitContainers, capsule.ContainerSpec{Name: "side", RestartPolicy: &always})
	s.seen.Instances = append(s.seen.Instances, lifecycle.Instance{
		ID: "side0", Container: "side", State: capsule.StateRunning, StartedAt: now.Add(-time.Hour), CreatedAt: now.Add(-time.Hour),
	})
	s.probes["side"] = lifecycle.ProbeResult{ID: "side0", Started: true, Ready: true}
}

// nets are what the spec asks for, in is where the sandbox is.
func (s *scene) nets(names ...string) {
	for _, n := range names {
		s.c.Spec.Nets = append(s.c.Spec.Nets, capsule.Net{Network: n})
	}
}

func (s *scene) in(names ...string) {
	for _, n := range names {
		s.instance("s0").Networks = append(s.instance("s0").Networks, capsule.Attachment{Network: n, Addresses: []string{"10.0.0.2"}})
	}
}

// sized gives container a, which has one cpu, another request.
func sized(s *scene, wants string) {
	list := func(cpu string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}
	}
	have := list("1")
	s.c.Facts.Container("a").Run.Resources = &have
	s.a().Resources = list(wants)
}

func debug(s *scene, target string) {
	s.c.Spec.EphemeralContainers = []capsule.ContainerSpec{{Name: "debug", TargetContainer: target}}
}

func TestDecide(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*scene)
		want string
		wake time.Duration // from now; 0 is never
	}{
		{"all is well", func(*scene) {}, "", 0},
		{"volumes first", func(s *scene) { fresh(s); s.seen.VolumesReady = false }, "prepare-volumes (capsule assigned to this host)", 0},
		{"files that have changed", func(s *scene) { s.seen.VolumesStale = true }, "prepare-volumes (files of a volume have changed)", 0},
		{"and that could not be written a moment ago", func(s *scene) {
			s.seen.VolumesStale = true
			s.c.Facts.Failure = lifecycle.Fail(nil, capsule.FailedVolume, "", "disk full", now)
		}, "", time.Second},
		{"then the sandbox", fresh, "create sandbox.0 (capsule has no sandbox yet)", 0},
		{"an init container is created while the sandbox starts", func(s *scene) {
			s.drop("i0", "a0", "b0")
			s.c.Facts = capsule.Facts{}
			s.instance("s0").State = capsule.StateCreated
		}, "start sandbox.0 (sandbox created)\ncreate init.0 (container has not run yet)", 0},
		{"main containers are created while the sandbox starts", func(s *scene) {
			s.c.Spec.InitContainers = nil
			s.drop("i0", "a0", "b0")
			s.c.Facts = capsule.Facts{}
			s.instance("s0").State = capsule.StateCreated
		}, "start sandbox.0 (sandbox created)\ncreate a.0 (container has not run yet)\ncreate b.0 (container has not run yet)", 0},
		{"a container that wants the address waits for it", func(s *scene) {
			s.c.Spec.InitContainers = nil
			s.drop("i0", "a0", "b0")
			s.c.Facts = capsule.Facts{}
			s.instance("s0").State = capsule.StateCreated
			s.a().Env = []capsule.EnvVar{{Name: "IP", Ref: capsule.RefCapsuleAddress}}
		}, "start sandbox.0 (sandbox created)\ncreate b.0 (container has not run yet)", 0},
		{"a sandbox joins all networks before it starts", func(s *scene) {
			s.drop("i0", "a0", "b0")
			s.c.Facts = capsule.Facts{}
			s.nets("a", "b")
			s.instance("s0").State, s.instance("s0").Networks = capsule.StateCreated, []capsule.Attachment{{Network: "a"}}
		}, "connect sandbox.0 (its networks are not those of the spec)", 0},
		{"and then starts", func(s *scene) {
			s.drop("i0", "a0", "b0")
			s.c.Facts = capsule.Facts{}
			s.nets("a", "b")
			s.instance("s0").State, s.instance("s0").Networks = capsule.StateCreated, []capsule.Attachment{{Network: "a"}, {Network: "b"}}
		}, "start sandbox.0 (sandbox created)\ncreate init.0 (container has not run yet)", 0},
		{"a network more while it runs", func(s *scene) { s.nets("bridge", "b"); s.in("bridge") },
			"connect sandbox.0 (its networks are not those of the spec)", 0},
		{"a network less while it runs", func(s *scene) { s.nets("b"); s.in("bridge", "b") },
			"connect sandbox.0 (its networks are not those of the spec)", 0},
		{"no network at all any more", func(s *scene) { s.nets("none"); s.in("bridge") },
			"connect sandbox.0 (its networks are not those of the spec)", 0},
		{"in the one that nobody named", func(s *scene) { s.in("bridge") }, "", 0},
		{"in none, as was asked", func(s *scene) { s.nets("none"); s.in("none") }, "", 0},
		{"in none, of an engine without a bridge", func(s *scene) { s.in("none") }, "", 0},
		{"a connection that failed a moment ago", func(s *scene) {
			s.nets("b")
			s.in("bridge")
			s.c.Facts.Failure = lifecycle.Fail(nil, capsule.FailedNetwork, "", "address in use", now)
		}, "", time.Second},
		{"created containers start once the sandbox runs", func(s *scene) {
			s.drop("a0", "b0")
			s.c.Facts = capsule.Facts{}
			s.seen.Instances = append(s.seen.Instances,
				lifecycle.Instance{ID: "a0", Container: "a", State: capsule.StateCreated},
				lifecycle.Instance{ID: "b0", Container: "b", State: capsule.StateCreated})
		}, "start a.0 (container created)\nstart b.0 (container created)", 0},
		{"main containers wait for the init container", func(s *scene) {
			s.drop("a0", "b0")
			s.c.Facts = capsule.Facts{}
			s.instance("i0").State, s.instance("i0").FinishedAt = capsule.StateRunning, time.Time{}
		}, "", 0},
		{"an init container that failed is tried again under Always", func(s *scene) {
			s.drop("a0", "b0")
			s.c.Facts = capsule.Facts{}
			s.exit("i0", 1, time.Second)
		}, "create init.1 (attempt 0 ended with exit code 1)", 0},
		{"an init container that failed ends a capsule under Never", func(s *scene) {
			s.c.Spec.RestartPolicy = capsule.RestartNever
			s.drop("a0", "b0")
			s.c.Facts = capsule.Facts{}
			s.exit("i0", 1, time.Second)
		}, "remove sandbox.0 (all containers have ended)", 0},
		{"the first restart is immediate", func(s *scene) { s.exit("a0", 2, 0) }, "create a.1 (attempt 0 ended with exit code 2)", 0},
		{"the next one waits", func(s *scene) {
			s.c.Facts.Container("a").BackOffSeconds = 40
			s.exit("a0", 2, 10*time.Second)
		}, "", 30 * time.Second},
		{"under OnFailure a success stays", func(s *scene) {
			s.c.Spec.RestartPolicy = capsule.RestartOnFailure
			s.exit("a0", 0, 0)
		}, "", 0},
		{"under OnFailure the end of all is the end", func(s *scene) {
			s.c.Spec.RestartPolicy = capsule.RestartOnFailure
			s.exit("a0", 0, 0)
			s.exit("b0", 0, 0)
		}, "remove sandbox.0 (all containers have ended)", 0},
		{"an unhealthy container is stopped", func(s *scene) {
			s.probes["a"] = lifecycle.ProbeResult{ID: "a0", Started: true, Unhealthy: "Liveness probe failed: no"}
		}, "stop a.0 (Liveness probe failed: no)", 0},
		{"a probe of another run says nothing", func(s *scene) {
			s.probes["a"] = lifecycle.ProbeResult{ID: "other", Unhealthy: "Liveness probe failed: no"}
		}, "", 0},
		{"a dead sandbox takes its containers with it", func(s *scene) { s.exit("s0", 137, 0) },
			"stop a.0 (the sandbox died)\nstop b.0 (the sandbox died)", 0},
		{"then it is removed", func(s *scene) {
			s.exit("s0", 137, 0)
			s.exit("a0", 137, 0)
			s.exit("b0", 137, 0)
		}, "remove sandbox.0 (the sandbox died)", 0},
		{"then there is another one", func(s *scene) {
			s.drop("s0")
			s.exit("a0", 137, 0)
			s.exit("b0", 137, 0)
		}, "create sandbox.1 (the sandbox is gone)", 0},
		{"a sandbox that went unseen is not passed off as the next one", func(s *scene) {
			s.drop("s0", "i0", "b0")
			s.c.Facts = capsule.Facts{}
			s.instance("a0").State = capsule.StateCreated
		}, "create sandbox.1 (capsule has no sandbox yet)", 0},
		{"a container that went after its start was asked for may have run", func(s *scene) {
			s.c.Facts = capsule.Facts{}
			s.seen.Tried = map[string]lifecycle.Instance{"a": *s.instance("a0")}
			s.drop("a0")
		}, "create a.1 (attempt 0 ended with exit code 137)", 0},
		{"one that is still shown has not gone", func(s *scene) {
			s.seen.Tried = map[string]lifecycle.Instance{"a": *s.instance("a0")}
		}, "", 0},
		{"a sandbox that went after its start was asked for is not made again", func(s *scene) {
			s.c.Facts = capsule.Facts{}
			s.seen.Tried = map[string]lifecycle.Instance{"": *s.instance("s0")}
			s.drop("s0", "i0", "a0", "b0")
		}, "create sandbox.1 (the sandbox is gone)", 0},
		{"in which the init container runs again", func(s *scene) {
			s.exit("a0", 137, 0)
			s.exit("b0", 137, 0)
			s.instance("s0").ID, s.instance("s0").Attempt = "s1", 1
		}, "create init.1 (the capsule has a new sandbox)", 0},
		{"under Never a dead sandbox is the end", func(s *scene) {
			s.c.Spec.RestartPolicy = capsule.RestartNever
			s.exit("s0", 137, 0)
		}, "stop a.0 (SandboxDied)\nstop b.0 (SandboxDied)", 0},
		{"a failed pull waits for its back-off", func(s *scene) {
			s.drop("a0")
			s.c.Facts.Containers = nil
			s.look()
			s.c.Facts.Container("a").Failure = lifecycle.Fail(nil, capsule.FailedPull, "", "no such image", now.Add(-4*time.Second))
		}, "", 6 * time.Second},
		{"a deletion stops everything at once", func(s *scene) { s.delete() },
			"stop a.0 (capsule deleted)\nstop b.0 (capsule deleted)", 0},
		{"sidecars go after the others", func(s *scene) { sidecar(s); s.delete() },
			"stop a.0 (capsule deleted)\nstop b.0 (capsule deleted)", 0},
		{"sidecars go when the others have", func(s *scene) {
			sidecar(s)
			s.delete()
			s.exit("a0", 143, 0)
			s.exit("b0", 143, 0)
		}, "stop side.0 (capsule deleted)", 0},
		{"containers are removed when the facts say stopped", func(s *scene) {
			s.delete()
			s.exit("a0", 143, 0)
			s.exit("b0", 143, 0)
		}, "remove init.0 (capsule deleted)\nremove a.0 (capsule deleted)\nremove b.0 (capsule deleted)", 0},
		{"then the sandbox", func(s *scene) { s.delete(); s.drop("i0", "a0", "b0") }, "remove sandbox.0 (capsule deleted)", 0},
		{"the record goes last", func(s *scene) { s.delete(); s.seen.Instances = nil },
			"remove-record (capsule deleted and nothing of it left)", 0},
		{"older attempts are removed, the last one stays for its log", func(s *scene) {
			for n, id := range []string{"a0", "a1", "a2"} {
				if n > 0 {
					s.seen.Instances = append(s.seen.Instances, *s.instance("a0"))
				}
				i := &s.seen.Instances[len(s.seen.Instances)-1]
				if n == 0 {
					i = s.instance("a0")
				}
				i.ID, i.Attempt = id, n
			}
			s.exit("a0", 1, time.Minute)
			s.exit("a1", 1, time.Minute)
		}, "remove a.0 (an older attempt)", 0},
		{"the deadline is a reason to look again", func(s *scene) {
			d := int64(100)
			s.c.Spec.ActiveDeadlineSeconds = &d
		}, "", 100 * time.Second},
		{"past the deadline it ends", func(s *scene) {
			d := int64(100)
			s.c.Spec.ActiveDeadlineSeconds = &d
			s.c.Facts.StartedAt = now.Add(-101 * time.Second)
		}, "stop a.0 (DeadlineExceeded)\nstop b.0 (DeadlineExceeded)", 0},
		{"a volume is over its limit", func(s *scene) {
			s.seen.Overfull = "too much"
			s.look()
		}, "stop a.0 (Evicted)\nstop b.0 (Evicted)", 0},
		{"an ephemeral container runs in what is there", func(s *scene) { debug(s, "") },
			"create debug.0 (ephemeral container has not run yet)", 0},
		{"one with a target waits for it", func(s *scene) { debug(s, "a"); s.instance("a0").State = capsule.StateCreated },
			"start a.0 (container created)", 0},
		{"and is created beside it", func(s *scene) { debug(s, "a") }, "create debug.0 (ephemeral container has not run yet)", 0},
		{"it is started", func(s *scene) {
			debug(s, "")
			s.seen.Instances = append(s.seen.Instances, lifecycle.Instance{ID: "d0", Container: "debug", State: capsule.StateCreated})
		}, "start debug.0 (container created)", 0},
		{"and never again", func(s *scene) {
			debug(s, "")
			s.seen.Instances = append(s.seen.Instances, lifecycle.Instance{ID: "d0", Container: "debug", State: capsule.StateRunning})
			s.exit("d0", 1, time.Hour)
		}, "", 0},
		{"it does not keep a capsule that is over", func(s *scene) {
			debug(s, "")
			s.c.Spec.RestartPolicy = capsule.RestartNever
			s.seen.Instances = append(s.seen.Instances, lifecycle.Instance{ID: "d0", Container: "debug", State: capsule.StateRunning})
			s.exit("a0", 0, 0)
			s.exit("b0", 0, 0)
		}, "stop debug.0 (all containers have ended)", 0},
		{"it goes with its capsule", func(s *scene) {
			debug(s, "")
			s.delete()
			s.seen.Instances = append(s.seen.Instances, lifecycle.Instance{ID: "d0", Container: "debug", State: capsule.StateRunning})
			s.exit("a0", 0, 0)
			s.exit("b0", 0, 0)
		}, "stop debug.0 (capsule deleted)", 0},
		{"a container with other resources is resized", func(s *scene) { sized(s, "2") }, "resize a.0 (resources changed)", 0},
		{"the same amount in other words is none", func(s *scene) { sized(s, "1000m") }, "", 0},
		{"what is not known is given again", func(s *scene) {
			sized(s, "1")
			s.c.Facts.Container("a").Run.Resources = nil
		}, "resize a.0 (resources changed)", 0},
		{"a container whose policy says so is restarted", func(s *scene) {
			sized(s, "2")
			s.a().ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer}}
		}, "stop a.0 (resized)", 0},
		{"a policy for another resource does not count", func(s *scene) {
			sized(s, "2")
			s.a().ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceMemory, RestartPolicy: corev1.RestartContainer}}
		}, "resize a.0 (resources changed)", 0},
		{"a container of another sandbox is stopped", func(s *scene) { s.instance("a0").SandboxAttempt = 7 },
			"stop a.0 (runs in another sandbox)", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := good()
			row.edit(s)
			s.look()
			p := lifecycle.Decide(s.c, s.seen, s.probes, now)
			if got := strings.TrimSpace(p.String()); got != row.want {
				t.Errorf("plan:\n%s\nwant:\n%s", got, row.want)
			}
			var wake time.Time
			if row.wake > 0 {
				wake = now.Add(row.wake)
			}
			if row.wake > 0 && !p.WakeAt.Equal(wake) {
				t.Errorf("wakes at %v, want %v", p.WakeAt, wake)
			}
		})
	}
}

func TestAdvanceIsIdempotent(t *testing.T) {
	s := good()
	s.exit("a0", 1, time.Minute)
	s.look()
	before := s.c.Facts
	s.look()
	if len(before.Containers) != len(s.c.Facts.Containers) {
		t.Fatal("containers differ")
	}
	for i := range before.Containers {
		if *before.Containers[i].Run != *s.c.Facts.Containers[i].Run {
			t.Errorf("run of %s: %+v, then %+v", before.Containers[i].Name, before.Containers[i].Run, s.c.Facts.Containers[i].Run)
		}
	}
}

func TestBackOff(t *testing.T) {
	s := good()
	want := []int64{10, 20, 40, 80, 160, 300, 300}
	for n, seconds := range want {
		last := s.seen.Instances[2]
		s.seen.Instances[2].State, s.seen.Instances[2].FinishedAt = capsule.StateExited, last.StartedAt.Add(time.Second)
		s.look()
		next := last
		next.ID, next.Attempt = last.ID+"x", n+1
		next.CreatedAt = last.StartedAt.Add(2 * time.Second)
		next.StartedAt = next.CreatedAt
		s.seen.Instances[2] = next
		s.look()
		if got := s.c.Facts.Container("a").BackOffSeconds; got != seconds {
			t.Fatalf("after restart %d: %d s, want %d s", n+1, got, seconds)
		}
	}
	long := s.seen.Instances[2]
	s.seen.Instances[2].State, s.seen.Instances[2].FinishedAt = capsule.StateExited, long.StartedAt.Add(11*time.Minute)
	s.look()
	long.ID, long.Attempt, long.CreatedAt = "long", long.Attempt+1, long.StartedAt.Add(11*time.Minute)
	s.seen.Instances[2] = long
	s.look()
	if got := s.c.Facts.Container("a").BackOffSeconds; got != 10 {
		t.Errorf("after a long run: %d s, want 10 s", got)
	}
}

func TestFail(t *testing.T) {
	var f *capsule.Failure
	for n, want := range []int{10, 20, 40, 80, 160, 300, 300} {
		f = lifecycle.Fail(f, capsule.FailedPull, "", "no", now)
		if f.Count != n+1 || f.RetryAt.Sub(now) != time.Duration(want)*time.Second {
			t.Fatalf("failure %d: %+v, want retry after %d s", n+1, f, want)
		}
	}
	if f = lifecycle.Fail(f, capsule.FailedCreate, "", "no", now); f.Count != 1 || f.RetryAt.Sub(now) != time.Second {
		t.Errorf("another kind starts anew: %+v", f)
	}
}

// A readiness probe that fails each second is written once in ten seconds.
func TestFailuresOfProbesAreWrittenNowAndThen(t *testing.T) {
	s := good()
	written := []int{}
	for second := range 25 {
		at := now.Add(time.Duration(second) * time.Second)
		s.probes["a"] = lifecycle.ProbeResult{ID: "a0", Started: true, Failures: []capsule.ProbeFailure{
			{Kind: "Readiness", Message: "no", At: at, Count: second + 1}}}
		before := s.c.Facts.Container("a").Unhealthy
		s.c.Facts = lifecycle.Advance(s.c, s.seen, s.probes, at)
		if after := s.c.Facts.Container("a").Unhealthy; len(before) == 0 || before[0].Count != after[0].Count {
			written = append(written, after[0].Count)
		}
	}
	if want := []int{1, 11, 21}; !slices.Equal(written, want) {
		t.Errorf("failures written: %v, want %v", written, want)
	}
}

// What a container is stopped for is a fact of that run and of no other.
func TestStopping(t *testing.T) {
	s := good()
	s.probes["a"] = lifecycle.ProbeResult{ID: "a0", Started: true, Unhealthy: "Liveness probe failed: no"}
	s.look()
	if got := s.c.Facts.Container("a").Run.Stopping; got == nil || got.Reason != "Liveness probe failed: no" || !got.At.Equal(now) {
		t.Fatalf("stopping: %+v", got)
	}
	s.exit("a0", 137, 0)
	s.look()
	if s.c.Facts.Container("a").Run.Stopping == nil {
		t.Error("the end of the run forgot why it ended")
	}
	next := *s.instance("a0")
	next.ID, next.Attempt, next.State, next.FinishedAt = "a1", 1, capsule.StateRunning, time.Time{}
	s.seen.Instances = append(s.seen.Instances, next)
	s.look()
	if cf := s.c.Facts.Container("a"); cf.Run.Stopping != nil || cf.Last.Stopping == nil {
		t.Errorf("run %+v, last %+v", cf.Run, cf.Last)
	}
}
