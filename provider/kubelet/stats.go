package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/capsulet/capsulet/provider/kubelet/metrics"
)

func (k *Server) statsRoutes() (list []route) {
	own := func(w http.ResponseWriter, r *http.Request) {
		reading, _ := k.read(r.Context()) // without it there are no figures of volumes
		write(w, r, func() ([]*dto.MetricFamily, error) {
			families, err := k.cfg.Metrics.Gather(k.pods())
			return append(families, reading.Volumes()...), err
		})
	}
	of := func(families func(*metrics.Reading) []*dto.MetricFamily) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			reading, _ := k.read(r.Context()) // it tells of its error itself
			if reading.Err != nil {
				k.cfg.Log.WithError(reading.Err).Debug("statistics are not complete")
			}
			write(w, r, func() ([]*dto.MetricFamily, error) { return families(reading), nil })
		}
	}
	for _, end := range []string{"", "/{$}"} {
		list = append(list,
			route{pattern: "GET /stats/summary" + end, serve: k.summary},
			route{pattern: "GET /metrics" + end, serve: own},
			route{pattern: "GET /metrics/resource" + end, serve: of((*metrics.Reading).Resource)},
			route{pattern: "GET /metrics/cadvisor" + end, serve: of((*metrics.Reading).Cadvisor)},
			route{pattern: "GET /metrics/probes" + end, serve: of((*metrics.Reading).Probes)})
	}
	return list
}

// reading is the last one that was made.
type reading struct {
	mu  sync.Mutex
	at  time.Time
	now *metrics.Reading
	err error
}

// read asks for the statistics of all pods and hosts. What could not be read is left out, and the reading says so. The error
// is there when nothing could be.
func (k *Server) read(ctx context.Context) (*metrics.Reading, error) {
	k.reading.mu.Lock()
	defer k.reading.mu.Unlock()
	if r := &k.reading; r.now != nil && time.Since(r.at) < k.limits.reading {
		return r.now, r.err
	}
	// It is everybody's: the first who asks must not end it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.limits.answer)
	defer cancel()
	report, err := k.cfg.Containers.Stats(ctx)
	lacks := err
	if err == nil && len(report.Incomplete) > 0 {
		lacks = errors.New("some hosts cannot tell")
	}
	hosts, hostsErr := k.cfg.Containers.Hosts(ctx)
	k.reading.now, k.reading.err = metrics.NewReading(k.cfg.NodeName, k.pods(), hosts, &report, errors.Join(lacks, hostsErr)), err
	k.reading.at = time.Now()
	return k.reading.now, k.reading.err
}

func (k *Server) pods() []metrics.Pod {
	present := k.cfg.Pods.Present()
	list := make([]metrics.Pod, len(present))
	for i, p := range present {
		list[i] = metrics.Pod{Pod: p.Pod, Capsule: p.Capsule}
	}
	return list
}

// write answers in the format that the asker prefers. promhttp's own compression takes as long as everything before it.
func write(w http.ResponseWriter, r *http.Request, gather prometheus.GathererFunc) {
	opts := promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, DisableCompression: true}
	gzhttp.GzipHandler(promhttp.HandlerFor(gather, opts)).ServeHTTP(w, r)
}

// summary serves /stats/summary.
func (k *Server) summary(w http.ResponseWriter, r *http.Request) {
	short := r.URL.Query().Get("only_cpu_and_memory") == "true"
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
