package status

import corev1 "k8s.io/api/core/v1"

// Reasons of a container that waits for its turn.
const (
	reasonCreating     = "ContainerCreating"
	reasonInitializing = "PodInitializing"
)

// Progress says that all which after tells more than before is how far a pod has come on its way up: it is Pending in both for
// no stated reason, and all its containers wait for nothing but their turn. Soon there will be more to tell.
func Progress(before, after *corev1.PodStatus) bool {
	if before.Phase != corev1.PodPending || after.Phase != corev1.PodPending || before.Reason != after.Reason || before.Message != after.Message {
		return false
	}
	for _, list := range [][]corev1.ContainerStatus{after.InitContainerStatuses, after.ContainerStatuses, after.EphemeralContainerStatuses} {
		for i := range list {
			wait := list[i].State.Waiting
			if wait == nil || wait.Message != "" || wait.Reason != reasonCreating && wait.Reason != reasonInitializing ||
				list[i].LastTerminationState.Terminated != nil {
				return false
			}
		}
	}
	return true
}
