package provider

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	headerTimeout   = 10 * time.Second
	shutdownTimeout = 5 * time.Second
)

// kubelet is the node's HTTPS endpoint: what the API server and metrics collectors ask a kubelet.
type kubelet struct {
	pods *pods
	gate *gate
	cert *certificate
	log  *logrus.Entry
	// sessions admits so many streaming sessions at a time.
	sessions chan struct{}
}

func newKubelet(cfg *Config, ps *pods) (*kubelet, error) {
	cert, err := newCertificate(cfg)
	if err != nil {
		return nil, err
	}
	g := &gate{client: cfg.Client, node: cfg.NodeName, caFile: cfg.ClientCAFile, log: cfg.Log, answers: newAnswers()}
	return &kubelet{pods: ps, gate: g, cert: cert, log: cfg.Log, sessions: make(chan struct{}, maxSessions)}, nil
}

// Run serves until ctx ends.
func (k *kubelet) Run(ctx context.Context, listener net.Listener) error {
	if err := k.gate.loadCA(ctx); err != nil {
		k.log.WithError(err).Warn("client certificates are not accepted by the kubelet endpoint yet")
	}
	server := &http.Server{
		Handler:           k.gate.guard(k.routes()),
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          log.New(k.log.WriterLevel(logrus.DebugLevel), "", 0), // TLS handshakes of strangers
		BaseContext:       func(net.Listener) context.Context { return ctx },
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: k.cert.get,
			// Asked for and checked by the gate: a token may come with any certificate or none.
			ClientAuth: tls.RequestClientCert,
			NextProtos: []string{"h2", "http/1.1"},
		},
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return k.gate.Run(ctx) })
	group.Go(func() error {
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("kubelet endpoint: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := server.Shutdown(closing); err != nil {
			return server.Close() // streams that are followed for ever
		}
		return nil
	})
	return group.Wait()
}

func (k *kubelet) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthy)
	mux.HandleFunc("GET /healthz/", healthy)
	mux.HandleFunc("GET /pods", k.listPods)
	mux.HandleFunc("GET /pods/{$}", k.listPods)
	mux.HandleFunc("GET /runningpods/", k.listRunning)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.containerLogs)
	for _, end := range []string{"", "/{$}"} {
		mux.HandleFunc("GET /stats/summary"+end, k.summary)
		mux.HandleFunc("GET /metrics/resource"+end, k.resourceMetrics)
	}
	k.sessionRoutes(mux)
	for _, path := range []string{"/stats/", "/metrics", "/metrics/", "/logs/", "/configz", "/checkpoint/"} {
		mux.HandleFunc(path, notImplemented)
	}
	return mux
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("ok")) // the asker is gone if this fails
}

func notImplemented(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "capsulet does not implement "+r.URL.Path+" yet", http.StatusNotImplemented)
}

func (k *kubelet) listPods(w http.ResponseWriter, r *http.Request) {
	k.writePods(w, r, func(*corev1.Pod) bool { return true })
}

func (k *kubelet) listRunning(w http.ResponseWriter, r *http.Request) {
	k.writePods(w, r, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
}

func (k *kubelet) writePods(w http.ResponseWriter, r *http.Request, keep func(*corev1.Pod) bool) {
	all, err := k.pods.GetPods(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: []corev1.Pod{}}
	for _, p := range all {
		if keep(p) {
			list.Items = append(list.Items, *p)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list) // the asker is gone if this fails
}
