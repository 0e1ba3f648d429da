package view

import (
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Host is Zun's representation of a host. Used are the sums of what the capsules that live there ask for; placed may hold
// capsules of other hosts too.
func Host(h *capsule.Host, placed []*capsule.Capsule, base string) map[string]any {
	var cpu, memory int64
	total := 0
	for _, c := range placed {
		if c.Claim.Host == h.Name {
			cpu, memory = cpu+c.Spec.CPU(), memory+c.Spec.Memory()
			total += len(c.Spec.InitContainers) + len(c.Spec.Containers)
		}
	}
	runtimes := h.Runtimes
	if runtimes == nil {
		runtimes = []string{}
	}
	return map[string]any{
		"uuid": h.UUID, "links": links(base, "hosts", h.UUID), "hostname": h.Name,
		"mem_total": h.MemoryBytes >> 20, "mem_used": memory >> 20, "cpus": h.CPUs, "cpu_used": float64(cpu) / 1000,
		"total_containers": total, "architecture": h.Architecture, "os_type": h.OSType, "os": h.OS,
		"kernel_version": h.KernelVersion, "labels": mapOrEmpty(h.Labels),
		"disk_total": h.DiskBytes >> 30, "disk_used": max(h.DiskBytes-h.DiskFreeBytes, 0) >> 30, "disk_quota_supported": false,
		"runtimes": runtimes, "enable_cpu_pinning": false,
	}
}
