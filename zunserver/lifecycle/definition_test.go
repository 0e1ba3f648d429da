package lifecycle_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
)

func TestDefinition(t *testing.T) {
	never := func(s *scene) { s.c.Spec.RestartPolicy = capsule.RestartNever }
	redefined := func(s *scene) { s.a().Definition = 1; s.look() }
	for _, row := range []struct {
		name string
		edit func(*scene)
		want string
	}{
		{"what runs is stopped", redefined, "stop a.0 (Container a definition changed)"},
		{"a restart policy does not matter", func(s *scene) { never(s); redefined(s) }, "stop a.0 (Container a definition changed)"},
		{"what was stopped for it is made again", func(s *scene) { never(s); redefined(s); s.exit("a0", 143, 0) },
			"create a.1 (Container a definition changed)"},
		{"what had ended before is not", func(s *scene) { never(s); s.exit("a0", 1, time.Minute); s.look(); redefined(s) }, ""},
		{"what is of it goes on", func(s *scene) {
			s.instance("a0").Made, s.c.Facts.Containers = 1, nil
			redefined(s)
		}, ""},
		{"what was created of an older one goes", func(s *scene) {
			s.instance("a0").State, s.c.Facts.Containers = capsule.StateCreated, nil
			redefined(s)
		}, "remove a.0 (created of an older definition)"},
		{"a sidecar is stopped too", func(s *scene) { sidecar(s); s.c.Spec.InitContainers[1].Definition = 1 },
			"stop side.0 (Container side definition changed)"},
		{"an init container that has ended stays", func(s *scene) { s.c.Spec.InitContainers[0].Definition = 1 }, ""},
		{"a back-off is that of a definition", func(s *scene) {
			s.exit("a0", 1, 0)
			s.c.Facts.Container("a").BackOffSeconds = 300
			redefined(s)
		}, "create a.1 (attempt 0 ended with exit code 1)"},
		{"and so is a failure", func(s *scene) {
			s.drop("a0")
			cf := s.c.Facts.Container("a")
			cf.Run, cf.Failure = nil, &capsule.Failure{Kind: capsule.FailedPull, RetryAt: now.Add(time.Hour)}
			redefined(s)
		}, "create a.0 (container has not run yet)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := good()
			row.edit(s)
			s.look()
			if got := strings.TrimSpace(lifecycle.Decide(s.c, s.seen, s.probes, now).String()); got != row.want {
				t.Errorf("plan:\n%s\nwant:\n%s", got, row.want)
			}
		})
	}
}

// Whenever the image changes, and however often, there is in the end one container of the newest definition, never two that run,
// and the run that a new one replaced is the last one.
func TestDefinitionsConverge(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := good()
		s.c.Spec.RestartPolicy = []capsule.RestartPolicy{capsule.RestartAlways, capsule.RestartOnFailure, capsule.RestartNever}[rnd.IntN(3)]
		for round := range 60 {
			if round < 30 && rnd.IntN(4) == 0 {
				s.a().Definition++
			}
			s.c.Facts = lifecycle.Advance(s.c, s.seen, s.probes, now)
			for _, act := range lifecycle.Decide(s.c, s.seen, s.probes, now).Actions {
				if rnd.IntN(3) > 0 || round >= 40 {
					s.act(act)
				}
			}
			running := 0
			for _, i := range s.seen.Instances {
				if i.Container == "a" && i.State == capsule.StateRunning {
					running++
				}
			}
			if running > 1 {
				t.Fatalf("seed %d: two run", seed)
			}
		}
		s.look()
		run := s.c.Facts.Container("a").Run
		if run.State() != capsule.StateRunning || run.Made != s.a().Definition || run.Redefined() {
			t.Fatalf("seed %d: definition %d, run %+v", seed, s.a().Definition, run)
		}
		if b := s.c.Facts.Container("b").Run; b.ID != "b0" || b.State() != capsule.StateRunning {
			t.Fatalf("seed %d: the other container: %+v", seed, b)
		}
	}
}

// act does what the engine would.
func (s *scene) act(a lifecycle.Action) {
	switch a.Op {
	case lifecycle.Create:
		s.seen.Instances = append(s.seen.Instances, lifecycle.Instance{ID: fmt.Sprintf("%s%d.%d", a.Container, a.Attempt, a.Made), Container: a.Container,
			Attempt: a.Attempt, SandboxAttempt: a.SandboxAttempt, Made: a.Made, State: capsule.StateCreated, CreatedAt: now})
	case lifecycle.Start:
		s.instance(a.ID).State, s.instance(a.ID).StartedAt = capsule.StateRunning, now
	case lifecycle.Stop:
		s.exit(a.ID, 143, 0)
	case lifecycle.Remove:
		s.drop(a.ID)
	}
}
