package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
)

// own is a container of the container API that runs since its second start, and was made for the first.
func own() *scene {
	s := &scene{
		c: &capsule.Capsule{
			UUID: "u", Kind: capsule.KindContainer, Claim: capsule.Claim{Host: "h"},
			Spec:       capsule.Spec{Name: "web", RestartPolicy: capsule.RestartNever, Containers: []capsule.ContainerSpec{{Name: "a"}}},
			Standalone: []capsule.Standalone{{Container: "a", Want: capsule.Want{State: capsule.WantRunning, Starts: 2, At: now.Add(-2 * time.Minute)}}},
			Facts:      capsule.Facts{Containers: []capsule.ContainerFacts{{Name: "a", Starting: 2}}},
		},
		seen: lifecycle.Observed{VolumesReady: true, Instances: []lifecycle.Instance{
			{ID: "s0", State: capsule.StateRunning, StartedAt: now.Add(-time.Hour), CreatedAt: now.Add(-time.Hour)},
			{ID: "a0", Container: "a", Made: 1, State: capsule.StateRunning, StartedAt: now.Add(-time.Minute), CreatedAt: now.Add(-time.Hour)},
		}},
	}
	s.look()
	return s
}

func (s *scene) want() *capsule.Want             { return &s.c.Standalone[0].Want }
func (s *scene) standalone() *capsule.Standalone { return &s.c.Standalone[0] }

// ask raises what its owner wants.
func (s *scene) ask(state capsule.WantedState, rebuild bool) {
	w := s.want()
	w.State, w.At = state, now
	if state == capsule.WantRunning || rebuild {
		w.Starts++
	}
	if rebuild {
		w.Rebuild = w.Starts
	}
}

func (s *scene) add(i lifecycle.Instance) { s.seen.Instances = append(s.seen.Instances, i) }

func TestDecideStandalone(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*scene)
		want string
		wake time.Duration
	}{
		{"all is well", func(*scene) {}, "", 0},
		{"it is made when it shall be created only", func(s *scene) {
			s.drop("a0")
			s.c.Facts, *s.want() = capsule.Facts{}, capsule.Want{State: capsule.WantCreated}
		}, "create a.0 (container has not been made yet)", 0},
		{"and stays so", func(s *scene) {
			s.c.Facts, *s.want() = capsule.Facts{}, capsule.Want{State: capsule.WantCreated}
			*s.instance("a0") = lifecycle.Instance{ID: "a0", Container: "a", State: capsule.StateCreated}
		}, "", 0},
		{"until its start is asked for", func(s *scene) {
			s.c.Facts = capsule.Facts{}
			*s.instance("a0") = lifecycle.Instance{ID: "a0", Container: "a", State: capsule.StateCreated}
		}, "start a.0 (start asked for)", 0},
		{"a start waits for the sandbox", func(s *scene) {
			s.c.Facts = capsule.Facts{}
			*s.instance("a0") = lifecycle.Instance{ID: "a0", Container: "a", State: capsule.StateCreated}
			s.instance("s0").State = capsule.StateCreated
		}, "start sandbox.0 (sandbox created)", 0},
		{"a stop", func(s *scene) { s.ask(capsule.WantStopped, false) }, "stop a.0 (stop asked for)", 0},
		{"what was stopped stays so, whatever the policy", func(s *scene) {
			s.ask(capsule.WantStopped, false)
			s.standalone().RestartPolicy = "always"
			s.exit("a0", 143, time.Hour)
		}, "", 0},
		{"a reboot stops it", func(s *scene) { s.ask(capsule.WantRunning, false) }, "stop a.0 (another start asked for)", 0},
		{"and starts it in place, once, whatever the policy", func(s *scene) {
			s.ask(capsule.WantRunning, false)
			s.exit("a0", 137, 0)
		}, "restart a.0 (start asked for)", 0},
		{"which start the run answers is written before", func(s *scene) {
			s.exit("a0", 137, 0)
			s.look()
			s.seen.Starting = map[string]bool{"a": true} // one is under way while another is asked for
			s.ask(capsule.WantRunning, false)
		}, "", 0},
		{"the end of a run is the end under no", func(s *scene) { s.exit("a0", 1, 0) }, "", 0},
		{"and under on-failure after a success", func(s *scene) {
			s.standalone().RestartPolicy = "on-failure"
			s.exit("a0", 0, 0)
		}, "", 0},
		{"on-failure starts it again in place", func(s *scene) {
			s.standalone().RestartPolicy = "on-failure"
			s.exit("a0", 3, 0)
		}, "restart a.0 (it ended with exit code 3)", 0},
		{"but not more often than it may", func(s *scene) {
			s.standalone().RestartPolicy, s.standalone().MaximumRetryCount = "on-failure", 2
			s.c.Facts.Container("a").Run.Restarts = 2
			s.exit("a0", 3, 0)
		}, "", 0},
		{"a restart waits for its back-off", func(s *scene) {
			s.standalone().RestartPolicy = "unless-stopped"
			s.c.Facts.Container("a").BackOffSeconds = 8
			s.instance("a0").StartedAt = now.Add(-5 * time.Second)
			s.c.Facts.Container("a").Run.StartedAt = now.Add(-5 * time.Second)
			s.exit("a0", 3, 2*time.Second)
		}, "", 6 * time.Second},
		{"which is over after a long run", func(s *scene) {
			s.standalone().RestartPolicy = "always"
			s.c.Facts.Container("a").BackOffSeconds = 8
			s.exit("a0", 0, 2*time.Second)
		}, "restart a.0 (it ended with exit code 0)", 0},
		{"a start that was asked for does not wait", func(s *scene) {
			s.c.Facts.Container("a").BackOffSeconds = 60
			s.exit("a0", 0, 0)
			s.ask(capsule.WantRunning, false)
		}, "restart a.0 (start asked for)", 0},
		{"a pause", func(s *scene) { s.ask(capsule.WantPaused, false) }, "pause a.0 (pause asked for)", 0},
		{"its end", func(s *scene) { s.instance("a0").Paused = true }, "unpause a.0 (its processes are frozen)", 0},
		{"what is frozen stays so", func(s *scene) { s.ask(capsule.WantPaused, false); s.instance("a0").Paused = true }, "", 0},
		{"what is frozen can be stopped", func(s *scene) { s.ask(capsule.WantStopped, false); s.instance("a0").Paused = true },
			"stop a.0 (stop asked for)", 0},
		{"a rebuild makes the new one first", func(s *scene) { s.ask(capsule.WantRunning, true) }, "create a.1 (rebuild asked for)", 0},
		{"then the old one is stopped", func(s *scene) {
			s.ask(capsule.WantRunning, true)
			s.add(lifecycle.Instance{ID: "a1", Container: "a", Attempt: 1, Made: 3, State: capsule.StateCreated})
		}, "stop a.0 (another start asked for)", 0},
		{"then the new one is started", func(s *scene) {
			s.ask(capsule.WantRunning, true)
			s.add(lifecycle.Instance{ID: "a1", Container: "a", Attempt: 1, Made: 3, State: capsule.StateCreated})
			s.exit("a0", 143, 0)
		}, "start a.1 (start asked for)", 0},
		{"then the old one goes", func(s *scene) {
			s.ask(capsule.WantRunning, true)
			s.exit("a0", 143, time.Second)
			s.look()
			s.add(lifecycle.Instance{ID: "a1", Container: "a", Attempt: 1, Made: 3, State: capsule.StateRunning, StartedAt: now})
		}, "remove a.0 (an older attempt)", 0},
		{"one that was made for an earlier rebuild will not do", func(s *scene) {
			s.ask(capsule.WantRunning, true)
			s.add(lifecycle.Instance{ID: "a1", Container: "a", Attempt: 1, Made: 3, State: capsule.StateCreated})
			s.exit("a0", 143, 0)
			s.look()
			s.ask(capsule.WantRunning, true)
		}, "create a.2 (rebuild asked for)", 0},
		{"a rebuild of what does not run does not start it", func(s *scene) {
			s.exit("a0", 0, time.Minute)
			s.ask(capsule.WantCreated, true)
			s.add(lifecycle.Instance{ID: "a1", Container: "a", Attempt: 1, Made: 3, State: capsule.StateCreated})
		}, "remove a.0 (an older attempt)", 0},
		{"one that vanished is not made again by itself", func(s *scene) {
			s.standalone().RestartPolicy = "always"
			s.drop("a0")
		}, "", 0},
		{"with auto-heal it is", func(s *scene) { s.standalone().AutoHeal = true; s.drop("a0") }, "create a.1 (the container vanished)", 0},
		{"or when a start is asked for", func(s *scene) {
			s.drop("a0")
			s.look()
			s.ask(capsule.WantRunning, false)
		}, "create a.1 (the container vanished)", 0},
		{"a dead sandbox takes it along", func(s *scene) { s.exit("s0", 137, 0) }, "stop a.0 (the sandbox died)", 0},
		{"and is started again in place", func(s *scene) { s.exit("s0", 137, 0); s.exit("a0", 137, 0) }, "restart sandbox.0 (the sandbox died)", 0},
		{"unless that fails again and again", func(s *scene) {
			s.exit("s0", 137, 0)
			s.exit("a0", 137, 0)
			s.c.Facts.Failure = &capsule.Failure{Kind: capsule.FailedSandbox, Count: 4}
		}, "remove sandbox.0 (the sandbox died)", 0},
		{"in which it comes back by its policy", func(s *scene) {
			s.standalone().RestartPolicy = "always"
			s.exit("a0", 137, 0)
			s.instance("s0").StartedAt = now
		}, "restart a.0 (it ended with exit code 137)", 0},
		{"what ran while its sandbox was away is cut off", func(s *scene) { s.instance("s0").StartedAt = now },
			"stop a.0 (runs in a sandbox that is gone)", 0},
		{"in another sandbox it has to be made again", func(s *scene) {
			s.standalone().RestartPolicy = "always"
			s.exit("a0", 137, 0)
			s.instance("s0").ID, s.instance("s0").Attempt = "s1", 1
		}, "create a.1 (it cannot be started again in its sandbox)", 0},
		{"what shall be removed after its end", func(s *scene) { s.standalone().AutoRemove = true; s.exit("a0", 1, 0) },
			"expire a.0 (container has ended)", 0},
		{"not while it runs", func(s *scene) { s.standalone().AutoRemove = true }, "", 0},
		{"nor when another start is asked for", func(s *scene) {
			s.standalone().AutoRemove = true
			s.exit("a0", 1, 0)
			s.ask(capsule.WantRunning, false)
		}, "restart a.0 (start asked for)", 0},
		{"its limits change while it runs", func(s *scene) { sized(s, "2") }, "resize a.0 (resources changed)", 0},
		{"and while it does not", func(s *scene) { sized(s, "2"); s.exit("a0", 0, 0) }, "resize a.0 (resources changed)", 0},
		{"a sandbox without containers stays up", func(s *scene) {
			s.c.Kind, s.c.Spec.Containers, s.c.Standalone = capsule.KindSandbox, nil, nil
			s.drop("a0")
		}, "", 0},
		{"what was taken out of it is stopped", func(s *scene) {
			s.c.Kind, s.c.Spec.Containers, s.c.Standalone = capsule.KindSandbox, nil, nil
		}, "stop a.0 (taken out of the sandbox)", 0},
		{"and removed", func(s *scene) {
			s.c.Kind, s.c.Spec.Containers, s.c.Standalone = capsule.KindSandbox, nil, nil
			s.exit("a0", 0, 0)
		}, "remove a.0 (taken out of the sandbox)", 0},
		{"a deletion", func(s *scene) { s.delete() }, "stop a.0 (capsule deleted)", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := own()
			row.edit(s)
			s.look()
			p := lifecycle.Decide(s.c, s.seen, s.probes, now)
			if got := strings.TrimSpace(p.String()); got != row.want {
				t.Errorf("plan:\n%s\nwant:\n%s", got, row.want)
			}
			if wake := now.Add(row.wake); row.wake > 0 && !p.WakeAt.Equal(wake) {
				t.Errorf("wakes at %v, want %v", p.WakeAt, wake)
			}
		})
	}
}

// One engine container has many runs, and each is told apart.
func TestRunsInPlace(t *testing.T) {
	s := own()
	s.standalone().RestartPolicy = "always"
	again := func(ago time.Duration) {
		s.exit("a0", 1, ago+time.Second)
		s.look()
		*s.instance("a0") = lifecycle.Instance{ID: "a0", Container: "a", Made: 1, State: capsule.StateRunning, StartedAt: now.Add(-ago)}
		s.look()
		s.look() // which changes nothing
	}
	cf := func() *capsule.ContainerFacts { return s.c.Facts.Container("a") }
	for n, want := range []struct {
		restarts int
		backOff  int64
	}{{1, 1}, {2, 2}, {3, 4}} {
		again(time.Duration(50-10*n) * time.Second / 2)
		if r := cf().Run; r.ID != "a0" || r.Restarts != want.restarts || r.Starts != 2 || r.Made != 1 || r.State() != capsule.StateRunning ||
			cf().BackOffSeconds != want.backOff || cf().Last.ExitCode != 1 {
			t.Errorf("restart %d: run %+v, last %+v, back-off %d", n, r, cf().Last, cf().BackOffSeconds)
		}
	}
	s.ask(capsule.WantRunning, false)
	again(0)
	if r := cf().Run; r.Starts != 3 || r.Restarts != 0 || cf().BackOffSeconds != 0 {
		t.Errorf("after another start: %+v, back-off %d", r, cf().BackOffSeconds)
	}
	s.exit("a0", 1, 0)
	s.look()
	ended := *cf().Run
	s.instance("a0").ExitCode = 99
	s.look()
	if *cf().Run != ended {
		t.Errorf("an end is final: %+v", cf().Run)
	}
}

// A container that was made is a fact before it is started, and becomes the run that it is.
func TestMadeIsAFact(t *testing.T) {
	s := own()
	s.c.Facts, *s.want() = capsule.Facts{}, capsule.Want{State: capsule.WantCreated}
	*s.instance("a0") = lifecycle.Instance{ID: "a0", Container: "a", State: capsule.StateCreated, CreatedAt: now}
	s.look()
	cf := s.c.Facts.Container("a")
	if cf.Run.State() != capsule.StateCreated || s.c.Status() != capsule.StatusCreated {
		t.Errorf("%+v is %s", cf.Run, s.c.Status())
	}
	s.ask(capsule.WantRunning, false)
	s.look()
	s.instance("a0").State, s.instance("a0").StartedAt = capsule.StateRunning, now
	s.look()
	if cf = s.c.Facts.Container("a"); cf.Run.Starts != 1 || cf.Run.Restarts != 0 || cf.Last != nil || cf.Run.State() != capsule.StateRunning {
		t.Errorf("run %+v, last %+v", cf.Run, cf.Last)
	}
}
