package metrics

import (
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// cAdvisor's (metrics/prometheus.go and prometheus_machine.go), as a kubelet serves them.
var (
	cpuTotal         = counter("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.")
	cfsPeriods       = counter("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.")
	cfsThrottled     = counter("container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals.")
	cfsThrottledTime = counter("container_cpu_cfs_throttled_seconds_total", "Total time duration the container has been throttled.")
	memoryUsage      = gauge("container_memory_usage_bytes", "Current memory usage in bytes, including all memory regardless of when it was accessed")
	memoryWorking    = gauge("container_memory_working_set_bytes", "Current working set in bytes.")
	memoryRSS        = gauge("container_memory_rss", "Size of RSS in bytes.")
	memoryCache      = gauge("container_memory_cache", "Number of bytes of page cache memory.")
	memoryMapped     = gauge("container_memory_mapped_file", "Size of memory mapped files in bytes.")
	memorySwap       = gauge("container_memory_swap", "Container swap usage in bytes.")
	memoryFailures   = counter("container_memory_failures_total", "Cumulative count of memory allocation failures.")
	startTime        = gauge("container_start_time_seconds", "Start time of the container since unix epoch in seconds.")
	lastSeen         = gauge("container_last_seen", "Last time a container was seen by the exporter")
	specPeriod       = gauge("container_spec_cpu_period", "CPU period of the container.")
	specQuota        = gauge("container_spec_cpu_quota", "CPU quota of the container.")
	specShares       = gauge("container_spec_cpu_shares", "CPU share of the container.")
	specMemory       = gauge("container_spec_memory_limit_bytes", "Memory limit for the container.")
	fsLimit          = gauge("container_fs_limit_bytes", "Number of bytes that can be consumed by the container on this filesystem.")
	fsUsage          = gauge("container_fs_usage_bytes", "Number of bytes that are consumed by the container on this filesystem.")
	fsReads          = counter("container_fs_reads_bytes_total", "Cumulative count of bytes read")
	fsWrites         = counter("container_fs_writes_bytes_total", "Cumulative count of bytes written")
	rxBytes          = counter("container_network_receive_bytes_total", "Cumulative count of bytes received")
	rxPackets        = counter("container_network_receive_packets_total", "Cumulative count of packets received")
	rxErrors         = counter("container_network_receive_errors_total", "Cumulative count of errors encountered while receiving")
	rxDropped        = counter("container_network_receive_packets_dropped_total", "Cumulative count of packets dropped while receiving")
	txBytes          = counter("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted")
	txPackets        = counter("container_network_transmit_packets_total", "Cumulative count of packets transmitted")
	txErrors         = counter("container_network_transmit_errors_total", "Cumulative count of errors encountered while transmitting")
	txDropped        = counter("container_network_transmit_packets_dropped_total", "Cumulative count of packets dropped while transmitting")
	containersFailed = gauge("container_scrape_error", "1 if there was an error while getting container metrics, 0 otherwise")
	machineCores     = gauge("machine_cpu_cores", "Number of logical CPU cores.")
	machineMemory    = gauge("machine_memory_bytes", "Amount of memory installed on the machine.")
	machineFailed    = gauge("machine_scrape_error", "1 if there was an error while getting machine metrics, 0 otherwise.")
)

// cpuPeriod is the kernel's default period of a CPU quota in microseconds, which every quota here has.
const cpuPeriod = 100_000

// Cadvisor is /metrics/cadvisor.
func (r *Reading) Cadvisor() []*dto.MetricFamily {
	f := newFamilies()
	for i := range r.Hosts {
		h := &r.Hosts[i]
		l := labels("boot_id", "", "machine_id", h.UUID, "system_uuid", h.UUID)
		f.add(machineCores, l, float64(h.CPUs), time.Time{})
		f.add(machineMemory, l, float64(h.MemoryBytes), time.Time{})
	}
	if r.Usage != nil {
		l := cadvisorLabels("/", "", "", "", "", "")
		f.use(l, &r.Usage.Usage)
		f.add(startTime, l, since1970(r.Usage.StartedAt), time.Time{})
	}
	for i := range r.Hosts {
		if h := &r.Hosts[i]; h.DiskBytes > 0 {
			l := labels("container", "", "device", h.Name, "id", "/", "image", "", "name", "", "namespace", "", "pod", "")
			f.add(fsLimit, l, float64(h.DiskBytes), time.Time{})
			f.add(fsUsage, l, float64(h.DiskBytes-h.DiskFreeBytes), time.Time{})
		}
	}
	for i := range r.Pods {
		if r.Pods[i].Stats != nil {
			f.pod(&r.Pods[i])
		}
	}
	f.failed(containersFailed, r.Err)
	f.failed(machineFailed, r.Err)
	return f.list
}

func cadvisorLabels(id, container, image, name, namespace, pod string) []*dto.LabelPair {
	return labels("container", container, "id", id, "image", image, "name", name, "namespace", namespace, "pod", pod)
}

func (f *families) pod(p *Pod) {
	id := "/kubepods/pod" + string(p.UID)
	whole := cadvisorLabels(id, "", "", "", p.Namespace, p.Name)
	f.use(whole, &p.Stats.Usage)
	f.add(startTime, whole, since1970(p.Stats.StartedAt), time.Time{})
	for i := range p.Stats.Network {
		f.network(p, id, &p.Stats.Network[i])
	}
	for i := range p.Stats.Containers {
		c := &p.Stats.Containers[i]
		image, name := identity(p.Capsule, c.Name)
		l := cadvisorLabels(id+"/"+name, c.Name, image, name, p.Namespace, p.Name)
		f.use(l, &c.Usage)
		f.add(startTime, l, since1970(c.StartedAt), time.Time{})
		f.spec(l, p.Capsule, c)
		if s := p.Stats.Storage; s != nil && s.Containers[c.Name].WritableBytes > 0 {
			of := s.Containers[c.Name]
			on := append(l[:1:1], labels("device", p.Capsule.Claim.Host)...)
			f.add(fsUsage, append(on, l[1:]...), float64(of.WritableBytes+of.LogBytes), s.At)
		}
	}
}

// identity is the image that was asked for and the engine's name of the container.
func identity(c *capsule.Capsule, container string) (image, id string) {
	if c == nil {
		return "", ""
	}
	if spec, _ := c.Spec.Container(container); spec != nil {
		image = spec.Image
	}
	if facts := c.Facts.Container(container); facts != nil && facts.Run != nil {
		id = facts.Run.ID
	}
	return image, id
}

// Faults are counted with all below the group, of which there is nothing.
var (
	minorFault = labels("failure_type", "pgfault", "scope", "hierarchy")
	majorFault = labels("failure_type", "pgmajfault", "scope", "hierarchy")
)

// use writes what a container, a pod or the node uses.
func (f *families) use(l []*dto.LabelPair, u *capsule.Usage) {
	cpu := append(l[:1:1], labels("cpu", "total")...)
	f.add(cpuTotal, append(cpu, l[1:]...), seconds(u.CPUNanos), u.At)
	f.add(memoryUsage, l, float64(u.MemoryBytes), u.At)
	f.add(memoryWorking, l, float64(u.WorkingSetBytes), u.At)
	f.add(memoryRSS, l, float64(u.RSSBytes), u.At)
	f.add(memoryCache, l, float64(u.CacheBytes), u.At)
	f.add(memoryMapped, l, float64(u.MappedBytes), u.At)
	if u.SwapBytes != nil {
		f.add(memorySwap, l, float64(*u.SwapBytes), u.At)
	}
	if u.PageFaults > 0 { // else they are not known
		f.add(memoryFailures, append(l[:len(l):len(l)], minorFault...), float64(u.PageFaults), u.At)
		f.add(memoryFailures, append(l[:len(l):len(l)], majorFault...), float64(u.MajorPageFaults), u.At)
	}
	f.add(lastSeen, l, float64(u.At.Unix()), u.At)
	for i := range u.Disks {
		d := &u.Disks[i]
		device := d.Device
		if !strings.Contains(device, ":") {
			device = "/dev/" + device
		}
		of := append(l[:1:1], labels("device", device)...)
		of = append(of, l[1:]...)
		f.add(fsReads, of, float64(d.ReadBytes), u.At)
		f.add(fsWrites, of, float64(d.WriteBytes), u.At)
	}
}

// given are the resources that the container runs with; nil when it is not known.
func given(c *capsule.Capsule, container string) *corev1.ResourceRequirements {
	if c == nil {
		return nil
	}
	if facts := c.Facts.Container(container); facts != nil && facts.Run != nil && facts.Run.Resources != nil {
		return facts.Run.Resources
	}
	if spec, _ := c.Spec.Container(container); spec != nil {
		return &spec.Resources
	}
	return nil
}

// spec writes what the container was given.
func (f *families) spec(l []*dto.LabelPair, c *capsule.Capsule, s *capsule.ContainerStats) {
	given := given(c, s.Name)
	if given == nil {
		return
	}
	request := given.Requests.Cpu().MilliValue()
	if _, ok := given.Requests[corev1.ResourceCPU]; !ok {
		request = given.Limits.Cpu().MilliValue()
	}
	f.add(specShares, l, float64(min(max(request*1024/1000, 2), 262144)), time.Time{})
	f.add(specPeriod, l, cpuPeriod, time.Time{})
	f.add(specMemory, l, float64(given.Limits.Memory().Value()), time.Time{})
	limit := given.Limits.Cpu().MilliValue()
	if limit == 0 {
		return
	}
	f.add(specQuota, l, float64(max(limit*cpuPeriod/1000, 1000)), time.Time{})
	if t := s.Throttling; t != nil {
		f.add(cfsPeriods, l, float64(t.Periods), s.At)
		f.add(cfsThrottled, l, float64(t.Throttled), s.At)
		f.add(cfsThrottledTime, l, seconds(t.Nanos), s.At)
	}
}

func (f *families) network(p *Pod, id string, n *capsule.Interface) {
	l := labels("container", "", "id", id, "image", "", "interface", n.Name, "name", "", "namespace", p.Namespace, "pod", p.Name)
	for _, s := range []struct {
		of    *family
		value uint64
	}{
		{rxBytes, n.RxBytes}, {rxPackets, n.RxPackets}, {rxErrors, n.RxErrors}, {rxDropped, n.RxDropped},
		{txBytes, n.TxBytes}, {txPackets, n.TxPackets}, {txErrors, n.TxErrors}, {txDropped, n.TxDropped},
	} {
		f.add(s.of, l, float64(s.value), p.Stats.At)
	}
}
