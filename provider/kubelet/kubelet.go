package kubelet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/capsulet/capsulet/provider/kubelet/metrics"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	apiTimeout      = 15 * time.Second // of requests to the API server
	shutdownTimeout = 5 * time.Second
)

// Pods are the pods of the node.
type Pods interface {
	// GetPods returns all of them with their status; Unavailable before they are known.
	GetPods(ctx context.Context) ([]*corev1.Pod, error)
	// Named returns the pod of that name: the one that the API has now or, when it has none, the last one.
	Named(namespace, name string) (Pod, bool)
	// Present returns the pods that have a capsule or may get one, without their status.
	Present() []Pod
	// Healthy says why the pods are not taken care of; nil when they are.
	Healthy() error
}

// Pod is one pod. What it points at is not to be changed.
type Pod struct {
	*corev1.Pod
	// Capsule is the pod's as last seen; nil before it was.
	Capsule *capsule.Capsule
}

// Containers looks and reaches into the containers of capsules. Errors carry a class of github.com/containerd/errdefs.
type Containers interface {
	Stats(ctx context.Context) (capsule.StatsReport, error)
	Hosts(ctx context.Context) ([]capsule.Host, error)
	Logs(ctx context.Context, uuid, container string, previous bool, opts capsule.LogOptions) (io.ReadCloser, error)
	Run(ctx context.Context, uuid, container string, command []string) (output []byte, exitCode int, err error)
	Session(w http.ResponseWriter, r *http.Request, uuid, action string, params url.Values)
}

// Config is what an endpoint is made of.
type Config struct {
	Client     kubernetes.Interface
	Pods       Pods
	Containers Containers
	// Metrics counts what this process does as a kubelet.
	Metrics  *metrics.Process
	NodeName string
	// Address is the node's InternalIP, for a self-signed certificate.
	Address string
	// CertFile and KeyFile are read again when they change; empty means a self-signed certificate.
	CertFile, KeyFile string
	// ClientCAFile has the authority of client certificates; empty means the cluster's own, from the config map
	// kube-system/extension-apiserver-authentication.
	ClientCAFile string
	// Settings are what /configz tells beside the endpoint's own.
	Settings Settings
	Log      *logrus.Entry
}

// Server is the node's HTTPS endpoint: what the API server and metrics collectors ask a kubelet.
type Server struct {
	cfg    Config
	limits limits
	gate   *gate
	cert   *certificate
	log    *nodeLog
	// short and lasting admit so many requests of either kind at a time.
	short, lasting chan struct{}
	reading        reading
}

// New makes an endpoint. It serves nobody before [Server.Run].
func New(cfg Config) (*Server, error) { return newServer(cfg, defaults) }

func newServer(cfg Config, l limits) (*Server, error) {
	cert, err := newCertificate(&cfg)
	if err != nil {
		return nil, err
	}
	k := &Server{cfg: cfg, limits: l, cert: cert, log: &nodeLog{}}
	k.short, k.lasting = make(chan struct{}, k.limits.short), make(chan struct{}, k.limits.lasting)
	k.gate = &gate{client: cfg.Client, node: cfg.NodeName, caFile: cfg.ClientCAFile, log: cfg.Log, answers: newAnswers(), limits: &k.limits}
	cfg.Log.Logger.AddHook(k.log)
	return k, nil
}

// Run serves until ctx ends.
func (k *Server) Run(ctx context.Context, listener net.Listener) error {
	if err := k.gate.loadCA(ctx); err != nil {
		k.cfg.Log.WithError(err).Warn("client certificates are not accepted by the kubelet endpoint yet")
	}
	strangers := k.cfg.Log.WriterLevel(logrus.DebugLevel) // what goes wrong in TLS handshakes, mostly theirs
	defer strangers.Close()
	server := &http.Server{
		Handler:           k.handler(listener.Addr()),
		ReadHeaderTimeout: k.limits.header, // of the TLS handshake, too
		IdleTimeout:       k.limits.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(strangers, "", 0),
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
		if err := server.ServeTLS(newConnLimit(listener, &k.limits), "", ""); !errors.Is(err, http.ErrServerClosed) {
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
