package capsule

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// resizable are the resources that can change while a container runs.
var resizable = []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}

// Limit is the container's limit of cpu or memory, the capsule's where it has none of its own (kubelet:
// kuberuntime_container_linux.go, pod-level resources).
func (s *Spec) Limit(cs *ContainerSpec, name corev1.ResourceName) resource.Quantity {
	if q, ok := cs.Resources.Limits[name]; ok {
		return q
	}
	return s.Resources.Limits[name]
}

// Asked is what the capsule as a whole asks for of a resource; ok is false when its containers say it.
func (s *Spec) Asked(name corev1.ResourceName) (q resource.Quantity, ok bool) {
	if q, ok = s.Resources.Requests[name]; !ok {
		q, ok = s.Resources.Limits[name]
	}
	return q, ok
}

// Resized returns the resources, of cpu and memory, that the container's spec and its run have different amounts of. A run
// whose resources are not known differs in what the spec asks for.
func (cs *ContainerSpec) Resized(r *Run) []corev1.ResourceName {
	var have corev1.ResourceRequirements
	if r != nil && r.Resources != nil {
		have = *r.Resources
	}
	var names []corev1.ResourceName
	for _, name := range resizable {
		if !same(cs.Resources.Requests, have.Requests, name) || !same(cs.Resources.Limits, have.Limits, name) {
			names = append(names, name)
		}
	}
	return names
}

// same compares amounts; none is the same as zero.
func same(a, b corev1.ResourceList, name corev1.ResourceName) bool {
	p, q := a[name], b[name]
	return p.Cmp(q) == 0
}

// ResizeRestarts says whether a change of one of the resources needs another attempt of the container.
func (cs *ContainerSpec) ResizeRestarts(names []corev1.ResourceName) bool {
	for _, p := range cs.ResizePolicy {
		for _, name := range names {
			if p.ResourceName == name && p.RestartPolicy == corev1.RestartContainer {
				return true
			}
		}
	}
	return false
}
