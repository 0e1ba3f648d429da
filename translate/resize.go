package translate

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// resizing are the conditions of a resize under way, none when there is none. Pending: the Pod asks for other resources
// than its capsule was given. InProgress: the capsule's are not yet those that the engine carries out.
func resizing(pod *corev1.Pod, c *capsule.Capsule, s *corev1.PodStatus) []corev1.PodCondition {
	if c == nil || c.Deletion != nil || terminal(s.Phase) {
		return nil
	}
	var all []corev1.PodCondition
	if Resized(pod, c) {
		cond := corev1.PodCondition{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonDeferred}
		if have := conditionOf(pod.Status.Conditions, cond.Type); have != nil {
			cond.Reason, cond.Message = have.Reason, have.Message // whoever decided said why
		}
		all = append(all, cond)
	}
	progress, going := corev1.PodCondition{Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue}, false
	for i := range c.Facts.Containers {
		f := &c.Facts.Containers[i]
		cs, _ := c.Spec.Container(f.Name)
		if cs == nil || f.Run.State() != capsule.StateRunning || f.Run.Resources == nil || len(cs.Resized(f.Run)) == 0 {
			continue
		}
		going = true
		if f.Failure != nil && f.Failure.Kind == capsule.FailedResize {
			progress.Reason, progress.Message = corev1.PodReasonError, f.Failure.Message
		}
	}
	if going {
		all = append(all, progress)
	}
	return all
}

// Resized says whether the Pod asks for other resources than its capsule has.
func Resized(pod *corev1.Pod, c *capsule.Capsule) bool {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			cs, _ := c.Spec.Container(list[i].Name)
			if cs != nil && len(cs.Resized(&capsule.Run{Resources: &list[i].Resources})) > 0 {
				return true
			}
		}
	}
	return false
}

// Deferred is why a resize has to wait or cannot be; nil when it can be done. n is the node without the Pod.
func Deferred(pod *corev1.Pod, n Node) *Rejection {
	asked := Requests(pod)
	var late []string
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		has := n.Allocatable[name]
		if has.IsZero() {
			continue
		}
		need, used, all := amount(name, asked), amount(name, n.Used), amount(name, n.Allocatable)
		switch {
		case need > all:
			return &Rejection{Reason: corev1.PodReasonInfeasible, Message: fmt.Sprintf(
				"Node didn't have enough capacity: %s, requested: %d, capacity: %d", name, need, all)}
		case used+need > all:
			late = append(late, outOf(name, need, used, all).Message)
		}
	}
	if len(late) > 0 {
		return &Rejection{Reason: corev1.PodReasonDeferred, Message: strings.Join(late, "; ")}
	}
	return nil
}

// WithResize says in the condition PodResizePending, if the status has it, why the resize is pending.
func WithResize(s corev1.PodStatus, why *Rejection) corev1.PodStatus {
	if have := conditionOf(s.Conditions, corev1.PodResizePending); have != nil && why != nil {
		have.Reason, have.Message = why.Reason, why.Message
	}
	return s
}

// KeepAllocated puts the resources that the capsule has in place of what the Pod asks for: a resize that has to wait keeps
// nothing else from being changed.
func KeepAllocated(spec *capsule.Spec, c *capsule.Capsule) {
	for _, list := range [][]capsule.ContainerSpec{spec.InitContainers, spec.Containers} {
		for i := range list {
			if had, _ := c.Spec.Container(list[i].Name); had != nil {
				list[i].Resources = *had.Resources.DeepCopy()
			}
		}
	}
}
