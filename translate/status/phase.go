package status

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// tally counts containers by what they mean for the phase (kubelet: kubelet_pods.go, getPhase).
type tally struct {
	pendingInit, pendingSidecars, failedInit         int
	waiting, running, stopped, restarting, succeeded int
}

// phaseOf is the kubelet's getPhase with two rules around it: a terminal phase is never left, and it is not entered while
// something runs or is still being taken down.
func phaseOf(pod *corev1.Pod, c *capsule.Capsule, s *corev1.PodStatus, final bool) corev1.PodPhase {
	if terminal(pod.Status.Phase) {
		return pod.Status.Phase
	}
	phase := count(pod, s).phase(anyAppStarted(s), final)
	switch {
	case !final && phase == corev1.PodPending && pod.Status.Phase == corev1.PodRunning && redefining(c):
		return corev1.PodRunning
	case final && c != nil && c.Facts.End != nil:
		return corev1.PodFailed
	case final && !terminal(phase):
		return corev1.PodFailed
	case !final && terminal(phase) && (anyStatusRunning(s) || (c != nil && c.Deletion != nil)):
		if !anyAppStarted(s) {
			return corev1.PodPending
		}
		return corev1.PodRunning
	}
	return phase
}

// redefining says whether a container is between an end for another definition and its next attempt.
func redefining(c *capsule.Capsule) bool {
	if c == nil {
		return false
	}
	for i := range c.Facts.Containers {
		if r := c.Facts.Containers[i].Run; r.Redefined() && r.State() == capsule.StateExited {
			return true
		}
	}
	return false
}

func (t tally) phase(started, final bool) corev1.PodPhase {
	switch {
	case t.failedInit > 0:
		return corev1.PodFailed
	case t.pendingInit > 0, t.pendingSidecars > 0 && !started, t.waiting > 0:
		return corev1.PodPending
	case t.running > 0:
		return corev1.PodRunning
	case t.running == 0 && t.stopped > 0:
		switch {
		case t.restarting > 0 && !final:
			return corev1.PodRunning
		case t.stopped == t.succeeded:
			return corev1.PodSucceeded
		default:
			return corev1.PodFailed
		}
	default:
		return corev1.PodPending
	}
}

func count(pod *corev1.Pod, s *corev1.PodStatus) tally {
	var t tally
	for i := range pod.Spec.InitContainers {
		spec := &pod.Spec.InitContainers[i]
		if podspec.IsSidecar(spec) {
			t.sidecar(&s.InitContainerStatuses[i])
		} else {
			t.init(pod, spec, &s.InitContainerStatuses[i])
		}
	}
	for i := range pod.Spec.Containers {
		t.app(pod, &pod.Spec.Containers[i], &s.ContainerStatuses[i])
	}
	return t
}

func (t *tally) init(pod *corev1.Pod, spec *corev1.Container, st *corev1.ContainerStatus) {
	end := st.State.Terminated
	if end == nil && st.State.Waiting != nil {
		end = st.LastTerminationState.Terminated
	}
	switch {
	case st.State.Running != nil || end == nil:
		t.pendingInit++
	case end.ExitCode != 0 && !restarts(pod, spec, int(end.ExitCode)):
		t.failedInit++
	}
}

func (t *tally) sidecar(st *corev1.ContainerStatus) {
	switch {
	case st.State.Running != nil:
		if !ptr.Deref(st.Started, false) {
			t.pendingSidecars++
		}
		t.running++
	case st.State.Terminated != nil:
	case st.LastTerminationState.Terminated == nil:
		t.pendingSidecars++
		t.waiting++
	}
}

func (t *tally) app(pod *corev1.Pod, spec *corev1.Container, st *corev1.ContainerStatus) {
	switch {
	case st.State.Running != nil:
		t.running++
	case st.State.Terminated != nil:
		t.stopped++
		if restarts(pod, spec, int(st.State.Terminated.ExitCode)) {
			t.restarting++
		}
		if st.State.Terminated.ExitCode == 0 {
			t.succeeded++
		}
	case st.LastTerminationState.Terminated != nil:
		t.stopped++
		if restarts(pod, spec, int(st.LastTerminationState.Terminated.ExitCode)) {
			t.restarting++
		}
	default:
		t.waiting++
	}
}

func anyAppStarted(s *corev1.PodStatus) bool {
	for i := range s.ContainerStatuses {
		st := &s.ContainerStatuses[i]
		if st.State.Running != nil || st.State.Terminated != nil || st.LastTerminationState.Terminated != nil {
			return true
		}
	}
	return false
}

func anyStatusRunning(s *corev1.PodStatus) bool {
	for _, list := range [][]corev1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses} {
		for i := range list {
			if list[i].State.Running != nil {
				return true
			}
		}
	}
	return false
}

// initDone says whether the init containers are done: each ended well, each sidecar started, or an app has started.
func initDone(pod *corev1.Pod, s *corev1.PodStatus) bool {
	return anyAppStarted(s) || len(initIncomplete(pod, s)) == 0
}

func initIncomplete(pod *corev1.Pod, s *corev1.PodStatus) []string {
	var names []string
	for i := range pod.Spec.InitContainers {
		st := &s.InitContainerStatuses[i]
		done := st.Ready
		if podspec.IsSidecar(&pod.Spec.InitContainers[i]) {
			done = ptr.Deref(st.Started, false)
		}
		if !done {
			names = append(names, st.Name)
		}
	}
	return names
}
