package kubelet

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// nodeUsage is the sum of the hosts; nil when one of them cannot tell: a part is no figure of the node.
func nodeUsage(report *capsule.StatsReport) *capsule.HostStats {
	if len(report.Hosts) == 0 || len(report.Incomplete) > 0 {
		return nil
	}
	sum := report.Hosts[0]
	for i := range report.Hosts[1:] {
		h := &report.Hosts[1+i]
		sum.Add(h.Usage)
		if h.StartedAt.Before(sum.StartedAt) {
			sum.StartedAt = h.StartedAt
		}
	}
	return &sum
}

// podUsage is what a pod uses.
type podUsage struct {
	*corev1.Pod
	*capsule.Stats
}

// usages are of the pods that run, by namespace and name.
func (k *Server) usages(report *capsule.StatsReport) []podUsage {
	present := map[string]*corev1.Pod{}
	for _, p := range k.cfg.Pods.Present() {
		present[string(p.UID)] = p.Pod
	}
	var list []podUsage
	for i := range report.Capsules {
		if p, ok := present[report.Capsules[i].UUID]; ok {
			list = append(list, podUsage{p, &report.Capsules[i]})
		}
	}
	slices.SortFunc(list, func(a, b podUsage) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	return list
}

// summary serves /stats/summary.
func (k *Server) summary(w http.ResponseWriter, r *http.Request) {
	query := logParser{values: r.URL.Query()}
	short := query.flag("only_cpu_and_memory")
	if query.err != nil {
		http.Error(w, query.err.Error(), http.StatusBadRequest)
		return
	}
	report, err := k.cfg.Containers.Stats(r.Context())
	if err != nil {
		http.Error(w, err.Error(), httpStatus(err))
		return
	}
	out := stats.Summary{Node: stats.NodeStats{NodeName: k.cfg.NodeName}, Pods: []stats.PodStats{}}
	if n := nodeUsage(&report); n != nil {
		out.Node.StartTime = metav1.NewTime(n.StartedAt)
		out.Node.CPU, out.Node.Memory = cpuStats(&n.Usage), memoryStats(&n.Usage)
	}
	for _, u := range k.usages(&report) {
		p := stats.PodStats{
			PodRef:    stats.PodReference{Name: u.Name, Namespace: u.Namespace, UID: string(u.UID)},
			StartTime: metav1.NewTime(u.StartedAt), Containers: []stats.ContainerStats{},
			CPU: cpuStats(&u.Usage), Memory: memoryStats(&u.Usage),
		}
		for i := range u.Containers {
			c := &u.Containers[i]
			p.Containers = append(p.Containers, stats.ContainerStats{Name: c.Name, StartTime: metav1.NewTime(c.StartedAt),
				CPU: cpuStats(&c.Usage), Memory: memoryStats(&c.Usage)})
		}
		if !short {
			p.Network = networkStats(u.At, u.Network)
		}
		out.Pods = append(out.Pods, p)
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", " ") // as the kubelet answers: people read it
	_ = e.Encode(out)    // the asker is gone if this fails
}

func cpuStats(u *capsule.Usage) *stats.CPUStats {
	return &stats.CPUStats{Time: metav1.NewTime(u.At), UsageNanoCores: u.CPUNanoCores, UsageCoreNanoSeconds: &u.CPUNanos}
}

func memoryStats(u *capsule.Usage) *stats.MemoryStats {
	return &stats.MemoryStats{Time: metav1.NewTime(u.At), UsageBytes: &u.MemoryBytes, WorkingSetBytes: &u.WorkingSetBytes, RSSBytes: &u.RSSBytes}
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

// families are metrics in the text format of Prometheus.
type families struct{ text map[string]*strings.Builder }

// add writes one sample, in milliseconds at, or of now when it is zero.
func (f *families) add(name, labels string, value float64, at time.Time) {
	fmt.Fprint(f.text[name], name)
	if labels != "" {
		fmt.Fprintf(f.text[name], "{%s}", labels)
	}
	fmt.Fprintf(f.text[name], " %g", value)
	if !at.IsZero() {
		fmt.Fprintf(f.text[name], " %d", at.UnixMilli())
	}
	fmt.Fprintln(f.text[name])
}

// use writes the CPU time and the working set.
func (f *families) use(of, labels string, u *capsule.Usage) {
	f.add(of+"_cpu_usage_seconds_total", labels, float64(u.CPUNanos)/1e9, u.At)
	f.add(of+"_memory_working_set_bytes", labels, float64(u.WorkingSetBytes), u.At)
}

// resourceFamilies are the kubelet's (pkg/kubelet/metrics/collectors/resource_metrics.go).
var resourceFamilies = []struct{ name, kind, help string }{
	{"container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the container in core-seconds"},
	{"container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes"},
	{"container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds"},
	{"node_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the node in core-seconds"},
	{"node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes"},
	{"pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds"},
	{"pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes"},
	{"resource_scrape_error", "gauge", "1 if there was an error while getting container metrics, 0 otherwise"},
}

// resourceMetrics serves /metrics/resource. Like the kubelet it answers 200 when it knows nothing, and says so in a metric.
func (k *Server) resourceMetrics(w http.ResponseWriter, r *http.Request) {
	f := families{map[string]*strings.Builder{}}
	for _, row := range resourceFamilies {
		f.text[row.name] = &strings.Builder{}
	}
	report, err := k.cfg.Containers.Stats(r.Context())
	if err == nil && len(report.Incomplete) > 0 {
		err = errors.New("some hosts cannot tell")
	}
	if n := nodeUsage(&report); n != nil {
		f.use("node", "", &n.Usage)
	}
	for _, u := range k.usages(&report) {
		// The name of the pod comes second in both: Virtual Kubelet's suite looks for it there.
		f.use("pod", fmt.Sprintf("namespace=%q,pod=%q", u.Namespace, u.Name), &u.Usage)
		for i := range u.Containers {
			c := &u.Containers[i]
			labels := fmt.Sprintf("container=%q,pod=%q,namespace=%q", c.Name, u.Name, u.Namespace)
			f.use("container", labels, &c.Usage)
			f.add("container_start_time_seconds", labels, float64(c.StartedAt.UnixMilli())/1e3, time.Time{})
		}
	}
	failed := 0.0
	if err != nil {
		failed = 1
		k.cfg.Log.WithError(err).Debug("statistics are not complete")
	}
	f.add("resource_scrape_error", "", failed, time.Time{})
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	for _, row := range resourceFamilies {
		if text := f.text[row.name].String(); text != "" {
			_, _ = fmt.Fprintf(w, "# HELP %s [STABLE] %s\n# TYPE %s %s\n%s", row.name, row.help, row.name, row.kind, text)
		}
	}
}
