package provider

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/translate"
)

// admit takes the pod in or says why the node does not. One pod at a time is decided, so that two that would not both fit
// do not keep each other out. What has a capsule was admitted before.
func (p *pods) admit(e *entry, pod *corev1.Pod) error {
	allocatable := p.sources.allocatable()
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.admitted || e.capsule != nil {
		return nil
	}
	if allocatable.Memory().IsZero() {
		// No host has said yet what it has: the capsule server places, or tells why not.
		e.admitted = true
		return nil
	}
	n := translate.Node{Allocatable: allocatable, Used: corev1.ResourceList{}}
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
			translate.AddRequests(n.Used, now)
		}
	}
	if r := translate.Reject(pod, n); r != nil {
		return r
	}
	e.admitted = true
	return nil
}
