package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// ours are the conditions that a kubelet owns, in the order in which they are written.
var ours = []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady,
	corev1.ContainersReady, corev1.PodScheduled, corev1.PodResizePending, corev1.PodResizeInProgress}

// conditionsOf is what others own, as it is, and then the kubelet's own.
func conditionsOf(pod *corev1.Pod, c *capsule.Capsule, s *corev1.PodStatus) []corev1.PodCondition {
	var all []corev1.PodCondition
	for _, have := range pod.Status.Conditions {
		if !slices.Contains(ours, have.Type) {
			all = append(all, have)
		}
	}
	times := timesOf(pod, c)
	containers := containersReady(pod, s)
	own := []corev1.PodCondition{
		readyToStart(c, s), initializedCondition(pod, s), podReady(pod, containers), containers,
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
	}
	own = append(own, resizing(pod, c, s)...)
	for _, n := range own {
		n.ObservedGeneration = pod.Generation
		n.LastTransitionTime = stamp(times.of(n.Type, n.Status))
		if have := conditionOf(pod.Status.Conditions, n.Type); have != nil && have.Status == n.Status {
			n.LastTransitionTime = have.LastTransitionTime
		}
		all = append(all, n)
	}
	return all
}

func conditionOf(list []corev1.PodCondition, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range list {
		if list[i].Type == t {
			return &list[i]
		}
	}
	return nil
}

func readyToStart(c *capsule.Capsule, s *corev1.PodStatus) corev1.PodCondition {
	cond := corev1.PodCondition{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionFalse}
	if c != nil && c.Facts.Sandbox.Ready && !terminal(s.Phase) {
		cond.Status = corev1.ConditionTrue
	}
	return cond
}

func initializedCondition(pod *corev1.Pod, s *corev1.PodStatus) corev1.PodCondition {
	cond := corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}
	switch incomplete := initIncomplete(pod, s); {
	case s.Phase == corev1.PodSucceeded:
		cond.Reason = "PodCompleted"
	case anyAppStarted(s):
	case len(incomplete) > 0:
		cond.Status, cond.Reason = corev1.ConditionFalse, "ContainersNotInitialized"
		cond.Message = fmt.Sprintf("containers with incomplete status: %s", incomplete)
	}
	return cond
}

func containersReady(pod *corev1.Pod, s *corev1.PodStatus) corev1.PodCondition {
	cond := corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse}
	switch s.Phase {
	case corev1.PodSucceeded:
		cond.Reason = "PodCompleted"
		return cond
	case corev1.PodFailed:
		cond.Reason = "PodFailed"
		return cond
	}
	var unready []string
	for i := range pod.Spec.InitContainers {
		if podspec.IsSidecar(&pod.Spec.InitContainers[i]) && !s.InitContainerStatuses[i].Ready {
			unready = append(unready, s.InitContainerStatuses[i].Name)
		}
	}
	for i := range s.ContainerStatuses {
		if !s.ContainerStatuses[i].Ready {
			unready = append(unready, s.ContainerStatuses[i].Name)
		}
	}
	if len(unready) > 0 {
		cond.Reason = "ContainersNotReady"
		cond.Message = fmt.Sprintf("containers with unready status: %s", unready)
		return cond
	}
	cond.Status = corev1.ConditionTrue
	return cond
}

// podReady is ContainersReady and the readiness gates.
func podReady(pod *corev1.Pod, containers corev1.PodCondition) corev1.PodCondition {
	cond := containers
	cond.Type = corev1.PodReady
	if cond.Status != corev1.ConditionTrue {
		return cond
	}
	var messages []string
	for _, gate := range pod.Spec.ReadinessGates {
		switch have := conditionOf(pod.Status.Conditions, gate.ConditionType); {
		case have == nil:
			messages = append(messages, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", gate.ConditionType))
		case have.Status != corev1.ConditionTrue:
			messages = append(messages, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", gate.ConditionType, have.Status))
		}
	}
	if len(messages) > 0 {
		cond.Status, cond.Reason, cond.Message = corev1.ConditionFalse, "ReadinessGatesNotReady", strings.Join(messages, ", ")
	}
	return cond
}

// times are the moments that conditions can have changed at.
type times struct {
	scheduled   time.Time // the Pod got its node
	latest      time.Time // the newest fact
	sandbox     time.Time
	initialized time.Time
	ready       time.Time // the last container became ready
	gates       time.Time // the last readiness gate changed
}

func timesOf(pod *corev1.Pod, c *capsule.Capsule) times {
	t := times{scheduled: pod.CreationTimestamp.Time}
	if have := conditionOf(pod.Status.Conditions, corev1.PodScheduled); have != nil {
		t.scheduled = have.LastTransitionTime.Time
	}
	for _, gate := range pod.Spec.ReadinessGates {
		if have := conditionOf(pod.Status.Conditions, gate.ConditionType); have != nil {
			t.gates = later(t.gates, have.LastTransitionTime.Time)
		}
	}
	if c == nil {
		return t
	}
	f := &c.Facts
	if away := c.Claim.Away; away != nil {
		t.latest = later(away.Since, away.Until)
		t.ready = away.Until
	}
	t.sandbox = f.Sandbox.StartedAt
	t.latest = later(t.latest, later(f.StartedAt, later(f.Sandbox.StartedAt, f.StoppedAt)))
	t.initialized = f.StartedAt
	if f.End != nil {
		t.latest = later(t.latest, f.End.At)
	}
	for i := range f.Containers {
		t.addContainer(&f.Containers[i])
	}
	return t
}

func (t *times) addContainer(cf *capsule.ContainerFacts) {
	if cf.Run == nil {
		return
	}
	t.latest = later(t.latest, later(cf.Run.StartedAt, later(cf.Run.FinishedAt, cf.ReadyAt)))
	if !cf.Init {
		ready := cf.ReadyAt
		if ready.IsZero() {
			ready = cf.Run.StartedAt
		}
		t.ready = later(t.ready, ready)
		return
	}
	done := cf.Run.FinishedAt
	if done.IsZero() {
		done = cf.Run.StartedAt
	}
	t.initialized = later(t.initialized, done)
}

// of is when the condition took on that status, as far as facts tell.
func (t times) of(cond corev1.PodConditionType, status corev1.ConditionStatus) time.Time {
	at := t.latest
	if status == corev1.ConditionTrue {
		switch cond {
		case corev1.PodScheduled:
			return t.scheduled
		case corev1.PodReadyToStartContainers:
			at = t.sandbox
		case corev1.PodInitialized:
			at = t.initialized
		case corev1.ContainersReady:
			at = t.ready
		case corev1.PodReady:
			at = later(t.ready, t.gates)
		}
	}
	return later(at, t.scheduled)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
