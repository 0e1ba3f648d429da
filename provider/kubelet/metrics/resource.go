package metrics

import (
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// The kubelet's (pkg/kubelet/metrics/collectors/resource_metrics.go), which the metrics server reads.
var (
	nodeCPU         = counter("node_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the node in core-seconds")
	nodeMemory      = gauge("node_memory_working_set_bytes", "[STABLE] Current working set of the node in bytes")
	nodeSwap        = gauge("node_swap_usage_bytes", "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems")
	podSwap         = gauge("pod_swap_usage_bytes", "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems")
	containerSwap   = gauge("container_swap_usage_bytes", "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems")
	podCPU          = counter("pod_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds")
	podMemory       = gauge("pod_memory_working_set_bytes", "[STABLE] Current working set of the pod in bytes")
	containerCPU    = counter("container_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the container in core-seconds")
	containerMemory = gauge("container_memory_working_set_bytes", "[STABLE] Current working set of the container in bytes")
	containerStart  = gauge("container_start_time_seconds", "[STABLE] Start time of the container since unix epoch in seconds")
	resourceFailed  = gauge("resource_scrape_error", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise")
)

// Resource is /metrics/resource. Like the kubelet's it is there when nothing is known, and says so.
func (r *Reading) Resource() []*dto.MetricFamily {
	f := newFamilies()
	use := func(cpu, memory, swap *family, labels []*dto.LabelPair, u *capsule.Usage) {
		f.add(cpu, labels, seconds(u.CPUNanos), u.At)
		f.add(memory, labels, float64(u.WorkingSetBytes), u.At)
		if u.SwapBytes != nil {
			f.add(swap, labels, float64(*u.SwapBytes), u.At)
		}
	}
	if r.Usage != nil {
		use(nodeCPU, nodeMemory, nodeSwap, nil, &r.Usage.Usage)
	}
	for _, p := range r.Pods {
		if p.Stats == nil {
			continue
		}
		// The name of the pod comes second in both: Virtual Kubelet's suite looks for it there.
		use(podCPU, podMemory, podSwap, labels("namespace", p.Namespace, "pod", p.Name), &p.Stats.Usage)
		for i := range p.Stats.Containers {
			c := &p.Stats.Containers[i]
			l := labels("container", c.Name, "pod", p.Name, "namespace", p.Namespace)
			use(containerCPU, containerMemory, containerSwap, l, &c.Usage)
			f.add(containerStart, l, since1970(c.StartedAt), time.Time{})
		}
	}
	f.failed(resourceFailed, r.Err)
	return f.list
}
