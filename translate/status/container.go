package status

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// containerStatuses has one status for each container of the list, in its order.
func containerStatuses(pod *corev1.Pod, c *capsule.Capsule, list []corev1.Container, before []corev1.ContainerStatus, init bool) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for i := range list {
		spec := &list[i]
		st := corev1.ContainerStatus{Name: spec.Name, Image: spec.Image, Started: new(bool), VolumeMounts: mountStatuses(spec)}
		if spec.Lifecycle != nil {
			st.StopSignal = spec.Lifecycle.StopSignal
		}
		var facts *capsule.ContainerFacts
		if c != nil {
			facts = c.Facts.Container(spec.Name)
		}
		fillContainer(&st, pod, c, spec, facts, init)
		if facts == nil {
			keepKnown(&st, before, c == nil)
		}
		out = append(out, st)
	}
	return out
}

// keepKnown keeps an end that was written before when nothing is known of the container any more and, when there is no
// capsule any more, that it ran.
func keepKnown(st *corev1.ContainerStatus, before []corev1.ContainerStatus, gone bool) {
	for i := range before {
		if before[i].Name == st.Name && (before[i].State.Terminated != nil || (gone && before[i].State.Running != nil)) {
			*st = *before[i].DeepCopy()
		}
	}
}

func fillContainer(st *corev1.ContainerStatus, pod *corev1.Pod, c *capsule.Capsule, spec *corev1.Container, f *capsule.ContainerFacts, init bool) {
	waiting := &corev1.ContainerStateWaiting{Reason: reasonCreating}
	if len(pod.Spec.InitContainers) > 0 && !podspec.IsEphemeral(pod, spec.Name) {
		waiting.Reason = reasonInitializing
	}
	st.State.Waiting = waiting
	if f == nil {
		return
	}
	if f.Last != nil {
		st.LastTerminationState.Terminated = ended(f.Last)
		st.RestartCount = int32(f.Last.Attempt)
	}
	if f.Run != nil {
		describeRun(st, c, spec, f.Run)
	}
	switch f.Run.State() {
	case capsule.StateRunning:
		st.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: stamp(f.Run.StartedAt)}}
		started := f.Started
		st.Started = &started
		st.Ready = f.Ready && c.Claim.Lost() == "" && (!init || podspec.IsSidecar(spec))
	case capsule.StateExited:
		fillExited(st, pod, c, spec, f)
		st.Ready = init && !podspec.IsSidecar(spec) && f.Run.ExitCode == 0
	default:
		if w := failureWords(spec, f.Failure); w != nil {
			st.State.Waiting = w
		}
	}
}

// describeResources: allocated is what the capsule was given, resources what the engine carries out.
func describeResources(st *corev1.ContainerStatus, c *capsule.Capsule, spec *corev1.Container, r *capsule.Run) {
	allocated := spec.Resources
	if cs, _ := c.Spec.Container(spec.Name); cs != nil {
		allocated = cs.Resources
	}
	st.Resources, st.AllocatedResources = allocated.DeepCopy(), allocated.Requests.DeepCopy()
	if r.Resources != nil && r.State() == capsule.StateRunning {
		st.Resources = r.Resources.DeepCopy()
	}
}

func describeRun(st *corev1.ContainerStatus, c *capsule.Capsule, spec *corev1.Container, r *capsule.Run) {
	st.RestartCount = int32(r.Attempt)
	st.ContainerID = engineID(r.ID)
	st.ImageID = r.ImageID
	if strings.HasPrefix(r.ImageID, "sha256:") {
		st.ImageID = "docker://" + r.ImageID
	}
	if r.Image != "" {
		st.Image = r.Image
	}
	describeResources(st, c, spec, r)
}

// fillExited decides between the end itself and waiting for the next attempt.
func fillExited(st *corev1.ContainerStatus, pod *corev1.Pod, c *capsule.Capsule, spec *corev1.Container, f *capsule.ContainerFacts) {
	if c.Deletion == nil && c.Facts.End == nil && f.Run.Redefined() && !restarts(pod, spec, f.Run.ExitCode) {
		fillRedefined(st, spec, f)
		return
	}
	end := corev1.ContainerState{Terminated: ended(f.Run)}
	var next *corev1.ContainerStateWaiting
	if c.Deletion == nil && c.Facts.End == nil && restarts(pod, spec, f.Run.ExitCode) {
		startFailed := f.Failure != nil && f.Failure.Kind == capsule.FailedStart
		switch {
		case startFailed && !f.Failure.BackingOff && f.BackOffSeconds == 0, f.Failure != nil && !startFailed:
			next = failureWords(spec, f.Failure)
		case f.BackOffSeconds > 0:
			next = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: backOffMessage(pod, spec.Name, f)}
		}
	}
	if next == nil {
		st.State = end
		return
	}
	st.State = corev1.ContainerState{Waiting: next}
	st.LastTerminationState = end
}

// fillRedefined is for a container that is made again although its policy would let it end. The API server lets no such container
// leave the terminated state, and an end that is shown makes the Pod look finished.
func fillRedefined(st *corev1.ContainerStatus, spec *corev1.Container, f *capsule.ContainerFacts) {
	waiting := failureWords(spec, f.Failure)
	if waiting == nil {
		waiting = &corev1.ContainerStateWaiting{Reason: reasonCreating}
	}
	st.State, st.LastTerminationState = corev1.ContainerState{Waiting: waiting}, corev1.ContainerState{}
}

func backOffMessage(pod *corev1.Pod, container string, f *capsule.ContainerFacts) string {
	return fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)", time.Duration(f.BackOffSeconds)*time.Second,
		container, pod.Name, pod.Namespace, pod.UID)
}

// ended describes a finished attempt.
func ended(r *capsule.Run) *corev1.ContainerStateTerminated {
	t := &corev1.ContainerStateTerminated{
		ExitCode:    int32(r.ExitCode),
		Message:     r.Message,
		FinishedAt:  stamp(r.FinishedAt),
		ContainerID: engineID(r.ID),
	}
	if !r.StartedAt.IsZero() {
		t.StartedAt = stamp(r.StartedAt)
	}
	switch {
	case r.Lost:
		t.Reason, t.Message = "ContainerStatusUnknown", "The container could not be located when the pod was terminated"
		t.ExitCode = 137
	case r.Error != "":
		t.Reason = "ContainerCannotRun"
		if t.Message == "" {
			t.Message = r.Error
		}
	case r.OOM:
		t.Reason = "OOMKilled"
	case r.ExitCode == 0:
		t.Reason = "Completed"
	default:
		t.Reason = "Error"
	}
	return t
}

// failureWords are the kubelet's words for what keeps a container from being created or started; nil where the kubelet
// has none and shows the default.
func failureWords(spec *corev1.Container, f *capsule.Failure) *corev1.ContainerStateWaiting {
	if f == nil {
		return nil
	}
	w := &corev1.ContainerStateWaiting{Reason: f.Reason, Message: f.Message}
	switch f.Kind {
	case capsule.FailedPull:
		switch {
		case f.BackingOff && (f.Reason == "" || f.Reason == "ErrImagePull" || f.Reason == "ImagePullBackOff"):
			w.Reason = "ImagePullBackOff"
			w.Message = fmt.Sprintf("Back-off pulling image %q: ErrImagePull: %s", spec.Image, f.Message)
		case f.Reason == "":
			w.Reason = "ErrImagePull"
		case f.Reason == "InvalidImageName":
			w.Message = invalidImage(spec.Image, f)
		}
		return w
	case capsule.FailedConfig:
		w.Reason = "CreateContainerConfigError"
	case capsule.FailedCreate:
		w.Reason = "CreateContainerError"
	case capsule.FailedStart:
		w.Reason = "RunContainerError"
	default:
		return nil
	}
	if f.Reason != "" {
		w.Reason = f.Reason
	}
	return w
}

// invalidImage says that an image's name is none.
func invalidImage(image string, f *capsule.Failure) string {
	return fmt.Sprintf("Failed to apply default image tag %q: %s", image, f.Message)
}

// restarts says whether the container is started again after that exit code.
func restarts(pod *corev1.Pod, spec *corev1.Container, exitCode int) bool {
	if podspec.IsEphemeral(pod, spec.Name) {
		return false
	}
	s := capsule.Spec{RestartPolicy: cmp.Or(capsule.RestartPolicy(pod.Spec.RestartPolicy), capsule.RestartAlways)}
	cs := capsule.ContainerSpec{RestartPolicy: spec.RestartPolicy, RestartPolicyRules: spec.RestartPolicyRules}
	return s.Restarts(&cs, podspec.IsInit(pod, spec.Name), exitCode)
}

func engineID(id string) string {
	if id == "" {
		return ""
	}
	return "docker://" + id
}

func mountStatuses(c *corev1.Container) []corev1.VolumeMountStatus {
	var out []corev1.VolumeMountStatus
	for _, m := range c.VolumeMounts {
		st := corev1.VolumeMountStatus{Name: m.Name, MountPath: m.MountPath, ReadOnly: m.ReadOnly}
		if m.ReadOnly {
			mode := corev1.RecursiveReadOnlyDisabled
			if m.RecursiveReadOnly != nil && *m.RecursiveReadOnly == corev1.RecursiveReadOnlyEnabled {
				mode = corev1.RecursiveReadOnlyEnabled
			}
			st.RecursiveReadOnly = &mode
		}
		out = append(out, st)
	}
	return out
}
