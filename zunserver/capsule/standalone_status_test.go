package capsule_test

import (
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestStatusOfStandalone(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	good := func() *capsule.Capsule {
		return &capsule.Capsule{
			Kind: capsule.KindContainer, Claim: capsule.Claim{Host: "h"},
			Spec:       capsule.Spec{Containers: []capsule.ContainerSpec{{Name: "a"}}},
			Standalone: []capsule.Standalone{{Container: "a", Want: capsule.Want{State: capsule.WantRunning, Starts: 2, At: at.Add(-time.Minute)}}},
			Facts: capsule.Facts{Sandbox: capsule.Sandbox{ID: "s", Ready: true}, Containers: []capsule.ContainerFacts{{
				Name: "a", Run: &capsule.Run{ID: "a0", Starts: 2, StartedAt: at.Add(-5 * time.Second)},
			}}},
		}
	}
	run := func(c *capsule.Capsule) *capsule.Run { return c.Facts.Containers[0].Run }
	want := func(c *capsule.Capsule) *capsule.Want { return &c.Standalone[0].Want }
	exit := func(c *capsule.Capsule, code int) { run(c).FinishedAt, run(c).ExitCode = at.Add(-3*time.Second), code }
	in := func(c *capsule.Capsule, names ...string) {
		c.Spec.Nets = []capsule.Net{{Network: "bridge"}, {Network: "blue"}}
		for _, n := range names {
			c.Facts.Sandbox.Networks = append(c.Facts.Sandbox.Networks, capsule.Attachment{Network: n})
		}
	}
	for _, row := range []struct {
		name                         string
		edit                         func(*capsule.Capsule)
		status, reason, task, detail string
	}{
		{"running", func(*capsule.Capsule) {}, "Running", "", "", "Up 5 seconds"},
		{"paused", func(c *capsule.Capsule) { run(c).Paused, want(c).State = true, capsule.WantPaused }, "Paused", "", "", "Up 5 seconds (paused)"},
		{"being paused", func(c *capsule.Capsule) { want(c).State = capsule.WantPaused }, "Running", "", "container_pausing", "Up 5 seconds"},
		{"being unpaused", func(c *capsule.Capsule) { run(c).Paused = true }, "Paused", "", "container_unpausing", "Up 5 seconds (paused)"},
		{"being stopped", func(c *capsule.Capsule) { want(c).State = capsule.WantStopped }, "Running", "", "container_stopping", "Up 5 seconds"},
		{"stopped", func(c *capsule.Capsule) { want(c).State = capsule.WantStopped; exit(c, 0) }, "Stopped", "", "", "Exited(0) 3 seconds ago "},
		{"ended badly", func(c *capsule.Capsule) { exit(c, 1) }, "Stopped", "ended with exit code 1", "", "Exited(1) 3 seconds ago "},
		{"waits for its restart", func(c *capsule.Capsule) { c.Standalone[0].RestartPolicy = "always"; exit(c, 1) },
			"Restarting", "ended with exit code 1", "", "Exited(1) 3 seconds ago "},
		{"whose owner has had it end", func(c *capsule.Capsule) {
			c.Standalone[0].RestartPolicy, want(c).NoRestart = "always", true
			exit(c, 143)
		},
			"Stopped", "ended with exit code 143", "", "Exited(143) 3 seconds ago "},
		{"was restarted as often as it may", func(c *capsule.Capsule) {
			c.Standalone[0].RestartPolicy, c.Standalone[0].MaximumRetryCount = "on-failure", 1
			run(c).Restarts = 1
			exit(c, 1)
		}, "Stopped", "ended with exit code 1", "", "Exited(1) 3 seconds ago "},
		{"being rebooted", func(c *capsule.Capsule) { want(c).Starts++ }, "Running", "", "container_rebooting", "Up 5 seconds"},
		{"in the middle of it", func(c *capsule.Capsule) { want(c).Starts++; exit(c, 0) }, "Restarting", "", "container_rebooting", "Exited(0) 3 seconds ago "},
		{"being started", func(c *capsule.Capsule) { want(c).Starts++; want(c).At = at; exit(c, 0) },
			"Stopped", "", "container_starting", "Exited(0) 3 seconds ago "},
		{"a start that fails", func(c *capsule.Capsule) {
			want(c).Starts++
			exit(c, 0)
			c.Facts.Containers[0].Failure = &capsule.Failure{Kind: capsule.FailedStart, Message: "no", BackingOff: true}
		}, "Error", "no", "container_rebooting", "Exited(0) 3 seconds ago "},
		{"being made", func(c *capsule.Capsule) { c.Facts.Containers = nil }, "Creating", "", "container_creating", ""},
		{"whose image does not come", func(c *capsule.Capsule) {
			c.Facts.Containers[0] = capsule.ContainerFacts{Name: "a", Failure: &capsule.Failure{Kind: capsule.FailedPull, Message: "no image", BackingOff: true}}
		}, "Error", "no image", "image_pulling", ""},
		{"made", func(c *capsule.Capsule) {
			c.Facts.Containers[0].Run = &capsule.Run{ID: "a0", CreatedAt: at}
			*want(c) = capsule.Want{State: capsule.WantCreated}
		}, "Created", "", "", "Created"},
		{"made, being started", func(c *capsule.Capsule) { c.Facts.Containers[0].Run = &capsule.Run{ID: "a0", CreatedAt: at} },
			"Created", "", "container_starting", "Created"},
		{"being rebuilt", func(c *capsule.Capsule) { want(c).Starts, want(c).Rebuild = 3, 3 }, "Rebuilding", "", "container_rebuilding", "Up 5 seconds"},
		{"with an image that does not come", func(c *capsule.Capsule) {
			want(c).Starts, want(c).Rebuild = 3, 3
			c.Facts.Containers[0].Failure = &capsule.Failure{Kind: capsule.FailedPull, Message: "no image", BackingOff: true}
		}, "Error", "no image", "image_pulling", "Up 5 seconds"},
		{"refused by the engine", func(c *capsule.Capsule) { exit(c, 127); run(c).Error = "not found" }, "Error", "not found", "", "Exited(127) 3 seconds ago "},
		{"vanished", func(c *capsule.Capsule) { exit(c, 137); run(c).Lost = true; c.Standalone[0].RestartPolicy = "always" },
			"Error", "the container vanished before its end was seen", "", "Exited(137) 3 seconds ago "},
		{"vanished, to be healed", func(c *capsule.Capsule) { exit(c, 137); run(c).Lost = true; c.Standalone[0].AutoHeal = true },
			"Restarting", "the container vanished before its end was seen", "", "Exited(137) 3 seconds ago "},
		{"without a host", func(c *capsule.Capsule) { c.Claim = capsule.Claim{Reason: "none fits"}; c.Facts = capsule.Facts{} },
			"Error", "There are not enough hosts available. none fits", "", ""},
		{"that is not placed yet", func(c *capsule.Capsule) { c.Claim, c.Facts = capsule.Claim{}, capsule.Facts{} }, "Creating", "", "", ""},
		{"on a host that is away", func(c *capsule.Capsule) { c.Claim.Away = &capsule.Away{Message: "gone"} }, "Unknown", "gone", "", "Up 5 seconds"},
		{"in its networks", func(c *capsule.Capsule) { in(c, "bridge", "blue") }, "Running", "", "", "Up 5 seconds"},
		{"being put into another", func(c *capsule.Capsule) { in(c, "bridge") }, "Running", "", "network_attaching", "Up 5 seconds"},
		{"being taken out of one", func(c *capsule.Capsule) { in(c, "bridge", "red", "blue") }, "Running", "", "network_detaching", "Up 5 seconds"},
		{"being moved while it is stopped", func(c *capsule.Capsule) { in(c, "bridge"); want(c).State = capsule.WantStopped },
			"Running", "", "container_stopping", "Up 5 seconds"},
		{"on an engine without a bridge", func(c *capsule.Capsule) { in(c); c.Spec.Nets = nil }, "Running", "", "", "Up 5 seconds"},
		{"being deleted", func(c *capsule.Capsule) { c.Deletion = &capsule.Deletion{} }, "Deleting", "", "container_deleting", "Up 5 seconds"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := good()
			row.edit(c)
			s := c.ContainerStatus("a", at)
			if s.Status != row.status || s.Reason != row.reason || s.TaskState != row.task || s.Detail != row.detail {
				t.Errorf("container: %+v", s)
			}
			if c.Status() != row.status || c.StatusReason() != row.reason || c.TaskState() != row.task {
				t.Errorf("record: %s, %q, %s", c.Status(), c.StatusReason(), c.TaskState())
			}
		})
	}
}

func TestStatusOfSandbox(t *testing.T) {
	for _, row := range []struct {
		name, status string
		edit         func(*capsule.Capsule)
	}{
		{"empty", "Running", func(*capsule.Capsule) {}},
		{"what is in it does not count", "Running", func(c *capsule.Capsule) {
			c.Spec.Containers = []capsule.ContainerSpec{{Name: "a"}}
			c.Standalone = []capsule.Standalone{{Container: "a", Want: capsule.Want{State: capsule.WantRunning}}}
		}},
		{"not up yet", "Creating", func(c *capsule.Capsule) { c.Facts = capsule.Facts{} }},
		{"it died", "Restarting", func(c *capsule.Capsule) { c.Facts.Sandbox.Ready = false }},
		{"and does not come up", "Error", func(c *capsule.Capsule) {
			c.Facts.Sandbox.Ready, c.Facts.Failure = false, &capsule.Failure{Kind: capsule.FailedSandbox, BackingOff: true}
		}},
		{"being deleted", "Deleting", func(c *capsule.Capsule) { c.Deletion = &capsule.Deletion{} }},
	} {
		c := &capsule.Capsule{Kind: capsule.KindSandbox, Claim: capsule.Claim{Host: "h"}, Facts: capsule.Facts{Sandbox: capsule.Sandbox{ID: "s", Ready: true}}}
		row.edit(c)
		if c.Status() != row.status || c.Done() {
			t.Errorf("%s: %s, done: %v", row.name, c.Status(), c.Done())
		}
	}
}

// What an owner has put into a capsule is not a part of it: it makes no status, and holds the capsule's end up only while it is wanted.
func TestGuestOfACapsule(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	runs, ended := &capsule.Run{ID: "r", Starts: 1, StartedAt: at}, &capsule.Run{ID: "r", Starts: 1, StartedAt: at, FinishedAt: at, ExitCode: 1}
	for name, row := range map[string]struct {
		own, guest *capsule.Run
		want       capsule.Want
		status     string
		done       bool
	}{
		"both run":                   {runs, runs, capsule.Want{State: capsule.WantRunning, Starts: 1}, "Running", false},
		"the guest is stopped":       {runs, ended, capsule.Want{State: capsule.WantStopped, Starts: 1}, "Running", false},
		"the guest is being made":    {runs, nil, capsule.Want{State: capsule.WantRunning, Starts: 1}, "Running", false},
		"its own has ended":          {ended, runs, capsule.Want{State: capsule.WantRunning, Starts: 1}, "Error", false},
		"the guest was stopped":      {ended, ended, capsule.Want{State: capsule.WantStopped, Starts: 1}, "Error", true},
		"the guest has ended":        {ended, ended, capsule.Want{State: capsule.WantRunning, Starts: 1}, "Error", true},
		"the guest is started again": {ended, ended, capsule.Want{State: capsule.WantRunning, Starts: 2}, "Error", false},
	} {
		c := &capsule.Capsule{
			Claim:      capsule.Claim{Host: "h"},
			Spec:       capsule.Spec{RestartPolicy: capsule.RestartNever, Containers: []capsule.ContainerSpec{{Name: "own"}, {Name: "guest"}}},
			Standalone: []capsule.Standalone{{Container: "guest", Name: "tools", Want: row.want}},
			Facts: capsule.Facts{Sandbox: capsule.Sandbox{ID: "s", Ready: true}, Containers: []capsule.ContainerFacts{
				{Name: "own", Run: row.own}, {Name: "guest", Run: row.guest},
			}},
		}
		if got := c.Status(); got != row.status || c.Done() != row.done {
			t.Errorf("%s: %s, done %v, want %s, %v", name, got, c.Done(), row.status, row.done)
		}
	}
}
