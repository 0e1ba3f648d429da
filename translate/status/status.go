package status

import (
	"cmp"
	"errors"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/capsulet/capsulet/translate"
	"github.com/capsulet/capsulet/translate/admission"
	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Reasons of a pod that are capsulet's own.
const (
	// ReasonUnsupported: the Pod asks for something this node will not do.
	ReasonUnsupported = "UnsupportedField"
	// ReasonCapsuleGone: the capsule was deleted by somebody else than Kubernetes.
	ReasonCapsuleGone = "CapsuleDeleted"
)

// Of is the status of the Pod as its capsule shows it; c is nil while there is no capsule yet. pod.Status is the
// status before: what others own in it is kept.
func Of(pod *corev1.Pod, c *capsule.Capsule) corev1.PodStatus {
	if c == nil || !stopped(c) {
		return statusOf(pod, c, false)
	}
	s := statusOf(pod, c, true)
	if c.Deletion != nil && taken(pod, c) {
		failTaken(pod, c, &s)
	}
	return s
}

// Gone is the final status of a Pod whose capsule is no more; c is what was last seen of it, or nil. Containers whose
// end nobody saw are ContainerStatusUnknown.
func Gone(pod *corev1.Pod, c *capsule.Capsule) corev1.PodStatus {
	s := statusOf(pod, c, true)
	if taken(pod, c) {
		failTaken(pod, c, &s)
	}
	return s
}

// taken says, of a capsule that is deleted, that somebody else than Kubernetes took it from the Pod before it had come to
// its own end: whatever its containers ended with then, the Pod has not done its work.
func taken(pod *corev1.Pod, c *capsule.Capsule) bool {
	if pod.DeletionTimestamp != nil || terminal(pod.Status.Phase) {
		return false
	}
	if c == nil || c.Facts.End == nil && !c.Done() {
		return true
	}
	for i := range c.Facts.Containers {
		if r := c.Facts.Containers[i].Run; c.Facts.End == nil && r != nil && c.Deletion != nil && r.FinishedAt.After(c.Deletion.At) {
			return true
		}
	}
	return false
}

func failTaken(pod *corev1.Pod, c *capsule.Capsule, s *corev1.PodStatus) {
	s.Phase, s.Reason = corev1.PodFailed, ReasonCapsuleGone
	s.Message = "The capsule of this pod was deleted on the capsule server."
	s.Conditions = conditionsOf(pod, c, s)
}

// Refused is the status of a Pod that can never run here.
func Refused(pod *corev1.Pod, refused error) corev1.PodStatus {
	s := statusOf(pod, nil, false)
	s.Phase, s.Reason, s.Message = corev1.PodFailed, ReasonUnsupported, refused.Error()
	var rejected *admission.Rejection
	if errors.As(refused, &rejected) {
		s.Reason, s.Message = rejected.Reason, "Pod was rejected: "+rejected.Message
	}
	s.Conditions = conditionsOf(pod, nil, &s)
	s.InitContainerStatuses, s.ContainerStatuses = nil, nil // nothing was tried; a kubelet's rejection has none either
	return s
}

// Waiting is the status of a Pod that has no capsule yet because of err, a [*translate.Missing] or a passing trouble.
func Waiting(pod *corev1.Pod, err error) corev1.PodStatus {
	s := statusOf(pod, nil, false)
	var missing *translate.Missing
	if !errors.As(err, &missing) {
		s.Message = err.Error()
		return s
	}
	if missing.Container == "" {
		return s // a volume waits: ContainerCreating, and an event says which, as on a kubelet
	}
	for _, list := range [][]corev1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses} {
		for i := range list {
			if list[i].Name == missing.Container {
				list[i].State.Waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: missing.Error()}
			}
		}
	}
	return s
}

// stopped says that no container of the capsule runs any more and none will.
func stopped(c *capsule.Capsule) bool {
	switch {
	case !c.Facts.StoppedAt.IsZero():
		return true
	case c.Facts.End != nil:
		return !anyRunning(c)
	case c.Deletion != nil:
		return c.Claim.Host == "" // never had a host: nothing ever ran
	}
	return false
}

func anyRunning(c *capsule.Capsule) bool {
	for i := range c.Facts.Containers {
		if c.Facts.Containers[i].Run.State() == capsule.StateRunning {
			return true
		}
	}
	return false
}

// statusOf builds the status; final says that nothing will run any more.
func statusOf(pod *corev1.Pod, c *capsule.Capsule, final bool) corev1.PodStatus {
	s := *pod.Status.DeepCopy() // QoS class and what others own stay
	s.ObservedGeneration = pod.Generation
	s.Reason, s.Message = "", ""
	s.InitContainerStatuses = containerStatuses(pod, c, pod.Spec.InitContainers, pod.Status.InitContainerStatuses, true)
	s.ContainerStatuses = containerStatuses(pod, c, pod.Spec.Containers, pod.Status.ContainerStatuses, false)
	s.EphemeralContainerStatuses = containerStatuses(pod, c, podspec.Ephemeral(pod), pod.Status.EphemeralContainerStatuses, false)
	for i := range s.EphemeralContainerStatuses { // they have no readiness
		s.EphemeralContainerStatuses[i].Ready, s.EphemeralContainerStatuses[i].Started = false, nil
	}
	if c != nil {
		addresses(&s, &c.Facts)
		if t := c.Facts.StartedAt; !t.IsZero() {
			at := stamp(t)
			s.StartTime = &at
		}
	}
	if final {
		closeContainers(pod, &s)
	}
	s.Phase = phaseOf(pod, c, &s, final)
	switch {
	case c != nil && c.Facts.End != nil && s.Phase == corev1.PodFailed:
		s.Reason, s.Message = c.Facts.End.Reason, c.Facts.End.Message
	case s.Phase == corev1.PodPending && c != nil && c.Claim.Host == "":
		s.Message = c.Claim.Reason
	case s.Phase == corev1.PodPending && c != nil && c.Facts.Failure != nil:
		s.Message = c.Facts.Failure.Message
	case s.Phase == pod.Status.Phase && terminal(s.Phase):
		s.Reason, s.Message = pod.Status.Reason, pod.Status.Message
	}
	s.Conditions = conditionsOf(pod, c, &s)
	return s
}

// closeContainers gives every container that is not known to have ended an end (kubelet: status_manager.go,
// TerminatePod). Containers that wait behind an init container that failed go on waiting.
func closeContainers(pod *corev1.Pod, s *corev1.PodStatus) {
	unknown := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "ContainerStatusUnknown",
		Message: "The container could not be located when the pod was terminated", ExitCode: 137}}
	closeAll := func(list []corev1.ContainerStatus, whole bool) {
		for i := range list {
			st := &list[i]
			switch {
			case st.State.Terminated != nil:
			case st.State.Waiting != nil && st.LastTerminationState.Terminated != nil:
				st.State = st.LastTerminationState
				st.LastTerminationState = corev1.ContainerState{}
			case st.State.Running != nil || whole:
				started := st.State.Running
				st.State = *unknown.DeepCopy()
				if started != nil {
					st.State.Terminated.StartedAt = started.StartedAt
					st.State.Terminated.ContainerID = st.ContainerID
				}
			}
			st.Ready = st.State.Terminated != nil && st.State.Terminated.ExitCode == 0 && st.Ready
			st.Started = new(bool)
		}
	}
	initialized := initDone(pod, s)
	closeAll(s.InitContainerStatuses, false)
	closeAll(s.ContainerStatuses, initialized)
	closeAll(s.EphemeralContainerStatuses, false)
}

// addresses fills in the addresses; the API takes one of each family and nothing that is no address.
func addresses(s *corev1.PodStatus, f *capsule.Facts) {
	if net.ParseIP(f.HostAddress) != nil {
		s.HostIP, s.HostIPs = f.HostAddress, []corev1.HostIP{{IP: f.HostAddress}}
	}
	if len(f.Sandbox.Addresses) == 0 {
		return // the last known ones stay, as on a kubelet
	}
	s.PodIP, s.PodIPs = "", nil
	seen := map[bool]bool{}
	for _, a := range f.Sandbox.Addresses {
		ip := net.ParseIP(a)
		if ip == nil || seen[ip.To4() != nil] {
			continue
		}
		seen[ip.To4() != nil] = true
		s.PodIP = cmp.Or(s.PodIP, a)
		s.PodIPs = append(s.PodIPs, corev1.PodIP{IP: a})
	}
}

func terminal(p corev1.PodPhase) bool { return p == corev1.PodSucceeded || p == corev1.PodFailed }

// stamp cuts a time to what the API keeps of it, so that a status read back equals the one written.
func stamp(t time.Time) metav1.Time { return metav1.NewTime(t.UTC().Truncate(time.Second)) }
