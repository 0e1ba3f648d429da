package status

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestProgress(t *testing.T) {
	good := func() (before, after *corev1.PodStatus) {
		wait := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
		return &corev1.PodStatus{Phase: corev1.PodPending}, &corev1.PodStatus{
			Phase: corev1.PodPending, PodIP: "172.17.0.2", ContainerStatuses: []corev1.ContainerStatus{{Name: "app", State: wait}},
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "setup", State: wait}},
		}
	}
	for _, row := range []struct {
		name   string
		change func(before, after *corev1.PodStatus)
		want   bool
	}{
		{"an address came", func(_, _ *corev1.PodStatus) {}, true},
		{"it waits for init containers", func(_, s *corev1.PodStatus) { s.ContainerStatuses[0].State.Waiting.Reason = "PodInitializing" }, true},
		{"it runs", func(_, s *corev1.PodStatus) { s.Phase = corev1.PodRunning }, false},
		{"it ran", func(b, _ *corev1.PodStatus) { b.Phase = corev1.PodRunning }, false},
		{"no host has room for it", func(_, s *corev1.PodStatus) { s.Message = "no host" }, false},
		{"a host has room for it again", func(b, _ *corev1.PodStatus) { b.Message = "no host" }, false},
		{"an image does not come", func(_, s *corev1.PodStatus) { s.ContainerStatuses[0].State.Waiting.Reason = "ErrImagePull" }, false},
		{"a container says why it waits", func(_, s *corev1.PodStatus) { s.ContainerStatuses[0].State.Waiting.Message = "why" }, false},
		{"an init container runs", func(_, s *corev1.PodStatus) {
			s.InitContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		}, false},
		{"an init container failed before", func(_, s *corev1.PodStatus) {
			s.InitContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1}
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			before, after := good()
			row.change(before, after)
			if got := Progress(before, after); got != row.want {
				t.Errorf("%v", got)
			}
		})
	}
}
