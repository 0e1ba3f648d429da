package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

const testTimeout = 10 * time.Second

// world is a node with a fake API server and a fake capsule API.
type world struct {
	t        *testing.T
	client   *fake.Clientset
	capsules *fakeCapsules
	stop     context.CancelFunc
	stopped  chan error
	url      string
}

func newWorld(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{t: t, client: fake.NewClientset(objects...), capsules: newFakeCapsules()}
	w.client.PrependReactor("create", "tokenreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
		review := a.(k8stesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy()
		review.Status.Authenticated = review.Spec.Token != "wrong"
		review.Status.User.Username = review.Spec.Token
		return true, review, nil
	})
	w.client.PrependReactor("create", "subjectaccessreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
		review := a.(k8stesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		review.Status.Allowed = review.Spec.User == "admin"
		return true, review, nil
	})
	// A real API server checks the UID in a patch; the fake would write one pod's status on its namesake.
	w.client.PrependReactor("patch", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
		patch := a.(k8stesting.PatchAction)
		var body corev1.Pod
		if err := json.Unmarshal(patch.GetPatch(), &body); err != nil {
			return true, nil, err
		}
		obj, err := w.client.Tracker().Get(a.GetResource(), a.GetNamespace(), patch.GetName())
		if err == nil && obj.(*corev1.Pod).UID != body.UID {
			err = apierrors.NewConflict(a.GetResource().GroupResource(), patch.GetName(), errors.New("another UID"))
		}
		return err != nil, nil, err
	})
	return w
}

func (w *world) start() *world {
	w.t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	if testing.Verbose() {
		log.SetOutput(w.t.Output())
	}
	p, err := New(Config{Client: kubernetes.Interface(w.client), Capsules: w.capsules, NodeName: "capsulet", Address: "127.0.0.1",
		Listen: "127.0.0.1:0", Log: logrus.NewEntry(log)})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	w.stopped = make(chan error, 1)
	go func() { w.stopped <- p.Run(ctx) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-w.stopped; err != nil {
				w.t.Errorf("Run: %v", err)
			}
		})
	}
	w.t.Cleanup(w.stop)
	select {
	case <-p.Ready():
	case err := <-w.stopped:
		w.t.Fatalf("Run ended: %v", err)
	case <-time.After(testTimeout):
		w.t.Fatal("not ready")
	}
	node, err := w.client.CoreV1().Nodes().Get(ctx, "capsulet", metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.url = fmt.Sprintf("https://127.0.0.1:%d", node.Status.DaemonEndpoints.KubeletEndpoint.Port)
	return w
}

// until waits for a condition that fake servers cannot announce.
func (w *world) until(what string, cond func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(testTimeout)
	for !cond() {
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *world) createPod(change func(*corev1.Pod)) *corev1.Pod {
	w.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: types.UID(uuid.NewString())},
		Spec: corev1.PodSpec{NodeName: "capsulet", RestartPolicy: corev1.RestartPolicyAlways,
			Containers: []corev1.Container{{Name: "a", Image: "img:1"}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	if change != nil {
		change(pod)
	}
	if _, err := w.client.CoreV1().Pods("shop").Create(w.t.Context(), pod, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	return pod
}

func (w *world) pod() *corev1.Pod {
	w.t.Helper()
	pod, err := w.client.CoreV1().Pods("shop").Get(w.t.Context(), "web", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return pod
}

func (w *world) phase(want corev1.PodPhase) *corev1.Pod {
	w.t.Helper()
	w.until("phase "+string(want), func() bool { p := w.pod(); return p != nil && p.Status.Phase == want })
	return w.pod()
}

func (w *world) capsuleOf(pod *corev1.Pod) *capsule.Capsule {
	w.t.Helper()
	w.until("capsule exists", func() bool { return w.capsules.get(string(pod.UID)) != nil })
	return w.capsules.get(string(pod.UID))
}

// run lets the capsule of the pod come up.
func (w *world) run(pod *corev1.Pod) {
	w.t.Helper()
	w.capsuleOf(pod)
	w.capsules.facts(string(pod.UID), func(c *capsule.Capsule) {
		now := time.Now()
		c.Facts.StartedAt = now
		c.Facts.HostAddress = "192.0.2.1"
		c.Facts.Sandbox = capsule.Sandbox{ID: "s", Ready: true, StartedAt: now, Addresses: []string{"172.17.0.2"}}
		c.Facts.Containers = []capsule.ContainerFacts{{Name: "a", Started: true, Ready: true, ReadyAt: now,
			Run: &capsule.Run{ID: "c0", CreatedAt: now, StartedAt: now}}}
	})
}

// markDeleted deletes as the API server does: a grace period, and the object stays.
func (w *world) markDeleted(grace int64) {
	w.t.Helper()
	pod := w.pod()
	now := metav1.Now()
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &now, &grace
	if _, err := w.client.CoreV1().Pods("shop").Update(w.t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) event(reason string) string {
	w.t.Helper()
	var message string
	w.until("event "+reason, func() bool {
		list, err := w.client.CoreV1().Events("shop").List(w.t.Context(), metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range list.Items {
			if e.Reason == reason {
				message = e.Message
				return true
			}
		}
		return false
	})
	return message
}

func TestPodLife(t *testing.T) {
	w := newWorld(t)
	removed := make(chan *corev1.Pod, 10)
	w.client.PrependReactor("delete", "pods", func(k8stesting.Action) (bool, runtime.Object, error) {
		obj, err := w.client.Tracker().Get(corev1.SchemeGroupVersion.WithResource("pods"), "shop", "web")
		if err == nil {
			removed <- obj.(*corev1.Pod).DeepCopy()
		}
		return false, nil, nil
	})
	w.start()
	pod := w.createPod(nil)
	c := w.capsuleOf(pod)
	if id, ours := identityOn(c, "capsulet"); !ours || id != identityOf(pod) || c.Spec.Hash == "" {
		t.Errorf("identity %+v, ours %v", id, ours)
	}
	w.run(pod)
	running := w.phase(corev1.PodRunning)
	if running.Status.PodIP != "172.17.0.2" || !running.Status.ContainerStatuses[0].Ready {
		t.Errorf("status %+v", running.Status)
	}
	w.event("Started")

	w.markDeleted(30)
	w.until("deletion asked", func() bool { return w.capsuleOf(pod).Deletion != nil })
	if got := w.capsuleOf(pod).Deletion.GraceSeconds; got != 30 {
		t.Errorf("grace %d", got)
	}
	w.capsules.facts(string(pod.UID), func(c *capsule.Capsule) {
		run := *c.Facts.Containers[0].Run
		run.FinishedAt, run.ExitCode = time.Now(), 143
		c.Facts.Containers[0].Run = &run
		c.Facts.StoppedAt = time.Now()
	})
	w.capsules.remove(string(pod.UID))
	w.until("pod object gone", func() bool { return w.pod() == nil })
	if final := <-removed; final.Status.Phase != corev1.PodFailed || final.Status.ContainerStatuses[0].State.Terminated.ExitCode != 143 {
		t.Errorf("final pod %+v", final)
	}
	w.event("Killing")
}

func TestPodStatusKeepsWhatOthersOwn(t *testing.T) {
	w := newWorld(t).start()
	pod := w.createPod(func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: "example.com/gate", Status: corev1.ConditionTrue}}
	})
	w.run(pod)
	w.phase(corev1.PodRunning)
	labelled := w.pod()
	labelled.Labels = map[string]string{"new": "label"}
	if _, err := w.client.CoreV1().Pods("shop").Update(t.Context(), labelled, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.capsules.facts(string(pod.UID), func(c *capsule.Capsule) { c.Facts.Containers[0].Ready = false })
	w.until("not ready", func() bool { return !w.pod().Status.ContainerStatuses[0].Ready })
	got := w.pod()
	if got.Labels["new"] != "label" || got.Status.Conditions[0].Type != "example.com/gate" {
		t.Errorf("pod %+v", got)
	}
}

func TestRecreateUnderOneName(t *testing.T) {
	w := newWorld(t).start()
	first := w.createPod(nil)
	w.run(first)
	w.phase(corev1.PodRunning)
	if err := w.client.CoreV1().Pods("shop").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	second := w.createPod(nil)
	w.capsuleOf(second)
	w.until("first deleted", func() bool { return w.capsuleOf(first).Deletion != nil })
	w.run(second)
	w.phase(corev1.PodRunning)
	w.capsules.remove(string(first.UID))
	if w.capsules.get(string(second.UID)).Deletion != nil || w.pod().UID != second.UID {
		t.Error("the second pod was touched")
	}
}

func TestRefusal(t *testing.T) {
	w := newWorld(t).start()
	w.createPod(func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{ISCSI: &corev1.ISCSIVolumeSource{TargetPortal: "x", IQN: "y"}}}}
	})
	pod := w.phase(corev1.PodFailed)
	if pod.Status.Reason != "UnsupportedField" || !strings.Contains(pod.Status.Message, "spec.volumes[0].iscsi") {
		t.Errorf("status %+v", pod.Status)
	}
	if m := w.event("UnsupportedField"); !strings.Contains(m, "spec.volumes[0].iscsi") {
		t.Errorf("event %q", m)
	}
	if w.capsules.creates != 0 {
		t.Error("a capsule was created")
	}
	w.markDeleted(0)
	w.until("pod object gone", func() bool { return w.pod() == nil })
}

func TestMissingSourceIsAwaited(t *testing.T) {
	w := newWorld(t).start()
	pod := w.createPod(func(p *corev1.Pod) {
		p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}
	})
	w.until("waiting", func() bool {
		p := w.pod()
		return len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].State.Waiting != nil &&
			p.Status.ContainerStatuses[0].State.Waiting.Reason == "CreateContainerConfigError"
	})
	w.event("Failed")
	_, err := w.client.CoreV1().ConfigMaps("shop").Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "settings", Namespace: "shop"}, Data: map[string]string{"K": "v"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	env := w.capsuleOf(pod).Spec.Containers[0].Env
	if last := env[len(env)-1]; last.Name != "K" || last.Value != "v" {
		t.Errorf("env %+v", env)
	}
}

func TestCapsuleServerOutage(t *testing.T) {
	w := newWorld(t).start()
	w.capsules.setDown(true)
	pod := w.createPod(func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever })
	w.event("FailedCreateCapsule")
	if p := w.pod(); p.Status.Phase != corev1.PodPending {
		t.Errorf("phase %s during the outage", p.Status.Phase)
	}
	w.capsules.setDown(false)
	w.run(pod)
	w.phase(corev1.PodRunning)
}

func TestCapsuleDeletedByOthers(t *testing.T) {
	w := newWorld(t).start()
	pod := w.createPod(nil)
	w.run(pod)
	w.phase(corev1.PodRunning)
	w.capsules.remove(string(pod.UID))
	if p := w.phase(corev1.PodFailed); p.Status.Reason != "CapsuleDeleted" {
		t.Errorf("status %+v", p.Status)
	}
}

func TestRestartAdopts(t *testing.T) {
	w := newWorld(t).start()
	pod := w.createPod(nil)
	w.run(pod)
	w.phase(corev1.PodRunning)
	w.stop()
	if w.capsules.get(string(pod.UID)).Deletion != nil {
		t.Fatal("stopping deleted the capsule")
	}
	dangling, other := *w.capsules.get(string(pod.UID)), *w.capsules.get(string(pod.UID))
	dangling.UUID, other.UUID = uuid.NewString(), uuid.NewString()
	identity{"shop", "lost", types.UID(dangling.UUID)}.annotate(&dangling.Spec, "capsulet")
	identity{"shop", "theirs", types.UID(other.UUID)}.annotate(&other.Spec, "other-node")
	w.capsules.mu.Lock()
	w.capsules.emit("PUT", &dangling)
	w.capsules.emit("PUT", &other)
	w.capsules.mu.Unlock()

	w.start()
	w.until("dangling capsule deleted", func() bool { return w.capsules.get(dangling.UUID).Deletion != nil })
	w.capsules.facts(string(pod.UID), func(c *capsule.Capsule) {
		run := *c.Facts.Containers[0].Run
		run.ID, run.Attempt = "c1", 1
		c.Facts.Containers[0].Run = &run
	})
	w.until("new status", func() bool { return w.pod().Status.ContainerStatuses[0].RestartCount == 1 })
	if w.capsules.creates != 1 || w.capsules.get(other.UUID).Deletion != nil || w.capsules.get(string(pod.UID)).Deletion != nil {
		t.Error("a capsule was created or deleted that should not have been")
	}
}

func TestDeletedWhileStopped(t *testing.T) {
	w := newWorld(t).start()
	pod := w.createPod(nil)
	w.run(pod)
	w.phase(corev1.PodRunning)
	w.stop()
	w.markDeleted(7)
	w.start()
	w.until("deletion asked", func() bool { return w.capsuleOf(pod).Deletion != nil })
	w.capsules.remove(string(pod.UID))
	w.until("pod object gone", func() bool { return w.pod() == nil })
}
