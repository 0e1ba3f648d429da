package admission

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Resized says whether the Pod asks for other resources than its capsule has.
func Resized(pod *corev1.Pod, c *capsule.Capsule) bool {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			cs, _ := c.Spec.Container(list[i].Name)
			if cs != nil && len(cs.Resized(&capsule.Run{Resources: &list[i].Resources})) > 0 {
				return true
			}
		}
	}
	return false
}

// Deferred is why a resize has to wait or cannot be; nil when it can be done. n is the node without the Pod.
func Deferred(pod *corev1.Pod, n Node) *Rejection {
	asked := podspec.Requests(pod)
	var late []string
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		has := n.Allocatable[name]
		if has.IsZero() {
			continue
		}
		need, used, all := amount(name, asked), amount(name, n.Used), amount(name, n.Allocatable)
		switch {
		case need > all:
			return &Rejection{Reason: corev1.PodReasonInfeasible, Message: fmt.Sprintf(
				"Node didn't have enough capacity: %s, requested: %d, capacity: %d", name, need, all)}
		case used+need > all:
			late = append(late, outOf(name, need, used, all).Message)
		}
	}
	if len(late) > 0 {
		return &Rejection{Reason: corev1.PodReasonDeferred, Message: strings.Join(late, "; ")}
	}
	return nil
}

// KeepAllocated puts the resources that the capsule has in place of what the Pod asks for: a resize that has to wait keeps
// nothing else from being changed.
func KeepAllocated(spec *capsule.Spec, c *capsule.Capsule) {
	for _, list := range [][]capsule.ContainerSpec{spec.InitContainers, spec.Containers} {
		for i := range list {
			if had, _ := c.Spec.Container(list[i].Name); had != nil {
				list[i].Resources = *had.Resources.DeepCopy()
			}
		}
	}
}
