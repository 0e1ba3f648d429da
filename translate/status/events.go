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

// Event is one event of a Pod.
type Event struct {
	// Type is Normal or Warning.
	Type, Reason, Message string
	// FieldPath is spec.containers{name} for a container's event, else empty.
	FieldPath string
}

// Events are what a kubelet would have recorded between two states of a capsule; before is nil for a new one. Steps that
// were jumped over between the two are not made up.
func Events(pod *corev1.Pod, before, after *capsule.Capsule) []Event {
	if after == nil {
		return nil
	}
	if before == nil {
		before = &capsule.Capsule{}
	}
	e := &recorder{pod: pod}
	e.capsule(before, after)
	for i := range after.Facts.Containers {
		now := &after.Facts.Containers[i]
		was := before.Facts.Container(now.Name)
		if was == nil {
			was = &capsule.ContainerFacts{}
		}
		e.container(was, now)
	}
	ending := (before.Deletion == nil && after.Deletion != nil) || (before.Facts.End == nil && after.Facts.End != nil) ||
		(len(before.Facts.Containers) > 0 && !before.Done() && after.Done())
	for i := range after.Facts.Containers {
		if f := &after.Facts.Containers[i]; ending && f.Run.State() == capsule.StateRunning {
			e.add(f, corev1.EventTypeNormal, "Killing", "Stopping container %s", f.Name)
		}
	}
	return e.events
}

type recorder struct {
	pod    *corev1.Pod
	events []Event
}

// add records an event of the container of f, or of the pod when f is nil.
func (e *recorder) add(f *capsule.ContainerFacts, kind, reason, format string, args ...any) {
	path := ""
	if f != nil {
		path = fmt.Sprintf("spec.containers{%s}", f.Name)
		if f.Ephemeral {
			path = fmt.Sprintf("spec.ephemeralContainers{%s}", f.Name)
		}
		if f.Init {
			path = fmt.Sprintf("spec.initContainers{%s}", f.Name)
		}
	}
	e.events = append(e.events, Event{Type: kind, Reason: reason, Message: fmt.Sprintf(format, args...), FieldPath: path})
}

func (e *recorder) capsule(before, after *capsule.Capsule) {
	if r := after.Claim.Reason; r != "" && r != before.Claim.Reason && after.Claim.Host == "" {
		e.add(nil, corev1.EventTypeWarning, "NoHost", "No Docker host takes the pod: %s", r)
	}
	if after.Facts.Sandbox.Attempt > before.Facts.Sandbox.Attempt {
		e.add(nil, corev1.EventTypeNormal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
	}
	if f := after.Facts.Failure; isNew(before.Facts.Failure, f) {
		switch f.Kind {
		case capsule.FailedVolume:
			e.add(nil, corev1.EventTypeWarning, "FailedMount", "%s", f.Message)
		default:
			e.add(nil, corev1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to create pod sandbox: %s", f.Message)
		}
	}
	if end := after.Facts.End; end != nil && before.Facts.End == nil {
		e.add(nil, corev1.EventTypeWarning, end.Reason, "%s", end.Message)
	}
}

// isNew says that the failure happened again or went over to waiting.
func isNew(before, after *capsule.Failure) bool {
	return after != nil && (before == nil || before.Kind != after.Kind || before.Count != after.Count || before.BackingOff != after.BackingOff)
}

func (e *recorder) container(was, now *capsule.ContainerFacts) {
	e.pull(was, now)
	e.run(was, now)
	if isNew(was.Failure, now.Failure) {
		e.failure(now)
	}
	e.probes(was, now)
	if h := now.Hook; h != nil && (was.Hook == nil || !was.Hook.At.Equal(h.At)) {
		e.add(now, corev1.EventTypeWarning, "Failed"+h.Kind+"Hook", "%sHook failed", h.Kind)
		if h.Kind == "PostStart" {
			e.add(now, corev1.EventTypeNormal, "Killing", "FailedPostStartHook")
		}
	}
	switch s := stopping(now); {
	case s == nil || stopping(was) != nil:
	case s.Redefined:
		e.add(now, corev1.EventTypeNormal, "Killing", "%s, will be restarted", s.Reason)
	default:
		probe, _, _ := strings.Cut(s.Reason, " probe failed")
		message := fmt.Sprintf("Container %s failed %s probe", now.Name, strings.ToLower(probe))
		if e.pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
			message += ", will be restarted"
		}
		e.add(now, corev1.EventTypeNormal, "Killing", "%s", message)
	}
}

// run records what became of the newest attempt.
func (e *recorder) run(was, now *capsule.ContainerFacts) {
	r := now.Run
	if r == nil {
		return
	}
	fresh := was.Run == nil || was.Run.ID != r.ID
	if fresh {
		e.add(now, corev1.EventTypeNormal, "Created", "Container created")
	}
	if !r.StartedAt.IsZero() && (fresh || was.Run.StartedAt.IsZero()) {
		e.add(now, corev1.EventTypeNormal, "Started", "Container started")
	}
	if r.Error != "" && (fresh || was.Run.Error == "") {
		e.add(now, corev1.EventTypeWarning, "Failed", "Error: %s", r.Error)
	}
	if now.BackOffSeconds > 0 && r.State() == capsule.StateExited && (fresh || was.Run.State() != capsule.StateExited || was.BackOffSeconds != now.BackOffSeconds) {
		e.add(now, corev1.EventTypeWarning, "BackOff", "Back-off restarting failed container %s in pod %s_%s(%s)",
			now.Name, e.pod.Name, e.pod.Namespace, e.pod.UID)
	}
}

func stopping(f *capsule.ContainerFacts) *capsule.Stopping {
	if f.Run == nil {
		return nil
	}
	return f.Run.Stopping
}

// pull records how the container came by its image (kubelet: pkg/kubelet/images/image_manager.go).
func (e *recorder) pull(was, now *capsule.ContainerFacts) {
	p := now.Pull
	if p == nil {
		return
	}
	image := ""
	if spec := podspec.Container(e.pod, now.Name); spec != nil {
		image = spec.Image
	}
	same := was.Pull != nil && was.Pull.StartedAt.Equal(p.StartedAt)
	if !same && !p.Present {
		e.add(now, corev1.EventTypeNormal, "Pulling", "Pulling image %q", image)
	}
	switch {
	case p.FinishedAt.IsZero(), same && !was.Pull.FinishedAt.IsZero():
	case p.Present:
		e.add(now, corev1.EventTypeNormal, "Pulled", "Container image %q already present on machine and can be accessed by the pod", image)
	default:
		took := p.FinishedAt.Sub(p.StartedAt).Truncate(time.Millisecond)
		e.add(now, corev1.EventTypeNormal, "Pulled", "Successfully pulled image %q in %v (%v including waiting). Image size: %v bytes.",
			image, took, took, p.SizeBytes)
	}
}

// probes records the failures of probes (kubelet: pkg/kubelet/prober/prober.go).
func (e *recorder) probes(was, now *capsule.ContainerFacts) {
	for _, f := range now.Unhealthy {
		if slices.ContainsFunc(was.Unhealthy, func(h capsule.ProbeFailure) bool {
			return h.Kind == f.Kind && h.RunID == f.RunID && h.Count == f.Count
		}) {
			continue
		}
		e.add(now, corev1.EventTypeWarning, "Unhealthy", "%s probe failed: %s", f.Kind, f.Message)
	}
}

func (e *recorder) failure(now *capsule.ContainerFacts) {
	f, image := now.Failure, ""
	if spec := podspec.Container(e.pod, now.Name); spec != nil {
		image = spec.Image
	}
	switch {
	case f.Kind == capsule.FailedVolume:
		e.add(nil, corev1.EventTypeWarning, "FailedMount", "%s", f.Message)
	case f.Kind == capsule.FailedSandbox:
		e.add(nil, corev1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to create pod sandbox: %s", f.Message)
	case f.Kind != capsule.FailedPull:
		e.add(now, corev1.EventTypeWarning, "Failed", "Error: %s", f.Message)
	case f.Reason == "ErrImageNeverPull":
		e.add(now, corev1.EventTypeWarning, "ErrImageNeverPull", "Container image %q is not present with pull policy of Never", image)
		e.add(now, corev1.EventTypeWarning, "Failed", "Error: ErrImageNeverPull")
	case f.Reason == "InvalidImageName":
		e.add(now, corev1.EventTypeWarning, "InspectFailed", "%s", invalidImage(image, f))
		e.add(now, corev1.EventTypeWarning, "Failed", "Error: InvalidImageName")
	case f.BackingOff:
		e.add(now, corev1.EventTypeNormal, "BackOff", "Back-off pulling image %q", image)
		e.add(now, corev1.EventTypeWarning, "Failed", "Error: ImagePullBackOff")
	default:
		e.add(now, corev1.EventTypeWarning, "Failed", "Failed to pull image %q: %s", image, f.Message)
		e.add(now, corev1.EventTypeWarning, "Failed", "Error: ErrImagePull")
	}
}
