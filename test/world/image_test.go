package world

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// setImage is kubectl set image for the container called app.
func (w *world) setImage(name, ref string) {
	w.t.Helper()
	pod, err := w.api.CoreV1().Pods(namespace).Get(w.ctx, name, metav1.GetOptions{})
	if err == nil {
		pod.Spec.Containers[0].Image = ref
		_, err = w.api.CoreV1().Pods(namespace).Update(w.ctx, pod, metav1.UpdateOptions{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// runs says that the container called app runs that image, after so many restarts.
func runs(ref string, restarts int32) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool {
		return ready(p) && app(p).State.Running != nil && app(p).Image == ref && app(p).RestartCount == restarts
	}
}

// A container whose image changes ends gracefully and is made again in its place, whatever the restart policy says; the Pod goes on,
// and so does the other container.
func TestSetImage(t *testing.T) {
	t.Parallel()
	for _, policy := range []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever} {
		for _, code := range []int{0, 143} {
			t.Run(string(policy), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.image("app:1", fake.Behaviour{StopAfter: 200 * time.Millisecond, StopCode: code})
				w.image("app:2", fake.Behaviour{})
				uid := w.create("web", func(p *corev1.Pod) {
					p.Spec.RestartPolicy = policy
					p.Spec.Containers[0].Image = "app:1"
					p.Spec.Containers = append(p.Spec.Containers, container("other", "app"))
				})
				before := w.await(uid, "ready", ready)
				w.setImage("web", "app:2")
				after := w.await(uid, "changed", runs("app:2", 1))
				if last := app(after).LastTerminationState.Terminated; last == nil || int(last.ExitCode) != code || last.ContainerID != app(before).ContainerID {
					t.Errorf("the run before: %+v", last)
				}
				if before.Status.PodIP != after.Status.PodIP || before.Status.ContainerStatuses[1].ContainerID != after.Status.ContainerStatuses[1].ContainerID {
					t.Errorf("the pod is another one:\n%+v\n%+v", before.Status, after.Status)
				}
				if m := w.event(uid, "Killing"); m != "Container app definition changed, will be restarted" {
					t.Errorf("event %q", m)
				}
				states, _ := w.api.history(uid)
				wasRunning := false
				for _, p := range states {
					wasRunning = wasRunning || p.Status.Phase == corev1.PodRunning
					if wasRunning && p.Status.Phase != corev1.PodRunning {
						t.Errorf("phase %s, containers %+v", p.Status.Phase, p.Status.ContainerStatuses)
					}
				}
			})
		}
	}
}

// A wrong image is put right; that its back-off is not waited for is shown in package lifecycle.
func TestSetImageThatWasWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.create("web", image("worng"))
	w.await(uid, "in ImagePullBackOff", waits("ImagePullBackOff"))
	w.setImage("web", "app")
	w.await(uid, "ready", runs("app", 0))
}

// The server and the node may end at any moment of it.
func TestSetImageOverRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("app:2", fake.Behaviour{})
	var all []types.UID
	for _, name := range []string{"a", "b", "c"} {
		all = append(all, w.create(name, func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
	}
	for _, uid := range all {
		w.await(uid, "ready", ready)
	}
	w.setImage("a", "app:2")
	w.stopServer()
	w.setImage("b", "app:2")
	w.startServer()
	w.stopNode()
	w.setImage("c", "app:2")
	w.startNode()
	for _, uid := range all {
		w.await(uid, "changed", runs("app:2", 1))
	}
	before := slices.Concat(w.containersOf(all[0]), w.containersOf(all[1]), w.containersOf(all[2]))
	w.stopServer()
	w.startServer()
	w.stopNode()
	w.startNode()
	late := w.create("late", nil)
	w.await(late, "ready", ready)
	if after := slices.Concat(w.containersOf(all[0]), w.containersOf(all[1]), w.containersOf(all[2])); !slices.Equal(before, after) {
		t.Errorf("containers %v, then %v", before, after)
	}
}
