package capsule

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// running is a capsule of an init container, which is done, and two containers, which run.
func running() *Capsule {
	at := noon.Add(-time.Hour)
	run := func() *Run { return &Run{ID: "i", CreatedAt: at, StartedAt: at} }
	done := run()
	done.FinishedAt = at
	return &Capsule{
		Spec: Spec{RestartPolicy: RestartAlways, InitContainers: []ContainerSpec{{Name: "init"}},
			Containers: []ContainerSpec{{Name: "a"}, {Name: "b"}}},
		Claim: Claim{Host: "h", At: at},
		Facts: Facts{StartedAt: at, Containers: []ContainerFacts{
			{Name: "init", Init: true, Run: done}, {Name: "a", Run: run(), Ready: true}, {Name: "b", Run: run(), Ready: true}}},
	}
}

func end(c *Capsule, name string, code int) {
	r := c.Facts.Container(name).Run
	r.FinishedAt, r.ExitCode = noon.Add(-2*time.Minute), code
}

func TestStatus(t *testing.T) {
	failure := func(c *Capsule, name string, backingOff bool) {
		f := &Failure{Kind: FailedPull, Message: "no such image", BackingOff: backingOff}
		c.Facts.Container(name).Run, c.Facts.Container(name).Failure = nil, f
	}
	for _, row := range []struct {
		name           string
		change         func(*Capsule)
		status, reason string
		a, task        string // the status and task state of container a
	}{
		{"all run", func(*Capsule) {}, StatusRunning, "", StatusRunning, ""},
		{"no host yet", func(c *Capsule) { c.Claim, c.Facts = Claim{}, Facts{} }, StatusCreating, "", StatusCreating, ""},
		{"no host fits", func(c *Capsule) { c.Claim, c.Facts = Claim{Reason: "too big"}, Facts{} }, StatusCreating, "too big", StatusCreating, ""},
		{"claimed", func(c *Capsule) { c.Facts = Facts{} }, StatusCreating, "", StatusCreating, TaskContainerCreating},
		{"created", func(c *Capsule) { c.Facts.Container("a").Run.StartedAt = time.Time{} }, StatusCreating, "", StatusCreated, TaskContainerStarting},
		{"sandbox fails", func(c *Capsule) { c.Facts = Facts{Failure: &Failure{Message: "no disk", BackingOff: true}} },
			StatusError, "no disk", StatusCreating, ""},
		{"pull fails", func(c *Capsule) { failure(c, "a", false) }, StatusCreating, "no such image", StatusCreating, TaskImagePulling},
		{"pull backs off", func(c *Capsule) { failure(c, "a", true) }, StatusError, "no such image", StatusError, TaskImagePulling},
		{"init fails and is tried again", func(c *Capsule) {
			end(c, "init", 1)
			c.Facts.Containers = c.Facts.Containers[:1]
		}, StatusRestarting, "init container init: ended with exit code 1", StatusCreating, TaskContainerCreating},
		{"init fails for good", func(c *Capsule) {
			c.Spec.RestartPolicy = RestartNever
			end(c, "init", 1)
			c.Facts.Containers = c.Facts.Containers[:1]
		}, StatusError, "init container init ended with exit code 1", StatusCreating, TaskContainerCreating},
		{"one waits for its restart", func(c *Capsule) { end(c, "a", 3) }, StatusRestarting, "ended with exit code 3", StatusRestarting, ""},
		{"one is done", func(c *Capsule) { c.Spec.RestartPolicy = RestartOnFailure; end(c, "a", 0) }, StatusRunning, "", StatusStopped, ""},
		{"one failed, one runs", func(c *Capsule) { c.Spec.RestartPolicy = RestartNever; end(c, "a", 1) }, StatusRunning, "", StatusStopped, ""},
		{"all done", func(c *Capsule) { c.Spec.RestartPolicy = RestartNever; end(c, "a", 0); end(c, "b", 0) }, StatusStopped, "", StatusStopped, ""},
		{"all ended, one badly", func(c *Capsule) { c.Spec.RestartPolicy = RestartNever; end(c, "a", 0); end(c, "b", 2) },
			StatusError, "container b: ended with exit code 2", StatusStopped, ""},
		{"ended by the server", func(c *Capsule) {
			c.Facts.End = &End{Reason: "DeadlineExceeded", Message: "active too long"}
			end(c, "a", 137)
		}, StatusError, "DeadlineExceeded: active too long", StatusStopped, ""},
		{"cannot be started", func(c *Capsule) {
			c.Spec.RestartPolicy = RestartNever
			end(c, "a", 127)
			end(c, "b", 0)
			c.Facts.Container("a").Run.Error = "no such file"
		}, StatusError, "container a: no such file", StatusError, ""},
		{"deleted", func(c *Capsule) { c.Deletion = &Deletion{At: noon} }, StatusDeleting, "", StatusRunning, TaskContainerDeleting},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := running()
			row.change(c)
			if s, r := c.Status(), c.StatusReason(); s != row.status || r != row.reason {
				t.Errorf("capsule %s %q, want %s %q", s, r, row.status, row.reason)
			}
			if s := c.ContainerStatus("a", noon); s.Status != row.a || s.TaskState != row.task {
				t.Errorf("container %+v, want %s %s", s, row.a, row.task)
			}
		})
	}
	if s := running().ContainerStatus("nobody", noon); s.Status != StatusUnknown {
		t.Errorf("unknown container: %+v", s)
	}
	deleted := running()
	deleted.Deletion = &Deletion{}
	if s := deleted.TaskState(); s != TaskContainerDeleting {
		t.Errorf("task state %q", s)
	}
}

func TestStatusDetail(t *testing.T) {
	for want, run := range map[string]*Run{
		"":                      nil,
		"Created":               {CreatedAt: noon},
		"Up 5 seconds":          {StartedAt: noon.Add(-5 * time.Second)},
		"Up 0 seconds":          {StartedAt: noon.Add(time.Second)},
		"Up 3 hours":            {StartedAt: noon.Add(-200 * time.Minute)},
		"Exited(0) 2 mins ago ": {StartedAt: noon, FinishedAt: noon.Add(-2 * time.Minute)},
		"Exited(3) 2 days ago ": {StartedAt: noon, FinishedAt: noon.Add(-50 * time.Hour), ExitCode: 3},
	} {
		if got := (&ContainerFacts{Run: run}).StatusDetail(noon); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTotals(t *testing.T) {
	ask := func(cpu, memory string) ContainerSpec {
		return ContainerSpec{Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)}, Limits: corev1.ResourceList{"memory": resource.MustParse(memory)}}}
	}
	sidecar := ask("100m", "10Mi")
	always := corev1.ContainerRestartPolicyAlways
	sidecar.RestartPolicy = &always
	s := Spec{InitContainers: []ContainerSpec{sidecar, ask("2", "5Mi")}, Containers: []ContainerSpec{ask("500m", "64Mi"), ask("1", "64Mi"), {}}}
	if cpu, memory := s.CPU(), s.Memory(); cpu != 2100 || memory != 138<<20 {
		t.Errorf("cpu %d, memory %d", cpu, memory)
	}
}
