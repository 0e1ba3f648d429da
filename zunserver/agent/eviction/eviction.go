// Package eviction decides, in the kubelet's words (pkg/kubelet/eviction), whether a capsule takes more of its host's disk
// than its limits of ephemeral storage allow. It is pure; the agent measures.
package eviction

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Limited says whether anything of the capsule has a limit of ephemeral storage.
func Limited(s *capsule.Spec) bool {
	_, limited := total(s)
	return limited
}

// Over says why the capsule has to go; empty when it need not. The limit of the whole is the sum of those of its containers.
func Over(s *capsule.Spec, used *capsule.Storage) string {
	whole, limited := total(s)
	if !limited {
		return ""
	}
	if int64(used.EphemeralBytes()) > whole.Value() {
		return fmt.Sprintf("Pod ephemeral local storage usage exceeds the total limit of containers %s. ", whole.String())
	}
	for _, list := range [][]capsule.ContainerSpec{s.InitContainers, s.Containers} {
		for i := range list {
			limit, ok := list[i].Resources.Limits[corev1.ResourceEphemeralStorage]
			of := used.Containers[list[i].Name]
			if ok && int64(of.WritableBytes+of.LogBytes) > limit.Value() {
				return fmt.Sprintf("Container %s exceeded its local ephemeral storage limit %q. ", list[i].Name, limit.String())
			}
		}
	}
	return ""
}

// total is what may run side by side, or one init container when that is more.
func total(s *capsule.Spec) (sum resource.Quantity, limited bool) {
	var once resource.Quantity
	for i := range s.InitContainers {
		limit, ok := s.InitContainers[i].Resources.Limits[corev1.ResourceEphemeralStorage]
		limited = limited || ok
		if s.InitContainers[i].Sidecar() {
			sum.Add(limit)
			limit = resource.Quantity{}
		}
		limit.Add(sum)
		if limit.Cmp(once) > 0 {
			once = limit
		}
	}
	for i := range s.Containers {
		limit, ok := s.Containers[i].Resources.Limits[corev1.ResourceEphemeralStorage]
		limited = limited || ok
		if sum.IsZero() {
			sum.Format = limit.Format
		}
		sum.Add(limit)
	}
	if once.Cmp(sum) > 0 {
		sum = once
	}
	return sum, limited
}
