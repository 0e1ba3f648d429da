package view

import (
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// ContainerHost is Zun's representation of a host (zun/api/controllers/v1/views/hosts_view.py).
type ContainerHost struct {
	UUID               string            `json:"uuid"`
	Links              []Link            `json:"links"`
	Hostname           string            `json:"hostname"`
	MemTotal           int64             `json:"mem_total"`
	MemUsed            int64             `json:"mem_used"`
	CPUs               int               `json:"cpus"`
	CPUUsed            float64           `json:"cpu_used"`
	TotalContainers    int               `json:"total_containers"`
	Architecture       string            `json:"architecture"`
	OSType             string            `json:"os_type"`
	OS                 string            `json:"os"`
	KernelVersion      string            `json:"kernel_version"`
	Labels             map[string]string `json:"labels"`
	DiskTotal          int64             `json:"disk_total"`
	DiskUsed           int64             `json:"disk_used"`
	DiskQuotaSupported bool              `json:"disk_quota_supported"`
	Runtimes           []string          `json:"runtimes"`
	EnableCPUPinning   bool              `json:"enable_cpu_pinning"`
}

// HostList is a page of hosts.
type HostList struct {
	Hosts []ContainerHost `json:"hosts"`
	Next  *string         `json:"next"`
}

// Host is Zun's representation of a host. Used are the sums of what the capsules that live there ask for; placed may hold
// capsules of other hosts too.
func Host(h *capsule.Host, placed []*capsule.Capsule, base string) ContainerHost {
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
	return ContainerHost{
		UUID: h.UUID, Links: links(base, "hosts", h.UUID), Hostname: h.Name,
		MemTotal: h.MemoryBytes >> 20, MemUsed: memory >> 20, CPUs: h.CPUs, CPUUsed: float64(cpu) / 1000,
		TotalContainers: total, Architecture: h.Architecture, OSType: h.OSType, OS: h.OS,
		KernelVersion: h.KernelVersion, Labels: mapOrEmpty(h.Labels),
		DiskTotal: h.DiskBytes >> 30, DiskUsed: max(h.DiskBytes-h.DiskFreeBytes, 0) >> 30, Runtimes: runtimes,
	}
}
