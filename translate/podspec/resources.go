package podspec

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Requests is what the Pod asks for: the sum over what runs side by side, or the most that its start needs.
func Requests(pod *corev1.Pod) corev1.ResourceList {
	sum, peak := corev1.ResourceList{}, corev1.ResourceList{}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if IsSidecar(c) {
			plus(sum, c.Resources.Requests)
			most(peak, sum)
			continue
		}
		with := sum.DeepCopy()
		plus(with, c.Resources.Requests)
		most(peak, with)
	}
	for i := range pod.Spec.Containers {
		plus(sum, pod.Spec.Containers[i].Resources.Requests)
	}
	most(sum, peak)
	if whole := pod.Spec.Resources; whole != nil { // what the whole asks for goes before what its parts do
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			q, ok := whole.Requests[name]
			if !ok {
				q, ok = whole.Limits[name]
			}
			if ok {
				sum[name] = q.DeepCopy()
			}
		}
	}
	plus(sum, pod.Spec.Overhead)
	return sum
}

// AddRequests adds what the Pod asks for to sum.
func AddRequests(sum corev1.ResourceList, pod *corev1.Pod) { plus(sum, Requests(pod)) }

func plus(sum, more corev1.ResourceList) {
	for name, q := range more {
		have := sum[name]
		if have.IsZero() {
			have = resource.Quantity{Format: q.Format}
		}
		have.Add(q)
		sum[name] = have
	}
}

func most(sum, other corev1.ResourceList) {
	for name, q := range other {
		if have := sum[name]; have.Cmp(q) < 0 {
			sum[name] = q.DeepCopy()
		}
	}
}
