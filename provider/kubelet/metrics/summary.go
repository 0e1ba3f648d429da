package metrics

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Summary is /stats/summary; short has no network and no disks.
func (r *Reading) Summary(short bool) *stats.Summary {
	out := &stats.Summary{Node: stats.NodeStats{NodeName: r.Node}, Pods: []stats.PodStats{}}
	if n := r.Usage; n != nil {
		out.Node.StartTime = metav1.NewTime(n.StartedAt)
		var memory int64
		for i := range r.Hosts {
			memory += r.Hosts[i].MemoryBytes
		}
		out.Node.CPU, out.Node.Memory, out.Node.Swap = cpuStats(&n.Usage), memoryStats(&n.Usage, memory), swapStats(&n.Usage)
		if !short {
			out.Node.Fs = r.disks(n.At)
		}
	}
	for _, u := range r.Pods {
		if u.Stats == nil {
			continue
		}
		p := stats.PodStats{
			PodRef:    stats.PodReference{Name: u.Name, Namespace: u.Namespace, UID: string(u.UID)},
			StartTime: metav1.NewTime(u.Stats.StartedAt), Containers: []stats.ContainerStats{},
			CPU: cpuStats(&u.Stats.Usage), Memory: memoryStats(&u.Stats.Usage, 0), Swap: swapStats(&u.Stats.Usage),
		}
		for i := range u.Stats.Containers {
			c := &u.Stats.Containers[i]
			s := stats.ContainerStats{Name: c.Name, StartTime: metav1.NewTime(c.StartedAt),
				CPU: cpuStats(&c.Usage), Memory: memoryStats(&c.Usage, memoryLimit(u.Capsule, c.Name)), Swap: swapStats(&c.Usage)}
			if !short {
				r.addDisks(&s, &u)
			}
			p.Containers = append(p.Containers, s)
		}
		if !short {
			r.addVolumes(&p, &u)
			p.Network = networkStats(u.Stats.At, u.Stats.Network)
		}
		out.Pods = append(out.Pods, p)
	}
	return out
}

// disks is the sum of the engines' disks; nil when one of them is not known.
func (r *Reading) disks(at time.Time) *stats.FsStats {
	var capacity, free uint64
	for i := range r.Hosts {
		if r.Hosts[i].DiskBytes == 0 {
			return nil
		}
		capacity += uint64(r.Hosts[i].DiskBytes)
		free += uint64(r.Hosts[i].DiskFreeBytes)
	}
	if capacity == 0 {
		return nil
	}
	used := capacity - free
	return &stats.FsStats{Time: metav1.NewTime(at), CapacityBytes: &capacity, AvailableBytes: &free, UsedBytes: &used}
}

func cpuStats(u *capsule.Usage) *stats.CPUStats {
	return &stats.CPUStats{Time: metav1.NewTime(u.At), UsageNanoCores: u.CPUNanoCores, UsageCoreNanoSeconds: &u.CPUNanos}
}

// memoryStats has what is available of a limit; 0: there is none.
func memoryStats(u *capsule.Usage, limit int64) *stats.MemoryStats {
	m := &stats.MemoryStats{Time: metav1.NewTime(u.At), UsageBytes: &u.MemoryBytes, WorkingSetBytes: &u.WorkingSetBytes, RSSBytes: &u.RSSBytes}
	if limit > 0 {
		left := uint64(limit) - min(uint64(limit), u.WorkingSetBytes)
		m.AvailableBytes = &left
	}
	if u.PageFaults > 0 { // else they are not known
		m.PageFaults, m.MajorPageFaults = &u.PageFaults, &u.MajorPageFaults
	}
	return m
}

// swapStats is nil when it is not known.
func swapStats(u *capsule.Usage) *stats.SwapStats {
	if u.SwapBytes == nil {
		return nil
	}
	return &stats.SwapStats{Time: metav1.NewTime(u.At), SwapUsageBytes: u.SwapBytes}
}

// memoryLimit is that of a container; 0 when it has none.
func memoryLimit(c *capsule.Capsule, container string) int64 {
	if r := given(c, container); r != nil {
		return r.Limits.Memory().Value()
	}
	return 0
}

// networkStats has the capsule's first interface as the default one; nil without any.
func networkStats(at time.Time, list []capsule.Interface) *stats.NetworkStats {
	if len(list) == 0 {
		return nil
	}
	n := &stats.NetworkStats{Time: metav1.NewTime(at)}
	for i := range list {
		l := &list[i]
		n.Interfaces = append(n.Interfaces, stats.InterfaceStats{Name: l.Name, RxBytes: &l.RxBytes, RxErrors: &l.RxErrors,
			TxBytes: &l.TxBytes, TxErrors: &l.TxErrors})
	}
	n.InterfaceStats = n.Interfaces[0]
	return n
}
