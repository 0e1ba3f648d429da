package upgrade_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/upgrade"
)

var began = time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)

const settle = 5 * time.Second

// revisions are a capsule and its healthy successor, a minute after the PATCH.
func revisions() (c, next *capsule.Capsule, now time.Time) {
	spec := func(image string) capsule.Spec {
		return capsule.Spec{Name: "web", RestartPolicy: capsule.RestartAlways, Containers: []capsule.ContainerSpec{{Name: "web", Image: image}}}
	}
	up := began.Add(30 * time.Second)
	facts := capsule.Facts{Sandbox: capsule.Sandbox{ID: "s", Ready: true}, Containers: []capsule.ContainerFacts{
		{Name: "web", Run: &capsule.Run{ID: "r", StartedAt: up}, Started: true, Ready: true, ReadyAt: up}}}
	c = &capsule.Capsule{UUID: "c", Spec: spec("x:1"), Claim: capsule.Claim{Host: "h1"},
		Upgrade: &capsule.Upgrade{Successor: "n", Since: began, Deadline: began.Add(10 * time.Minute)}}
	next = &capsule.Capsule{UUID: "n", Of: "c", Kind: capsule.KindSuccessor, Spec: spec("x:2"), Claim: capsule.Claim{Host: "h2"}, Facts: facts}
	return c, next, began.Add(time.Minute)
}

func TestDecide(t *testing.T) {
	late := began.Add(10 * time.Minute)
	type world struct {
		c, next *capsule.Capsule
		now     time.Time
	}
	web := func(w *world) *capsule.ContainerFacts { return &w.next.Facts.Containers[0] }
	port := []capsule.Port{{ContainerPort: 80, HostPort: 80}}
	for _, row := range []struct {
		name   string
		mutate func(*world)
		step   upgrade.Step
		reason string
		at     time.Time
	}{
		{"healthy for long enough", func(*world) {}, upgrade.TakeOver, "", time.Time{}},
		{"healthy for a moment", func(w *world) { w.now = began.Add(31 * time.Second) }, upgrade.Wait, "", began.Add(35 * time.Second)},
		{"ready a moment ago", func(w *world) { web(w).ReadyAt = began.Add(58 * time.Second) }, upgrade.Wait, "", began.Add(63 * time.Second)},
		{"not ready", func(w *world) { web(w).Ready = false }, upgrade.Wait, "container web is not ready", late},
		{"not ready at the deadline", func(w *world) { web(w).Ready, w.now = false, late }, upgrade.GiveUp,
			"the new revision was not healthy within 10m0s: container web is not ready", time.Time{}},
		{"healthy at the deadline", func(w *world) { w.now = late }, upgrade.TakeOver, "", time.Time{}},
		{"without a host", func(w *world) {
			w.next.Claim, w.next.Facts = capsule.Claim{Reason: "0 of 1 hosts fit: 1 too little cpu"}, capsule.Facts{}
		},
			upgrade.Wait, "Creating: 0 of 1 hosts fit: 1 too little cpu", late},
		{"without a host at the deadline", func(w *world) {
			w.next.Claim, w.next.Facts, w.now = capsule.Claim{Reason: "0 of 1 hosts fit"}, capsule.Facts{}, late
		}, upgrade.GiveUp, "not healthy within 10m0s: Creating: 0 of 1 hosts fit", time.Time{}},
		{"the former one has its port", func(w *world) {
			w.c.Spec.Containers[0].Ports, w.next.Spec.Containers[0].Ports = port, port
			w.next.Claim, w.next.Facts = capsule.Claim{Reason: "1 with a port in use"}, capsule.Facts{}
		}, upgrade.GiveUp, "the former revision holds a host port that the new one asks for: 1 with a port in use", time.Time{}},
		{"the former one has its port, another host has room", func(w *world) {
			w.c.Spec.Containers[0].Ports, w.next.Spec.Containers[0].Ports = port, port
		}, upgrade.TakeOver, "", time.Time{}},
		{"another port", func(w *world) {
			w.c.Spec.Containers[0].Ports = port
			w.next.Spec.Containers[0].Ports = []capsule.Port{{ContainerPort: 80, HostPort: 80, Protocol: "UDP"}}
			w.next.Claim, w.next.Facts = capsule.Claim{Reason: "full"}, capsule.Facts{}
		}, upgrade.Wait, "Creating: full", late},
		{"its record is gone", func(w *world) { w.next = nil }, upgrade.GiveUp, "the new revision was deleted", time.Time{}},
		{"it is being deleted", func(w *world) { w.next.Deletion = &capsule.Deletion{} }, upgrade.GiveUp, "the new revision was deleted", time.Time{}},
		{"its image does not come", func(w *world) {
			web(w).Run, web(w).Ready = nil, false
			web(w).Failure = &capsule.Failure{Kind: capsule.FailedPull, Message: "no such image", BackingOff: true}
		}, upgrade.Wait, "Error: no such image", late},
		{"it crashes again and again", func(w *world) { web(w).Ready, web(w).Run.FinishedAt, web(w).Run.ExitCode = false, w.now, 3 },
			upgrade.Wait, "Restarting: ended with exit code 3", late},
		{"it has ended badly", func(w *world) {
			w.next.Spec.RestartPolicy = capsule.RestartNever
			web(w).Ready, web(w).Run.FinishedAt, web(w).Run.ExitCode = false, w.now, 3
		}, upgrade.GiveUp, "the new revision has ended: Error: container web: ended with exit code 3", time.Time{}},
		{"it has ended well", func(w *world) {
			w.next.Spec.RestartPolicy = capsule.RestartNever
			web(w).Ready, web(w).Run.FinishedAt = false, began.Add(40*time.Second)
		}, upgrade.TakeOver, "", time.Time{}},
		{"it has ended well and would be started again", func(w *world) { web(w).Ready, web(w).Run.FinishedAt = false, began.Add(40*time.Second) },
			upgrade.Wait, "Restarting", late},
		{"evicted", func(w *world) { w.next.Facts.End = &capsule.End{Reason: "Evicted", Message: "disk"} }, upgrade.GiveUp, "Evicted: disk", time.Time{}},
		{"its host is away", func(w *world) { w.next.Claim.Away = &capsule.Away{Message: "host h2 does not answer"} }, upgrade.Wait,
			"Unknown: host h2 does not answer", late},
		{"its probes end it", func(w *world) { web(w).Run.Stopping = &capsule.Stopping{} }, upgrade.Wait, "Running", late},
		{"a sidecar is not ready", func(w *world) {
			always := capsule.ContainerSpec{Name: "side"}
			policy := corev1.ContainerRestartPolicyAlways
			always.RestartPolicy = &policy
			w.next.Spec.InitContainers = []capsule.ContainerSpec{always}
			w.next.Facts.Containers = append(w.next.Facts.Containers, capsule.ContainerFacts{Name: "side", Run: &capsule.Run{StartedAt: began}})
		}, upgrade.Wait, "Running", late},
	} {
		t.Run(row.name, func(t *testing.T) {
			var w world
			w.c, w.next, w.now = revisions()
			row.mutate(&w)
			v := upgrade.Decide(w.c, w.next, w.now, settle)
			if v.Step != row.step || !strings.Contains(v.Reason, row.reason) || row.reason == "" && v.Reason != "" || !v.At.Equal(row.at) {
				t.Errorf("%+v, want %s %q at %s", v, row.step, row.reason, row.at)
			}
		})
	}
}
