package container

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Resources are the cgroup limits as the kubelet computes them (pkg/kubelet/cm/helpers_linux.go).
func Resources(s *capsule.Spec, cs *capsule.ContainerSpec) runtime.Resources {
	const period = 100_000
	r := runtime.Resources{CPUShares: 2}
	limit, memory := s.Limit(cs, corev1.ResourceCPU), s.Limit(cs, corev1.ResourceMemory)
	cpu := cs.Resources.Requests.Cpu().MilliValue()
	if _, ok := cs.Resources.Requests[corev1.ResourceCPU]; !ok {
		cpu = cs.Resources.Limits.Cpu().MilliValue()
	}
	if cpu > 0 {
		r.CPUShares = min(max(cpu*1024/1000, 2), 262144)
	}
	if l := limit.MilliValue(); l > 0 {
		r.CPUPeriodMicros, r.CPUQuotaMicros = period, max(l*period/1000, 1000)
	}
	r.MemoryBytes = memory.Value()
	r.MemorySwapBytes = r.MemoryBytes
	return r
}

// oomScore is the kubelet's (pkg/kubelet/qos/policy.go): the more a container asks for, the later it is killed.
func oomScore(s *capsule.Spec, cs *capsule.ContainerSpec, memoryBytes int64) int {
	switch qos(s) {
	case corev1.PodQOSGuaranteed:
		return -997
	case corev1.PodQOSBestEffort:
		return 1000
	}
	if memoryBytes <= 0 {
		return 999
	}
	score := 1000 - 1000*(cs.Resources.Requests.Memory().Value()+rest(s))/memoryBytes
	return int(min(max(score, 3), 999))
}

// rest is the part of each container in the memory that the capsule asks for beyond what its containers do.
func rest(s *capsule.Spec) int64 {
	asked, ok := s.Resources.Requests[corev1.ResourceMemory]
	if !ok {
		return 0
	}
	parts := *s
	parts.Resources = corev1.ResourceRequirements{}
	return max(asked.Value()-parts.Memory(), 0) / int64(max(len(s.Containers)+len(s.InitContainers), 1))
}

// qos is the class of the capsule by Kubernetes' rules (core/v1 helper/qos).
func qos(s *capsule.Spec) corev1.PodQOSClass {
	asked, guaranteed := false, true
	all := append(append([]capsule.ContainerSpec{}, s.Containers...), s.InitContainers...)
	if len(s.Resources.Requests)+len(s.Resources.Limits) > 0 {
		all = []capsule.ContainerSpec{{Resources: s.Resources}} // what the whole asks for decides alone
	}
	for i := range all {
		for _, res := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			request, limit := all[i].Resources.Requests[res], all[i].Resources.Limits[res]
			asked = asked || !request.IsZero() || !limit.IsZero()
			same := request.IsZero() || request.Cmp(limit) == 0
			guaranteed = guaranteed && !limit.IsZero() && same
		}
	}
	switch {
	case !asked:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	default:
		return corev1.PodQOSBurstable
	}
}
