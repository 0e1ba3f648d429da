package metrics

import (
	"time"

	dto "github.com/prometheus/client_model/go"
)

// probeTotal is the kubelet's (pkg/kubelet/prober/prober_manager.go).
var probeTotal = counter("prober_probe_total",
	"[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.")

// Probes is /metrics/probes. A result that never was has no series.
func (r *Reading) Probes() []*dto.MetricFamily {
	f := newFamilies()
	for _, p := range r.Pods {
		if p.Stats == nil {
			continue
		}
		for _, c := range p.Stats.Probes {
			add := func(result string, n uint64) {
				if n > 0 {
					f.add(probeTotal, labels("container", c.Container, "namespace", p.Namespace, "pod", p.Name, "pod_uid", string(p.UID),
						"probe_type", c.Kind, "result", result), float64(n), time.Time{})
				}
			}
			add("successful", c.Successes)
			add("failed", c.Failures)
		}
	}
	return f.list
}
