package provider

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/capsulet/capsulet/provider/kubelet"
	"github.com/capsulet/capsulet/provider/kubelet/metrics"
	"github.com/capsulet/capsulet/provider/sources"
	"github.com/capsulet/capsulet/translate/admission"
	"github.com/capsulet/capsulet/translate/status"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// syncWait is how long GetPods waits for the first list of capsules.
const syncWait = 5 * time.Second

// pods holds the pods of the node and implements Virtual Kubelet's PodLifecycleHandler and PodNotifier. It is safe for
// concurrent use.
type pods struct {
	node     string
	client   kubernetes.Interface
	capsules Capsules
	lister   corelisters.PodLister
	sources  *sources.Sources
	recorder record.EventRecorder
	// allocatable is what pods may use of the node.
	allocatable func() corev1.ResourceList
	metrics     *metrics.Process
	// noAppArmor says that no host enforces AppArmor profiles.
	noAppArmor func() bool
	log        *logrus.Entry

	// synced is closed after the first list of capsules; ready when Virtual Kubelet takes notifications.
	synced, ready chan struct{}
	spawn         chan *entry

	mu     sync.Mutex
	byUID  map[types.UID]*entry
	notify func(*corev1.Pod)
}

// entry is what is known of one pod. Its fields are guarded by pods.mu; what pointers point at never changes.
type entry struct {
	id   identity
	wake chan struct{} // capacity 1
	seen time.Time     // for the first time; zero once its start was counted

	stepping time.Time // since when its worker has been at its step; zero between two

	pod     *corev1.Pod      // as Virtual Kubelet handed it over, or rebuilt from the capsule
	capsule *capsule.Capsule // as last seen, nil before it was
	told    *capsule.Capsule // up to which events were recorded
	gone    bool             // the capsule was there, or could have been, and is no more
	refused error            // why the pod can never run
	// admitted: the node has room for it, which it keeps until it ends.
	admitted bool
	waiting  error // why there is no capsule yet
	// resize is why resources that the pod asks for are not given to the capsule.
	resize *admission.Rejection

	made  *corev1.Pod // what the capsule's present specification was made of; nil after a restart
	stale bool        // a source changed since
	held  time.Time   // since when a status is held back that only tells of progress
	lags  []string    // why the capsule could not be brought up to date, as it was told

	deleting   bool
	grace      *int64 // nil: the capsule's own
	apiRemoved bool   // the removal of the Pod object was asked for
}

func (e *entry) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Run owns the workers; it returns when ctx has ended and all of them have.
func (p *pods) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-p.spawn:
			workers.Go(func() { p.work(ctx, e) })
		}
	}
}

// ensure returns the entry of the pod and starts its worker when it is new; change runs under the lock.
func (p *pods) ensure(ctx context.Context, id identity, change func(e *entry)) {
	p.mu.Lock()
	e, known := p.byUID[id.uid]
	if !known {
		e = &entry{id: id, wake: make(chan struct{}, 1), seen: time.Now(), pod: rebuilt(id, p.node)}
		p.byUID[id.uid] = e
	}
	change(e)
	p.mu.Unlock()
	if known {
		e.nudge()
		return
	}
	select {
	case p.spawn <- e:
	case <-ctx.Done():
	}
}

// update changes an entry, which its worker is woken for; false when there is none.
func (p *pods) update(uid types.UID, change func(e *entry)) bool {
	p.mu.Lock()
	e, ok := p.byUID[uid]
	if ok {
		change(e)
	}
	p.mu.Unlock()
	if ok {
		e.nudge()
	}
	return ok
}

// CreatePod accepts the pod; its worker does the rest. Idempotent for each UID.
func (p *pods) CreatePod(ctx context.Context, pod *corev1.Pod) error {
	p.ensure(ctx, identityOf(pod), func(e *entry) { e.pod = pod })
	return nil
}

// UpdatePod takes the new Pod over; its worker brings the capsule up to date.
func (p *pods) UpdatePod(ctx context.Context, pod *corev1.Pod) error {
	p.ensure(ctx, identityOf(pod), func(e *entry) { e.pod = pod })
	return nil
}

// DeletePod wakes the worker, which deletes the capsule, reports the end and removes the Pod object. A Pod without a
// deletion mark may be a new one that Virtual Kubelet mistook for its namesake that is gone: the worker looks for itself.
func (p *pods) DeletePod(ctx context.Context, pod *corev1.Pod) error {
	p.ensure(ctx, identityOf(pod), func(e *entry) {
		if len(pod.Spec.Containers) > 0 {
			e.pod = pod
		}
		if pod.DeletionTimestamp != nil {
			e.markDeleting(pod)
		}
	})
	return nil
}

// markDeleting remembers the shortest grace period that was asked for; pod may be nil.
func (e *entry) markDeleting(pod *corev1.Pod) {
	var grace *int64
	if pod != nil && pod.DeletionTimestamp != nil {
		grace = pod.DeletionGracePeriodSeconds
	}
	if grace != nil && (!e.deleting || e.grace == nil || *grace < *e.grace) {
		e.grace = grace
	}
	e.deleting = true
}

// GetPod returns the pod of that name as it was handed over. With a new Pod of the same name in the API, the old one is
// not found.
func (p *pods) GetPod(_ context.Context, namespace, name string) (*corev1.Pod, error) {
	e, ok := p.named(namespace, name)
	if !ok {
		return nil, forVirtualKubelet(fmt.Errorf("pod %s/%s: %w", namespace, name, errdefs.ErrNotFound))
	}
	return e.pod.DeepCopy(), nil
}

// named finds a pod by name: the one that the API has now or, when it has none, the last one. The entry is a copy.
func (p *pods) named(namespace, name string) (entry, bool) {
	now, err := p.lister.Pods(namespace).Get(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		if e, ok := p.byUID[now.UID]; ok {
			return *e, true
		}
		return entry{}, false
	}
	var found entry
	ok := false
	for _, e := range p.byUID {
		if e.id.namespace == namespace && e.id.name == name && (!ok || found.deleting) {
			found, ok = *e, true
		}
	}
	return found, ok
}

// GetPodStatus returns the status of the pod of that name.
func (p *pods) GetPodStatus(_ context.Context, namespace, name string) (*corev1.PodStatus, error) {
	e, ok := p.named(namespace, name)
	if !ok {
		return nil, forVirtualKubelet(fmt.Errorf("pod %s/%s: %w", namespace, name, errdefs.ErrNotFound))
	}
	pod := e.pod
	if now := p.inAPI(e.id); now != nil {
		pod = now
	}
	status := e.status(pod)
	return &status, nil
}

// GetPods returns the pods that have an entry, with their status.
func (p *pods) GetPods(ctx context.Context) ([]*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, syncWait)
	defer cancel()
	select {
	case <-p.synced:
	case <-ctx.Done():
		return nil, fmt.Errorf("the capsules are not known yet: %w", errdefs.ErrUnavailable)
	}
	p.mu.Lock()
	entries := make([]entry, 0, len(p.byUID))
	for _, e := range p.byUID {
		entries = append(entries, *e)
	}
	p.mu.Unlock()
	list := make([]*corev1.Pod, 0, len(entries))
	for _, e := range entries {
		pod := e.pod.DeepCopy()
		if len(pod.Spec.Containers) > 0 {
			pod.Status = e.status(pod)
		}
		list = append(list, pod)
	}
	return list, nil
}

// Named implements [kubelet.Pods].
func (p *pods) Named(namespace, name string) (kubelet.Pod, bool) {
	e, ok := p.named(namespace, name)
	if !ok {
		return kubelet.Pod{}, false
	}
	pod := *e.pod
	pod.Status = e.status(e.pod)
	return kubelet.Pod{Pod: &pod, Capsule: e.capsule}, true
}

// Present implements [kubelet.Pods].
func (p *pods) Present() []kubelet.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]kubelet.Pod, 0, len(p.byUID))
	for _, e := range p.byUID {
		if !e.gone && e.refused == nil {
			list = append(list, kubelet.Pod{Pod: e.pod, Capsule: e.capsule})
		}
	}
	return list
}

// NotifyPods registers the callback for new statuses.
func (p *pods) NotifyPods(_ context.Context, notify func(*corev1.Pod)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notify = notify
}

// inAPI returns the Pod as the API has it, nil when there is none of that UID.
func (p *pods) inAPI(id identity) *corev1.Pod {
	pod, err := p.lister.Pods(id.namespace).Get(id.name)
	if err != nil || pod.UID != id.uid {
		return nil
	}
	return pod
}

// status is the status that the pod should have; pod.Status is what it has.
func (e *entry) status(pod *corev1.Pod) corev1.PodStatus {
	switch {
	case e.refused != nil:
		return status.Refused(pod, e.refused)
	case e.gone:
		return status.Gone(pod, e.capsule)
	case e.capsule == nil && e.waiting != nil:
		return status.Waiting(pod, e.waiting)
	default:
		return status.WithResize(status.Of(pod, e.capsule), e.resize)
	}
}
