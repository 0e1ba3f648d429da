package world

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

func init() {
	// The fake clientset panics when a watcher is further behind than that; a burst under the race detector can be.
	watch.DefaultChanSize = 10_000
}

var podResource = corev1.SchemeGroupVersion.WithResource("pods")

// cluster is a fake clientset with what pods need of a real API server, and a memory of all that became of them.
type cluster struct {
	*fake.Clientset

	mu sync.Mutex
	// pods has all states of each pod, oldest first; gone are those whose object was removed.
	pods   map[types.UID][]*corev1.Pod
	gone   map[types.UID]bool
	events map[types.UID][]*corev1.Event
	// changed is closed and replaced with every change.
	changed chan struct{}
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{
		Clientset: fake.NewClientset(), pods: map[types.UID][]*corev1.Pod{}, gone: map[types.UID]bool{},
		events: map[types.UID][]*corev1.Event{}, changed: make(chan struct{}),
	}
	c.PrependReactor("delete", "pods", c.deletePod)
	c.PrependReactor("patch", "pods", c.checkUID)
	c.PrependWatchReactor("pods", c.watchPods)
	pods, err := c.CoreV1().Pods("").Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	events, err := c.CoreV1().Events("").Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { c.remember(pods) })
	readers.Go(func() { c.remember(events) })
	t.Cleanup(func() { pods.Stop(); events.Stop(); readers.Wait() })
	return c
}

// remember keeps what a watch shows.
func (c *cluster) remember(w watch.Interface) {
	for e := range w.ResultChan() {
		c.mu.Lock()
		switch o := e.Object.(type) {
		case *corev1.Pod:
			c.pods[o.UID] = append(c.pods[o.UID], o)
			c.gone[o.UID] = e.Type == watch.Deleted
		case *corev1.Event:
			c.events[o.InvolvedObject.UID] = append(c.events[o.InvolvedObject.UID], o)
		}
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
	}
}

// deletePod is the API server's graceful deletion (pkg/registry/core/pod/strategy.go, CheckGracefulDelete).
func (c *cluster) deletePod(a k8stesting.Action) (bool, runtime.Object, error) {
	d := a.(k8stesting.DeleteActionImpl)
	obj, err := c.Tracker().Get(podResource, d.Namespace, d.Name)
	if err != nil {
		return true, nil, err
	}
	pod, opts := obj.(*corev1.Pod), d.GetDeleteOptions()
	if p := opts.Preconditions; p != nil && p.UID != nil && *p.UID != pod.UID {
		return true, nil, apierrors.NewConflict(podResource.GroupResource(), d.Name, errUID)
	}
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	for _, g := range []*int64{pod.Spec.TerminationGracePeriodSeconds, opts.GracePeriodSeconds} {
		if g != nil {
			grace = *g
		}
	}
	if ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed; ended || grace == 0 {
		return true, nil, c.Tracker().Delete(podResource, d.Namespace, d.Name)
	}
	if old := pod.DeletionGracePeriodSeconds; old != nil && *old <= grace {
		return true, nil, nil
	}
	now := metav1.NewTime(time.Now().Add(time.Duration(grace) * time.Second))
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &now, &grace
	return true, nil, c.Tracker().Update(podResource, pod, d.Namespace)
}

var errUID = apierrors.NewBadRequest("the UID in the precondition is that of another pod")

// checkUID refuses a patch that names another pod's UID, instead of changing the UID.
func (c *cluster) checkUID(a k8stesting.Action) (bool, runtime.Object, error) {
	p := a.(k8stesting.PatchAction)
	var patch struct{ Metadata metav1.ObjectMeta }
	if err := json.Unmarshal(p.GetPatch(), &patch); err != nil {
		return true, nil, apierrors.NewBadRequest(err.Error())
	}
	obj, err := c.Tracker().Get(podResource, p.GetNamespace(), p.GetName())
	if err != nil {
		return true, nil, err
	}
	if uid := patch.Metadata.UID; uid != "" && uid != obj.(*corev1.Pod).UID {
		return true, nil, apierrors.NewConflict(podResource.GroupResource(), p.GetName(), errUID)
	}
	return false, nil, nil
}

// watchPods begins a watch with the present state: the fake would lose what happens between an informer's list and its
// watch.
func (c *cluster) watchPods(a k8stesting.Action) (bool, watch.Interface, error) {
	ns := a.(k8stesting.WatchAction).GetNamespace()
	w, err := c.Tracker().Watch(podResource, ns)
	if err != nil {
		return true, nil, err
	}
	list, err := c.Tracker().List(podResource, corev1.SchemeGroupVersion.WithKind("Pod"), ns)
	if err != nil {
		return true, nil, err
	}
	for _, p := range list.(*corev1.PodList).Items {
		w.(*watch.RaceFreeFakeWatcher).Modify(&p)
	}
	return true, w, nil
}

// history returns all states of a pod and whether its object is gone.
func (c *cluster) history(uid types.UID) (states []*corev1.Pod, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.pods[uid]), c.gone[uid]
}

// eventsOf returns the events of a pod.
func (c *cluster) eventsOf(uid types.UID) []*corev1.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events[uid])
}

// await waits until ok, which is asked again after each change of a pod or an event. It is false when patience has passed.
func (c *cluster) await(ok func() bool) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if ok() {
			return true
		}
		select {
		case <-changed:
		case <-late.C:
			return ok()
		}
	}
}
