package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

var at = time.UnixMilli(1700000001234)

// running is a pod with a container that has a limit and one that has none.
func running(name string, uid types.UID) (Pod, capsule.Stats) {
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	swap := uint64(40)
	u := capsule.Usage{MappedBytes: 30, PageFaults: 20, MajorPageFaults: 10, SwapBytes: &swap, At: at, CPUNanos: 1.5e9, MemoryBytes: 300, WorkingSetBytes: 200, RSSBytes: 100, CacheBytes: 50,
		Throttling: &capsule.Throttling{Periods: 9, Throttled: 4, Nanos: 2.5e9}, Disks: []capsule.Disk{{Device: "sda", ReadBytes: 7, WriteBytes: 8}, {Device: "9:9", ReadBytes: 1}}}
	pod := Pod{
		Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", UID: uid}},
		Capsule: &capsule.Capsule{UUID: string(uid),
			Spec: capsule.Spec{Containers: []capsule.ContainerSpec{
				{Name: "a", Image: "img:1", Resources: corev1.ResourceRequirements{Requests: list("250m", "1Mi"), Limits: list("500m", "2Mi")}},
				{Name: "b", Image: "img:2"}}},
			Facts: capsule.Facts{Sandbox: capsule.Sandbox{ID: "s", Ready: true}, Containers: []capsule.ContainerFacts{
				{Name: "a", Run: &capsule.Run{ID: "id-a", StartedAt: at}}, {Name: "b", Run: &capsule.Run{ID: "id-b", StartedAt: at, FinishedAt: at}}}},
		},
	}
	return pod, capsule.Stats{UUID: string(uid), StartedAt: at.Add(-time.Minute), Usage: u,
		Network:    []capsule.Interface{{Name: "eth0", RxBytes: 1, RxPackets: 2, RxErrors: 3, RxDropped: 4, TxBytes: 5, TxPackets: 6, TxErrors: 7, TxDropped: 8}},
		Containers: []capsule.ContainerStats{{Name: "a", StartedAt: at.Add(-time.Second), Usage: u}, {Name: "b", StartedAt: at, Usage: u}},
		Probes:     []capsule.ProbeCount{{Container: "a", Kind: "Liveness", Successes: 3}, {Container: "a", Kind: "Readiness", Successes: 1, Failures: 2}}}
}

func reading(err error) *Reading {
	web, used := running("web", "u1")
	idle, _ := running("idle", "u2")
	return NewReading("n", []Pod{web, idle}, []capsule.Host{{UUID: "h1", Name: "one", Up: true, CPUs: 4, MemoryBytes: 8 << 30, DiskBytes: 100, DiskFreeBytes: 60},
		{UUID: "h2", Name: "two", Up: true, CPUs: 2, MemoryBytes: 4 << 30}, {UUID: "h3", Name: "down"}},
		&capsule.StatsReport{Capsules: []capsule.Stats{used}, Hosts: []capsule.HostStats{{Name: "one", StartedAt: at, Usage: used.Usage},
			{Name: "two", StartedAt: at.Add(-time.Hour), Usage: used.Usage}}}, err)
}

// text is what Prometheus is given, and is free of what it would refuse.
func text(t *testing.T, gather prometheus.GathererFunc) string {
	t.Helper()
	families, err := prometheus.Gatherers{gather}.Gather() // it checks consistency
	if err != nil {
		t.Error(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Error(err)
		}
	}
	return b.String()
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
}

func TestCadvisor(t *testing.T) {
	of := func(r *Reading) string {
		return text(t, func() ([]*dto.MetricFamily, error) { return r.Cadvisor(), nil })
	}
	got := of(reading(nil))
	sample := func(name, of, value string, more ...string) string {
		labels := map[string]string{
			"node": `{container="",%sid="/",image="",%sname="",namespace="",pod=""}`,
			"pod":  `{container="",%sid="/kubepods/podu1",image="",%sname="",namespace="shop",pod="web"}`,
			"a":    `{container="a",%sid="/kubepods/podu1/id-a",image="img:1",%sname="id-a",namespace="shop",pod="web"}`,
			"b":    `{container="b",%sid="/kubepods/podu1/id-b",image="img:2",%sname="id-b",namespace="shop",pod="web"}`,
		}[of]
		more = append(more, "", "")
		return name + fmt.Sprintf(labels, more[0], more[1]) + " " + value
	}
	cpu := `cpu="total",`
	has(t, got,
		`machine_cpu_cores{boot_id="",machine_id="h1",system_uuid="h1"} 4`,
		`machine_cpu_cores{boot_id="",machine_id="h2",system_uuid="h2"} 2`,
		`machine_memory_bytes{boot_id="",machine_id="h1",system_uuid="h1"} 8.589934592e+09`,
		"# TYPE container_cpu_usage_seconds_total counter",
		sample("container_cpu_usage_seconds_total", "node", "3 1700000001234", cpu),
		sample("container_cpu_usage_seconds_total", "pod", "1.5 1700000001234", cpu),
		sample("container_cpu_usage_seconds_total", "a", "1.5 1700000001234", cpu),
		sample("container_memory_usage_bytes", "node", "600 1700000001234"),
		sample("container_memory_usage_bytes", "a", "300 1700000001234"),
		sample("container_memory_working_set_bytes", "pod", "200 1700000001234"),
		sample("container_memory_rss", "b", "100 1700000001234"),
		sample("container_memory_cache", "b", "50 1700000001234"),
		sample("container_memory_mapped_file", "b", "30 1700000001234"),
		sample("container_memory_swap", "node", "80 1700000001234"),
		`container_memory_failures_total{container="a",failure_type="pgfault",id="/kubepods/podu1/id-a",image="img:1",name="id-a",namespace="shop",pod="web",scope="hierarchy"} 20 1700000001234`,
		`container_memory_failures_total{container="",failure_type="pgmajfault",id="/kubepods/podu1",image="",name="",namespace="shop",pod="web",scope="hierarchy"} 10 1700000001234`,
		sample("container_start_time_seconds", "node", "1.699996401234e+09"),
		sample("container_start_time_seconds", "a", "1.700000000234e+09"),
		sample("container_last_seen", "a", "1.700000001e+09 1700000001234"),
		sample("container_spec_cpu_shares", "a", "256"),
		sample("container_spec_cpu_quota", "a", "50000"),
		sample("container_spec_cpu_period", "a", "100000"),
		sample("container_spec_memory_limit_bytes", "a", "2.097152e+06"),
		sample("container_spec_cpu_shares", "b", "2"),
		sample("container_spec_memory_limit_bytes", "b", "0"),
		sample("container_cpu_cfs_periods_total", "a", "9 1700000001234"),
		sample("container_cpu_cfs_throttled_periods_total", "a", "4 1700000001234"),
		sample("container_cpu_cfs_throttled_seconds_total", "a", "2.5 1700000001234"),
		sample("container_fs_reads_bytes_total", "node", "14 1700000001234", `device="/dev/sda",`),
		sample("container_fs_reads_bytes_total", "pod", "7 1700000001234", `device="/dev/sda",`),
		sample("container_fs_writes_bytes_total", "a", "8 1700000001234", `device="/dev/sda",`),
		sample("container_fs_reads_bytes_total", "b", "1 1700000001234", `device="9:9",`),
		sample("container_network_receive_bytes_total", "pod", "1 1700000001234", "", `interface="eth0",`),
		sample("container_network_receive_packets_total", "pod", "2 1700000001234", "", `interface="eth0",`),
		sample("container_network_receive_errors_total", "pod", "3 1700000001234", "", `interface="eth0",`),
		sample("container_network_receive_packets_dropped_total", "pod", "4 1700000001234", "", `interface="eth0",`),
		sample("container_network_transmit_bytes_total", "pod", "5 1700000001234", "", `interface="eth0",`),
		sample("container_network_transmit_packets_total", "pod", "6 1700000001234", "", `interface="eth0",`),
		sample("container_network_transmit_errors_total", "pod", "7 1700000001234", "", `interface="eth0",`),
		sample("container_network_transmit_packets_dropped_total", "pod", "8 1700000001234", "", `interface="eth0",`),
		`container_fs_usage_bytes{container="",device="one",id="/",image="",name="",namespace="",pod=""} 40`,
		"container_scrape_error 0", "machine_scrape_error 0",
	)
	for _, absent := range []string{`pod="idle"`, "h3", `device="two"`, sample("container_spec_cpu_quota", "b", ""), sample("container_cpu_cfs_periods_total", "b", "")} {
		if strings.Contains(got, absent) {
			t.Errorf("%s is told in\n%s", absent, got)
		}
	}
	has(t, of(reading(errors.New("no"))), "container_scrape_error 1")
	has(t, of(NewReading("n", nil, nil, &capsule.StatsReport{}, errors.New("no"))), "container_scrape_error 1")
}

func TestProbes(t *testing.T) {
	got := text(t, func() ([]*dto.MetricFamily, error) { return reading(nil).Probes(), nil })
	want := func(kind, result string, n int) string {
		return fmt.Sprintf(`prober_probe_total{container="a",namespace="shop",pod="web",pod_uid="u1",probe_type=%q,result=%q} %d`, kind, result, n)
	}
	has(t, got, want("Liveness", "successful", 3), want("Readiness", "successful", 1), want("Readiness", "failed", 2))
	if strings.Contains(got, `probe_type="Liveness",result="failed"`) {
		t.Errorf("what never was is told:\n%s", got)
	}
}

// What is available is what a limit leaves, or of the node the machines.
func TestSummaryOfMemory(t *testing.T) {
	s := reading(nil).Summary(true)
	node, pod := s.Node, s.Pods[0]
	a, b := pod.Containers[0], pod.Containers[1]
	for what, is := range map[string]bool{
		"node":              *node.Memory.AvailableBytes == 12<<30-400 && *node.Swap.SwapUsageBytes == 80,
		"pod":               pod.Memory.AvailableBytes == nil && *pod.Swap.SwapUsageBytes == 40,
		"container":         *a.Memory.AvailableBytes == 2<<20-200 && *a.Memory.PageFaults == 20 && *a.Memory.MajorPageFaults == 10,
		"without a limit":   b.Memory.AvailableBytes == nil && *b.Swap.SwapUsageBytes == 40,
		"resource endpoint": strings.Contains(text(t, func() ([]*dto.MetricFamily, error) { return reading(nil).Resource(), nil }), `container_swap_usage_bytes{container="a",namespace="shop",pod="web"} 40`),
	} {
		if !is {
			t.Errorf("%s: %+v", what, s)
		}
	}
}

// What pods take of disks: of volumes by their claims, of the engine's disk by containers and altogether.
func TestStorage(t *testing.T) {
	web, used := running("web", "u1")
	web.Capsule.Claim.Host = "one"
	web.Spec.Volumes = []corev1.Volume{
		{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "shop-data"}}},
		{Name: "scratch", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}}, {Name: "tmp"}}
	used.Storage = &capsule.Storage{At: at, Containers: map[string]capsule.ContainerStorage{"a": {WritableBytes: 5, LogBytes: 2}},
		Volumes: []capsule.VolumeStorage{
			{Name: "data", UsedBytes: 40, CapacityBytes: 100, AvailableBytes: 50, Inodes: 10, InodesFree: 4},
			{Name: "scratch", UsedBytes: 7}, {Name: "tmp", UsedBytes: 3, CapacityBytes: 100, Ephemeral: true}}}
	twin, same := web, used
	twin.Pod = web.DeepCopy()
	twin.UID, same.UUID = "u2", "u2"
	r := NewReading("n", []Pod{web, twin}, []capsule.Host{{Name: "one", Up: true, DiskBytes: 1000, DiskFreeBytes: 600}},
		&capsule.StatsReport{Capsules: []capsule.Stats{used, same}}, nil)
	claimed := `{namespace="shop",persistentvolumeclaim="shop-data"} `
	has(t, text(t, func() ([]*dto.MetricFamily, error) { return r.Volumes(), nil }),
		"kubelet_volume_stats_capacity_bytes"+claimed+"100", "kubelet_volume_stats_available_bytes"+claimed+"50", "kubelet_volume_stats_used_bytes"+claimed+"40",
		"kubelet_volume_stats_inodes"+claimed+"10", "kubelet_volume_stats_inodes_free"+claimed+"4", "kubelet_volume_stats_inodes_used"+claimed+"6",
		`kubelet_volume_stats_used_bytes{namespace="shop",persistentvolumeclaim="web-scratch"} 7`)
	has(t, text(t, func() ([]*dto.MetricFamily, error) { return r.Cadvisor(), nil }),
		`container_fs_usage_bytes{container="a",device="one",id="/kubepods/podu1/id-a",image="img:1",name="id-a",namespace="shop",pod="web"} 7 1700000001234`)
	p := r.Summary(false).Pods[0]
	for what, is := range map[string]bool{
		"volumes":           len(p.VolumeStats) == 3 && p.VolumeStats[2].PVCRef == nil && *p.VolumeStats[2].UsedBytes == 3 && p.VolumeStats[1].CapacityBytes == nil,
		"claim":             p.VolumeStats[0].PVCRef != nil && p.VolumeStats[0].PVCRef.Name == "shop-data",
		"ephemeral storage": *p.EphemeralStorage.UsedBytes == 10 && *p.EphemeralStorage.CapacityBytes == 1000 && *p.EphemeralStorage.AvailableBytes == 600,
		"container":         *p.Containers[0].Rootfs.UsedBytes == 5 && *p.Containers[0].Logs.UsedBytes == 2 && p.Containers[1].Rootfs == nil,
		"in short":          r.Summary(true).Pods[0].VolumeStats == nil,
	} {
		if !is {
			t.Errorf("%s: %+v", what, p)
		}
	}
}

// A host that cannot tell takes nothing from the figures of the others.
func TestIncompleteUsage(t *testing.T) {
	pod, used := running("web", "u1")
	r := NewReading("n", []Pod{pod}, nil, &capsule.StatsReport{Capsules: []capsule.Stats{used},
		Hosts: []capsule.HostStats{{Name: "one", Usage: used.Usage}}, Incomplete: []string{"two"}}, nil)
	has(t, text(t, func() ([]*dto.MetricFamily, error) { return r.Resource(), nil }),
		fmt.Sprintf("node_cpu_usage_seconds_total %g %d", float64(used.CPUNanos)/1e9, used.At.UnixMilli()))
	if r.Summary(false).Node.CPU == nil {
		t.Error("no CPU of the node")
	}
	r = NewReading("n", []Pod{pod}, nil, &capsule.StatsReport{Capsules: []capsule.Stats{used}, Incomplete: []string{"two"}}, nil)
	got := text(t, func() ([]*dto.MetricFamily, error) { return r.Resource(), nil }) +
		text(t, func() ([]*dto.MetricFamily, error) { return r.Cadvisor(), nil })
	if r.Summary(false).Node.CPU != nil || strings.Contains(got, "node_cpu") || strings.Contains(got, `id="/",`) || !strings.Contains(got, `pod="web"`) {
		t.Errorf("of none:\n%s", got)
	}
}

func TestProcess(t *testing.T) {
	p := NewProcess("n")
	p.PodRuns(at, at.Add(time.Second), at.Add(5*time.Second))
	h := p.Count(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, ask := range [][2]string{{"GET", "/metrics/cadvisor"}, {"POST", "/exec/shop/web/a"}, {"MAKEITUP", "/at/random"}, {"GET", "/metrics/made-up"}} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(ask[0], ask[1], http.NoBody))
	}
	web, _ := running("web", "u1")
	got := text(t, func() ([]*dto.MetricFamily, error) { return p.Gather([]Pod{web, {Pod: &corev1.Pod{}}}) })
	request := func(name, method, path string, lasting bool, n string) string {
		return fmt.Sprintf(`kubelet_http_%s{long_running="%v",method=%q,path=%q,server_type="readwrite"} %s`, name, lasting, method, path, n)
	}
	has(t, got, `kubelet_node_name{node="n"} 1`, "kubelet_running_pods 1", `kubelet_desired_pods{static=""} 2`,
		`kubelet_running_containers{container_state="running"} 1`, `kubelet_running_containers{container_state="exited"} 1`,
		"kubelet_pod_start_duration_seconds_sum 4", "kubelet_pod_start_total_duration_seconds_sum 5", `kubelet_pod_start_duration_seconds_bucket{le="4"} 1`,
		request("requests_total", "GET", "metrics/cadvisor", false, "1"), request("requests_total", "POST", "exec", true, "1"),
		request("requests_total", "other", "other", false, "1"), request("requests_total", "GET", "other", false, "1"),
		request("inflight_requests", "POST", "exec", true, "0"), request("requests_duration_seconds_count", "POST", "exec", true, "1"))
	if !strings.Contains(got, "process_resident_memory_bytes ") || !strings.Contains(got, "go_goroutines ") {
		t.Errorf("nothing of the process itself in\n%s", got)
	}
}

// BenchmarkCadvisor writes what 100 pods of two containers use.
func BenchmarkCadvisor(b *testing.B) {
	var pods []Pod
	var report capsule.StatsReport
	for i := range 100 {
		pod, used := running(fmt.Sprint("pod-", i), types.UID(fmt.Sprint("u", i)))
		pods, report.Capsules = append(pods, pod), append(report.Capsules, used)
	}
	b.ReportAllocs()
	for b.Loop() {
		var size countWriter
		enc := expfmt.NewEncoder(&size, expfmt.NewFormat(expfmt.TypeTextPlain))
		for _, f := range NewReading("n", pods, nil, &report, nil).Cadvisor() {
			if err := enc.Encode(f); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(size))
	}
}

type countWriter int

func (w *countWriter) Write(p []byte) (int, error) {
	*w += countWriter(len(p))
	return len(p), nil
}
