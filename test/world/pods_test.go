package world

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// condition is the status of one of the pod's conditions.
func condition(p *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return ""
}

func ready(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodRunning && condition(p, corev1.PodReady) == corev1.ConditionTrue
}

func phase(want corev1.PodPhase) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool { return p.Status.Phase == want }
}

// app is the status of the container called app, the zero value while there is none.
func app(p *corev1.Pod) corev1.ContainerStatus {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == "app" {
			return s
		}
	}
	return corev1.ContainerStatus{}
}

// waits says that the container called app waits for that reason.
func waits(reason string) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool { w := app(p).State.Waiting; return w != nil && w.Reason == reason }
}

func image(ref string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Containers[0].Image = ref }
}

func TestOnePod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("gentle", fake.Behaviour{StopAfter: 300 * time.Millisecond})
	began := time.Now()
	uid := w.create("web", image("gentle"))
	p := w.await(uid, "ready", ready)
	t.Logf("ready after %v", time.Since(began))
	s := app(p)
	if p.Status.PodIP == "" || p.Status.HostIP != "192.0.2.1" || p.Status.StartTime == nil {
		t.Errorf("addresses and start time: %+v", p.Status)
	}
	if s.State.Running == nil || !s.Ready || s.Started == nil || !*s.Started || s.RestartCount != 0 || s.ContainerID == "" || s.ImageID == "" {
		t.Errorf("container: %+v", s)
	}
	for _, kind := range []corev1.PodConditionType{
		corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReadyToStartContainers,
	} {
		if condition(p, kind) != corev1.ConditionTrue {
			t.Errorf("condition %s is %q", kind, condition(p, kind))
		}
	}
	w.event(uid, "Started")
	w.delete("web")
	last := w.awaitGone(uid)
	w.event(uid, "Killing")
	if app(last).State.Terminated == nil || (last.Status.Phase != corev1.PodSucceeded && last.Status.Phase != corev1.PodFailed) {
		t.Errorf("the object went before its end was written: %+v", last.Status)
	}
}

func TestTwoContainersAndAnInitContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("setup", fake.Behaviour{Exits: true, After: 1500 * time.Millisecond}) // long enough to be seen
	uid := w.create("web", func(p *corev1.Pod) {
		p.Spec.InitContainers = []corev1.Container{container("setup", "setup")}
		p.Spec.Containers = append(p.Spec.Containers, container("side", "app"))
	})
	w.await(uid, "initialising", func(p *corev1.Pod) bool {
		return len(p.Status.InitContainerStatuses) == 1 && p.Status.InitContainerStatuses[0].State.Running != nil &&
			p.Status.Phase == corev1.PodPending && waits("PodInitializing")(p)
	})
	p := w.await(uid, "ready", ready)
	setup := p.Status.InitContainerStatuses[0].State.Terminated
	if setup == nil || setup.ExitCode != 0 || setup.Reason != "Completed" || !p.Status.InitContainerStatuses[0].Ready {
		t.Errorf("init container: %+v", p.Status.InitContainerStatuses[0])
	}
	if len(p.Status.ContainerStatuses) != 2 || !p.Status.ContainerStatuses[1].Ready {
		t.Errorf("containers: %+v", p.Status.ContainerStatuses)
	}
	if len(w.host().Running()) != 3 {
		t.Errorf("running: %v, want one sandbox and two containers", w.host().Running())
	}
}

func TestEndsOfAJob(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		policy    corev1.RestartPolicy
		behaviour fake.Behaviour
		phase     corev1.PodPhase
		code      int32
		reason    string
	}{
		{"success", corev1.RestartPolicyNever, fake.Behaviour{Exits: true}, corev1.PodSucceeded, 0, "Completed"},
		{"exit code 3", corev1.RestartPolicyNever, fake.Behaviour{Exits: true, Code: 3}, corev1.PodFailed, 3, "Error"},
		{"no memory", corev1.RestartPolicyNever, fake.Behaviour{Exits: true, OOM: true}, corev1.PodFailed, 137, "OOMKilled"},
		{"no such command", corev1.RestartPolicyNever, fake.Behaviour{StartError: `exec: "nope": executable file not found in $PATH`},
			corev1.PodFailed, 127, "ContainerCannotRun"},
		{"success at last", corev1.RestartPolicyOnFailure, fake.Behaviour{Exits: true}, corev1.PodSucceeded, 0, "Completed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.image("job", row.behaviour)
			uid := w.create("job", func(p *corev1.Pod) { image("job")(p); p.Spec.RestartPolicy = row.policy })
			p := w.await(uid, string(row.phase), phase(row.phase))
			end := app(p).State.Terminated
			if end == nil || end.ExitCode != row.code || end.Reason != row.reason || app(p).RestartCount != 0 {
				t.Fatalf("container: %+v", app(p))
			}
			if row.behaviour.StartError != "" && !strings.Contains(end.Message, "executable file not found") {
				t.Errorf("message %q", end.Message)
			}
			if condition(p, corev1.PodReady) != corev1.ConditionFalse {
				t.Errorf("ready after the end: %+v", p.Status.Conditions)
			}
			w.awaitNothingRuns()
			if ids := w.containersOf(uid); len(ids) != 1 {
				t.Errorf("%d containers kept for their logs", len(ids))
			}
		})
	}
}

func TestCrashLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("crash", fake.Behaviour{Exits: true, Code: 2})
	uid := w.create("web", image("crash"))
	p := w.await(uid, "in CrashLoopBackOff", waits("CrashLoopBackOff"))
	s := app(p)
	if s.RestartCount != 1 || s.Ready || p.Status.Phase != corev1.PodRunning ||
		!strings.HasPrefix(s.State.Waiting.Message, "back-off 10s restarting failed container=app pod=web_shop(") {
		t.Errorf("container: %+v, phase %s", s, p.Status.Phase)
	}
	if end := s.LastTerminationState.Terminated; end == nil || end.ExitCode != 2 || end.Reason != "Error" {
		t.Errorf("last state: %+v", s.LastTerminationState)
	}
	if m := w.event(uid, "BackOff"); !strings.Contains(m, "Back-off restarting failed container app in pod web_shop") {
		t.Errorf("event %q", m)
	}
}

func TestOnFailureIsRestartedUntilItSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.host().Add(fake.Image{Ref: "flaky", Program: func(c runtime.ContainerConfig) fake.Behaviour {
		return fake.Behaviour{Exits: true, Code: 1 - min(c.Identity.Attempt, 1)}
	}})
	uid := w.create("job", func(p *corev1.Pod) { image("flaky")(p); p.Spec.RestartPolicy = corev1.RestartPolicyOnFailure })
	p := w.await(uid, "Succeeded", phase(corev1.PodSucceeded))
	s := app(p)
	if s.RestartCount != 1 || s.State.Terminated == nil || s.State.Terminated.ExitCode != 0 ||
		s.LastTerminationState.Terminated == nil || s.LastTerminationState.Terminated.ExitCode != 1 {
		t.Errorf("container: %+v", s)
	}
}

func TestCommandNotFoundUnderAlways(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("bad", fake.Behaviour{StartError: `exec: "nope": executable file not found in $PATH`})
	uid := w.create("web", image("bad"))
	p := w.await(uid, "in CrashLoopBackOff", waits("CrashLoopBackOff"))
	end := app(p).LastTerminationState.Terminated
	if end == nil || end.ExitCode != 127 || end.Reason != "ContainerCannotRun" || !strings.Contains(end.Message, "not found in $PATH") {
		t.Errorf("last state: %+v", end)
	}
}

func TestImageThatComesLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.create("web", image("later"))
	p := w.await(uid, "in ErrImagePull", waits("ErrImagePull"))
	if m := app(p).State.Waiting.Message; !strings.Contains(m, "later") || p.Status.Phase != corev1.PodPending {
		t.Errorf("message %q, phase %s", m, p.Status.Phase)
	}
	w.await(uid, "in ImagePullBackOff", waits("ImagePullBackOff"))
	w.host().Add(fake.Image{Ref: "later", Remote: true})
	w.await(uid, "ready", ready)
}

func TestPullPolicyNever(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.create("web", func(p *corev1.Pod) { image("nope")(p); p.Spec.Containers[0].ImagePullPolicy = corev1.PullNever })
	w.await(uid, "in ErrImageNeverPull", waits("ErrImageNeverPull"))
	w.event(uid, "ErrImageNeverPull")
}

func TestLivenessByCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var sick atomic.Bool
	w.image("probed", fake.Behaviour{StopCode: 143, Exec: func(context.Context, runtime.ExecConfig) int {
		if sick.Load() {
			return 1
		}
		return 0
	}})
	uid := w.create("web", func(p *corev1.Pod) {
		image("probed")(p)
		p.Spec.Containers[0].LivenessProbe = &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check"}}},
			PeriodSeconds: 1, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 2,
		}
	})
	w.await(uid, "ready", ready)
	sick.Store(true)
	w.await(uid, "killed", func(p *corev1.Pod) bool { return app(p).LastTerminationState.Terminated != nil })
	sick.Store(false)
	p := w.await(uid, "ready again", ready)
	if s := app(p); s.RestartCount != 1 || s.LastTerminationState.Terminated.ExitCode != 143 {
		t.Errorf("container: %+v", s)
	}
}

func TestReadinessByCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ok atomic.Bool
	w.image("probed", fake.Behaviour{Exec: func(context.Context, runtime.ExecConfig) int {
		if ok.Load() {
			return 0
		}
		return 1
	}})
	uid := w.create("web", func(p *corev1.Pod) {
		image("probed")(p)
		p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check"}}},
			PeriodSeconds: 1, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 1,
		}
	})
	p := w.await(uid, "running", phase(corev1.PodRunning))
	if app(p).Ready || condition(p, corev1.PodReady) != corev1.ConditionFalse {
		t.Errorf("ready before its probe: %+v", p.Status)
	}
	ok.Store(true)
	w.await(uid, "ready", ready)
	ok.Store(false)
	p = w.await(uid, "not ready", func(p *corev1.Pod) bool { return condition(p, corev1.PodReady) == corev1.ConditionFalse })
	if s := app(p); s.RestartCount != 0 || s.State.Running == nil {
		t.Errorf("container: %+v", s)
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.create("web", func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{ISCSI: &corev1.ISCSIVolumeSource{TargetPortal: "x", IQN: "y"}}}}
	})
	p := w.await(uid, "Failed", phase(corev1.PodFailed))
	if p.Status.Reason != "UnsupportedField" || !strings.Contains(p.Status.Message, "spec.volumes[0].iscsi") {
		t.Errorf("status: %+v", p.Status)
	}
	if m := w.event(uid, "UnsupportedField"); !strings.Contains(m, "spec.volumes[0].iscsi") {
		t.Errorf("event %q", m)
	}
	if calls := w.host().Calls(); len(calls) > 0 {
		t.Errorf("the host was asked for %v", calls)
	}
}

// TestMoreMemoryThanOneHostHas: the node as a whole could take it, so it is admitted; no host can, so it waits.
func TestMoreMemoryThanOneHostHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h1", "h2")
	uid := w.create("huge", func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("12Gi")}
	})
	p := w.await(uid, "told why", func(p *corev1.Pod) bool { return strings.Contains(p.Status.Message, "memory") })
	if p.Status.Phase != corev1.PodPending {
		t.Errorf("status: %+v", p.Status)
	}
	w.event(uid, "NoHost")
	small := w.create("small", nil) // what cannot be placed keeps nobody back
	w.await(small, "ready", ready)
	w.delete("huge")
	w.awaitGone(uid)
}
