package metrics

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// startBuckets are the kubelet's for the start of pods (pkg/kubelet/metrics/metrics.go).
var startBuckets = []float64{0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600}

// Process counts what this process does as a kubelet. It is safe for concurrent use.
type Process struct {
	registry              *prometheus.Registry
	started, startedTotal prometheus.Histogram
	desired, states       *prometheus.GaugeVec
	running               prometheus.Gauge
	requests              *prometheus.CounterVec
	inflight              *prometheus.GaugeVec
	durations             *prometheus.HistogramVec
}

// NewProcess makes the counters of the node of that name.
func NewProcess(node string) *Process {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "kubelet", Name: name, Help: help}
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts(opts(name, help)), labels)
	}
	starts := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "kubelet", Name: name, Help: help, Buckets: startBuckets})
	}
	request := []string{"method", "path", "server_type", "long_running"}
	p := &Process{
		registry: prometheus.NewRegistry(),
		started:  starts("pod_start_duration_seconds", "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run"),
		startedTotal: starts("pod_start_total_duration_seconds", "Duration in seconds to start a pod since creation, including time "+
			"to pull images and run init containers"),
		desired:  gauge("desired_pods", "The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.", "static"),
		states:   gauge("running_containers", "Number of containers currently running", "container_state"),
		running:  prometheus.NewGauge(prometheus.GaugeOpts(opts("running_pods", "Number of pods that have a running pod sandbox"))),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts(opts("http_requests_total", "Number of the http requests received since the server started")), request),
		inflight: gauge("http_inflight_requests", "Number of the inflight http requests", request...),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "kubelet", Name: "http_requests_duration_seconds",
			Help: "Duration in seconds to serve http requests", Buckets: prometheus.DefBuckets}, request),
	}
	name := gauge("node_name", "The node's name. The count is always 1.", "node")
	name.WithLabelValues(node).Set(1)
	p.registry.MustRegister(name, p.started, p.startedTotal, p.desired, p.states, p.running, p.requests, p.inflight, p.durations)
	return p
}

// PodRuns counts a pod that was created and seen then and runs now.
func (p *Process) PodRuns(created, seen, now time.Time) {
	p.started.Observe(now.Sub(seen).Seconds())
	p.startedTotal.Observe(now.Sub(created).Seconds())
}

// Gather is /metrics: what this process counts as a kubelet, the pods that it has, and what the library and the server in
// this process, if there is one, tell of themselves.
func (p *Process) Gather(pods []Pod) ([]*dto.MetricFamily, error) {
	running, states := 0, map[capsule.State]int{}
	for _, pod := range pods {
		if pod.Capsule == nil {
			continue
		}
		if pod.Capsule.Facts.Sandbox.Ready {
			running++
		}
		for i := range pod.Capsule.Facts.Containers {
			if run := pod.Capsule.Facts.Containers[i].Run; run != nil {
				states[run.State()]++
			}
		}
	}
	p.running.Set(float64(running))
	p.desired.WithLabelValues("").Set(float64(len(pods)))
	for _, s := range []capsule.State{capsule.StateCreated, capsule.StateRunning, capsule.StateExited} {
		p.states.WithLabelValues(string(s)).Set(float64(states[s]))
	}
	return prometheus.Gatherers{p.registry, prometheus.DefaultGatherer}.Gather()
}

// The first elements of paths that are told apart, and of them those whose requests last.
var (
	paths = map[string]bool{"pods": true, "runningpods": true, "healthz": true, "configz": true, "stats": true, "logs": true, "metrics": true,
		"containerLogs": true, "run": true, "exec": true, "attach": true, "portForward": true,
		"metrics/cadvisor": true, "metrics/probes": true, "metrics/resource": true}
	lasting = map[string]bool{"exec": true, "attach": true, "portForward": true}
	methods = map[string]bool{http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true,
		http.MethodDelete: true, http.MethodOptions: true, http.MethodTrace: true, http.MethodConnect: true}
)

// Count counts the requests that next serves. Strangers choose methods and paths: what is not known is "other".
func (p *Process) Count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if !methods[method] {
			method = "other"
		}
		path := pathOf(r.URL.Path)
		of := []string{method, path, "readwrite", strconv.FormatBool(lasting[path])}
		p.requests.WithLabelValues(of...).Inc()
		inflight := p.inflight.WithLabelValues(of...)
		inflight.Inc()
		defer inflight.Dec()
		defer func(began time.Time) { p.durations.WithLabelValues(of...).Observe(time.Since(began).Seconds()) }(time.Now())
		next.ServeHTTP(w, r)
	})
}

func pathOf(path string) string {
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 3)
	root := parts[0]
	if root == "metrics" && len(parts) > 1 && parts[1] != "" {
		root += "/" + parts[1]
	}
	if !paths[root] {
		return "other"
	}
	return root
}
