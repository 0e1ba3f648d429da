package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/capsulet/capsulet/provider/kubelet/metrics"
)

func (k *Server) statsRoutes(mux *http.ServeMux) {
	for _, end := range []string{"", "/{$}"} {
		mux.HandleFunc("GET /stats/summary"+end, k.summary)
		mux.HandleFunc("GET /metrics"+end, func(w http.ResponseWriter, r *http.Request) {
			write(w, r, func() ([]*dto.MetricFamily, error) { return k.cfg.Metrics.Gather(k.pods()) })
		})
		for path, families := range map[string]func(*metrics.Reading) []*dto.MetricFamily{
			"/metrics/resource": (*metrics.Reading).Resource, "/metrics/cadvisor": (*metrics.Reading).Cadvisor, "/metrics/probes": (*metrics.Reading).Probes,
		} {
			mux.HandleFunc("GET "+path+end, func(w http.ResponseWriter, r *http.Request) {
				reading, _ := k.read(r.Context()) // it tells of its error itself
				if reading.Err != nil {
					k.cfg.Log.WithError(reading.Err).Debug("statistics are not complete")
				}
				write(w, r, func() ([]*dto.MetricFamily, error) { return families(reading), nil })
			})
		}
	}
}

// read asks for the statistics of all pods and hosts. What could not be read is left out, and the reading says so. The error
// is there when nothing could be.
func (k *Server) read(ctx context.Context) (*metrics.Reading, error) {
	report, err := k.cfg.Containers.Stats(ctx)
	lacks := err
	if err == nil && len(report.Incomplete) > 0 {
		lacks = errors.New("some hosts cannot tell")
	}
	hosts, hostsErr := k.cfg.Containers.Hosts(ctx)
	return metrics.NewReading(k.cfg.NodeName, k.pods(), hosts, &report, errors.Join(lacks, hostsErr)), err
}

func (k *Server) pods() []metrics.Pod {
	present := k.cfg.Pods.Present()
	list := make([]metrics.Pod, len(present))
	for i, p := range present {
		list[i] = metrics.Pod{Pod: p.Pod, Capsule: p.Capsule}
	}
	return list
}

// write answers in the format that the asker prefers.
func write(w http.ResponseWriter, r *http.Request, gather prometheus.GathererFunc) {
	promhttp.HandlerFor(gather, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
}

// summary serves /stats/summary.
func (k *Server) summary(w http.ResponseWriter, r *http.Request) {
	query := logParser{values: r.URL.Query()}
	short := query.flag("only_cpu_and_memory")
	if query.err != nil {
		http.Error(w, query.err.Error(), http.StatusBadRequest)
		return
	}
	reading, err := k.read(r.Context())
	if err != nil {
		http.Error(w, err.Error(), httpStatus(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", " ")                 // as the kubelet answers: people read it
	_ = e.Encode(reading.Summary(short)) // the asker is gone if this fails
}
