package provider

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/translate/admission"
	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// deferredEvery is how often a resize that has to wait for room is looked at again.
const deferredEvery = 10 * time.Second

// admit takes the pod in or says why the node does not. One pod at a time is decided, so that two that would not both fit
// do not keep each other out. What has a capsule was admitted before.
func (p *pods) admit(e *entry, pod *corev1.Pod) error {
	allocatable := p.allocatable()
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.admitted || e.capsule != nil {
		return nil
	}
	if r := admission.Reject(pod, p.without(e, allocatable)); r != nil {
		return r
	}
	e.admitted = true
	return nil
}

// without is the node as it is without the pod of e. The lock is held.
func (p *pods) without(e *entry, allocatable corev1.ResourceList) admission.Node {
	n := admission.Node{Allocatable: allocatable, Used: corev1.ResourceList{}, NoAppArmor: p.noAppArmor()}
	for _, other := range p.byUID {
		if other == e || other.gone || other.refused != nil || !other.admitted && other.capsule == nil {
			continue
		}
		now := p.inAPI(other.id)
		if now == nil {
			now = other.pod
		}
		if !ended(now) {
			n.Pods++
			podspec.AddRequests(n.Used, now)
		}
	}
	return n
}

// holdResize leaves the resources in spec as the capsule has them while the node has no room for those that the pod asks
// for, and remembers why.
func (p *pods) holdResize(e, view *entry, pod *corev1.Pod, spec *capsule.Spec) {
	var why *admission.Rejection
	if admission.Resized(pod, view.capsule) {
		allocatable := p.allocatable()
		p.mu.Lock()
		n := p.without(e, allocatable)
		p.mu.Unlock()
		why = admission.Deferred(pod, n)
	}
	if why != nil {
		admission.KeepAllocated(spec, view.capsule)
		spec.Hash += " " + why.Reason // another one than when the resize is done
	}
	if why != nil && why.Reason == corev1.PodReasonDeferred {
		time.AfterFunc(deferredEvery, func() { p.update(e.id.uid, func(e *entry) { e.stale = true }) })
	}
	p.mu.Lock()
	e.resize = why
	p.mu.Unlock()
}
