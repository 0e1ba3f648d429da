package metrics

import (
	"time"

	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// The kubelet's (pkg/kubelet/metrics/collectors/volume_stats.go), of volumes that are claimed.
var volumeFamilies = []struct {
	*family
	of func(*stats.FsStats) *uint64
}{
	{gauge("kubelet_volume_stats_capacity_bytes", "[ALPHA] Capacity in bytes of the volume"), func(s *stats.FsStats) *uint64 { return s.CapacityBytes }},
	{gauge("kubelet_volume_stats_available_bytes", "[ALPHA] Number of available bytes in the volume"), func(s *stats.FsStats) *uint64 { return s.AvailableBytes }},
	{gauge("kubelet_volume_stats_used_bytes", "[ALPHA] Number of used bytes in the volume"), func(s *stats.FsStats) *uint64 { return s.UsedBytes }},
	{gauge("kubelet_volume_stats_inodes", "[ALPHA] Maximum number of inodes in the volume"), func(s *stats.FsStats) *uint64 { return s.Inodes }},
	{gauge("kubelet_volume_stats_inodes_free", "[ALPHA] Number of free inodes in the volume"), func(s *stats.FsStats) *uint64 { return s.InodesFree }},
	{gauge("kubelet_volume_stats_inodes_used", "[ALPHA] Number of used inodes in the volume"), func(s *stats.FsStats) *uint64 { return s.InodesUsed }},
}

// Volumes is the part of /metrics about claims, each told of once, whoever has it.
func (r *Reading) Volumes() []*dto.MetricFamily {
	f, told := newFamilies(), map[stats.PVCReference]bool{}
	for i := range r.Pods {
		var p stats.PodStats
		r.addVolumes(&p, &r.Pods[i])
		for _, v := range p.VolumeStats {
			if v.PVCRef == nil || told[*v.PVCRef] {
				continue
			}
			told[*v.PVCRef] = true
			l := labels("namespace", v.PVCRef.Namespace, "persistentvolumeclaim", v.PVCRef.Name)
			for _, m := range volumeFamilies {
				if n := m.of(&v.FsStats); n != nil {
					f.add(m.family, l, float64(*n), time.Time{})
				}
			}
		}
	}
	return f.list
}

// addDisks adds what a container takes of the disk of its engine.
func (r *Reading) addDisks(s *stats.ContainerStats, p *Pod) {
	measured := p.Stats.Storage
	if measured == nil {
		return
	}
	of, there := measured.Containers[s.Name]
	if !there {
		return
	}
	if of.WritableBytes > 0 {
		s.Rootfs = r.engineDisk(p, measured.At, of.WritableBytes)
	}
	if of.LogBytes > 0 {
		s.Logs = r.engineDisk(p, measured.At, of.LogBytes)
	}
}

// engineDisk is that of the host of a pod, of which so much is used.
func (r *Reading) engineDisk(p *Pod, at time.Time, used uint64) *stats.FsStats {
	s := &stats.FsStats{Time: metav1.NewTime(at), UsedBytes: &used}
	for i := range r.Hosts {
		if h := &r.Hosts[i]; p.Capsule != nil && h.Name == p.Capsule.Claim.Host && h.DiskBytes > 0 {
			capacity, free := uint64(h.DiskBytes), uint64(h.DiskFreeBytes)
			s.CapacityBytes, s.AvailableBytes = &capacity, &free
		}
	}
	return s
}

// addVolumes adds what is in the volumes of a pod, and what it takes of ephemeral storage.
func (r *Reading) addVolumes(s *stats.PodStats, p *Pod) {
	if p.Stats == nil || p.Stats.Storage == nil {
		return
	}
	measured := p.Stats.Storage
	for i := range measured.Volumes {
		v := &measured.Volumes[i]
		s.VolumeStats = append(s.VolumeStats, stats.VolumeStats{Name: v.Name, PVCRef: claim(p, v.Name), FsStats: volumeStats(v, measured.At)})
	}
	s.EphemeralStorage = r.engineDisk(p, measured.At, measured.EphemeralBytes())
}

func volumeStats(v *capsule.VolumeStorage, at time.Time) stats.FsStats {
	s := stats.FsStats{Time: metav1.NewTime(at), UsedBytes: &v.UsedBytes}
	for n, into := range map[*uint64]**uint64{
		&v.CapacityBytes: &s.CapacityBytes, &v.AvailableBytes: &s.AvailableBytes, &v.Inodes: &s.Inodes, &v.InodesFree: &s.InodesFree,
	} {
		if v.CapacityBytes > 0 { // else nothing is known of the file system
			*into = n
		}
	}
	if s.Inodes != nil && !v.Ephemeral {
		used := v.Inodes - min(v.Inodes, v.InodesFree)
		s.InodesUsed = &used
	}
	return s
}

// claim is what a volume of a pod is claimed by; nil when by nobody. A generic ephemeral volume's has the name that the control
// plane gives (component-helpers, storage/ephemeral).
func claim(p *Pod, volume string) *stats.PVCReference {
	for i := range p.Spec.Volumes {
		v := &p.Spec.Volumes[i]
		switch {
		case v.Name != volume:
		case v.PersistentVolumeClaim != nil:
			return &stats.PVCReference{Name: v.PersistentVolumeClaim.ClaimName, Namespace: p.Namespace}
		case v.Ephemeral != nil:
			return &stats.PVCReference{Name: p.Name + "-" + v.Name, Namespace: p.Namespace}
		}
	}
	return nil
}
