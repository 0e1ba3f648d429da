package status

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/translate/admission"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// resizing are the conditions of a resize under way, none when there is none. Pending: the Pod asks for other resources
// than its capsule was given. InProgress: the capsule's are not yet those that the engine carries out.
func resizing(pod *corev1.Pod, c *capsule.Capsule, s *corev1.PodStatus) []corev1.PodCondition {
	if c == nil || c.Deletion != nil || terminal(s.Phase) {
		return nil
	}
	var all []corev1.PodCondition
	if admission.Resized(pod, c) {
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

// WithResize says in the condition PodResizePending, if the status has it, why the resize is pending.
func WithResize(s corev1.PodStatus, why *admission.Rejection) corev1.PodStatus {
	if have := conditionOf(s.Conditions, corev1.PodResizePending); have != nil && why != nil {
		have.Reason, have.Message = why.Reason, why.Message
	}
	return s
}
