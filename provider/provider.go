package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	vklog "github.com/virtual-kubelet/virtual-kubelet/log"
	vklogrus "github.com/virtual-kubelet/virtual-kubelet/log/logrus"
	vknode "github.com/virtual-kubelet/virtual-kubelet/node"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"

	"github.com/capsulet/capsulet/provider/kubelet"
	"github.com/capsulet/capsulet/provider/kubelet/metrics"
	"github.com/capsulet/capsulet/provider/node"
	"github.com/capsulet/capsulet/provider/sources"
	"github.com/capsulet/capsulet/provider/vkclient"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/translate"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Capsules is what the provider asks of the capsule API; [zun.Client] has it. Errors carry a class of
// github.com/containerd/errdefs.
type Capsules interface {
	Create(ctx context.Context, spec capsule.Spec, uid string) (*capsule.Capsule, error)
	Update(ctx context.Context, uuid string, spec capsule.Spec) (*capsule.Capsule, error)
	Get(ctx context.Context, uuid string) (*capsule.Capsule, error)
	List(ctx context.Context) ([]*capsule.Capsule, int64, error)
	Delete(ctx context.Context, uuid string, graceSeconds *int64) error
	Watch(ctx context.Context, since int64) (<-chan zun.Event, error)
	node.Hosts
	kubelet.Containers
}

// Config is all that a virtual node needs.
type Config struct {
	Client   kubernetes.Interface
	Capsules Capsules
	NodeName string
	// Address is the node's InternalIP, where the API server reaches the kubelet endpoint.
	Address string
	// Listen is where the kubelet endpoint listens; empty means ":10250".
	Listen string
	// KubeletPort is the port that the Node object names; 0 means the one that is listened on.
	KubeletPort int32
	// Labels are added to the node's own.
	Labels map[string]string
	// Taint keeps out pods that do not tolerate it; nil means [node.DefaultTaint].
	Taint   *corev1.Taint
	NoTaint bool
	// MaxPods is the node's capacity of pods; 0 means 110.
	MaxPods int64
	// Reserved is taken off the capacity to make what is allocatable.
	Reserved corev1.ResourceList
	// Version is the kubelet version that the node reports.
	Version string
	// ServingCertFile and ServingKeyFile are of the kubelet endpoint, read again when they change; empty means a
	// self-signed certificate.
	ServingCertFile, ServingKeyFile string
	// ClientCAFile has the authority of client certificates; empty means the cluster's own, from the config map
	// kube-system/extension-apiserver-authentication.
	ClientCAFile string
	// ClusterDNS, ClusterDomain and HostDNS are for the pods' resolv.conf.
	ClusterDNS    []string
	ClusterDomain string
	HostDNS       *capsule.DNS
	Log           *logrus.Entry
}

const (
	podWorkers    = 10
	podResync     = 5 * time.Minute
	defaultListen = ":10250"
)

// Provider is one virtual node.
type Provider struct {
	cfg   Config
	ready chan struct{}
}

// New checks the configuration. Nothing runs before [Provider.Run].
func New(cfg Config) (*Provider, error) {
	switch {
	case cfg.Client == nil:
		return nil, errors.New("provider: no Kubernetes client")
	case cfg.Capsules == nil:
		return nil, errors.New("provider: no capsule client")
	case cfg.NodeName == "":
		return nil, errors.New("provider: no node name")
	case net.ParseIP(cfg.Address) == nil:
		return nil, fmt.Errorf("provider: node address %q is no IP address", cfg.Address)
	case (cfg.ServingCertFile == "") != (cfg.ServingKeyFile == ""):
		return nil, errors.New("provider: a serving certificate and its key go together")
	case cfg.Log == nil:
		return nil, errors.New("provider: no logger")
	}
	if cfg.Listen == "" {
		cfg.Listen = defaultListen
	}
	if cfg.MaxPods == 0 {
		cfg.MaxPods = 110
	}
	if cfg.Version == "" {
		cfg.Version = "v1.35.4" // the API that the node is built with
	}
	return &Provider{cfg: cfg, ready: make(chan struct{})}, nil
}

// Ready is closed when the node is registered, pods are taken and the kubelet endpoint listens.
func (p *Provider) Ready() <-chan struct{} { return p.ready }

// Run is the node until ctx ends; then it returns nil. Capsules run on. It may be called once.
func (p *Provider) Run(ctx context.Context) error {
	ctx = vklog.WithLogger(ctx, vklogrus.FromLogrus(p.cfg.Log))
	listener, err := net.Listen("tcp", p.cfg.Listen)
	if err != nil {
		return fmt.Errorf("kubelet endpoint: %w", err)
	}
	defer listener.Close() // the server closes it first
	if p.cfg.KubeletPort == 0 {
		p.cfg.KubeletPort = int32(listener.Addr().(*net.TCPAddr).Port)
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&coreclient.EventSinkImpl{Interface: p.cfg.Client.CoreV1().Events("")})
	defer broadcaster.Shutdown()
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "capsulet", Host: p.cfg.NodeName})

	factory := informers.NewSharedInformerFactoryWithOptions(p.cfg.Client, podResync,
		informers.WithTweakListOptions(onNode(p.cfg.NodeName)))
	vn := p.newNode()
	ps := p.newPods(factory, vn, recorder)
	controller, err := p.newPodController(factory, ps, recorder)
	if err != nil {
		return fmt.Errorf("make the pod controller: %w", err)
	}
	endpoint, err := p.newEndpoint(ps)
	if err != nil {
		return fmt.Errorf("kubelet endpoint: %w", err)
	}
	if err := ps.listen(factory.Core().V1().Pods().Informer()); err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}

	group, ctx := errgroup.WithContext(ctx)
	factory.Start(ctx.Done())
	group.Go(func() error { return ps.sources.Run(ctx) })
	group.Go(func() error { return ps.Run(ctx) })
	group.Go(func() error {
		if !cache.WaitForCacheSync(ctx.Done(), factory.Core().V1().Pods().Informer().HasSynced) {
			return nil
		}
		return tracker{ps}.Run(ctx) // after the cache: adoption looks into it
	})
	group.Go(func() error { return controller.Run(ctx, podWorkers) })
	group.Go(func() error { return vn.Run(ctx) })
	group.Go(func() error { return endpoint.Run(ctx, listener) })
	group.Go(func() error { p.announce(ctx, controller, ps, vn); return nil })
	err = group.Wait()
	factory.Shutdown()
	return err
}

// announce passes readiness on, to the workers and to whoever waits for the node.
func (p *Provider) announce(ctx context.Context, controller *vknode.PodController, ps *pods, vn *node.Node) {
	select {
	case <-controller.Ready():
		close(ps.ready)
	case <-ctx.Done():
		return
	}
	select {
	case <-vn.Registered():
		close(p.ready)
	case <-ctx.Done():
	}
}

func onNode(name string) func(*metav1.ListOptions) {
	return func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", name).String()
	}
}

func (p *Provider) newNode() *node.Node {
	return node.New(node.Config{Client: p.cfg.Client, Hosts: p.cfg.Capsules, Name: p.cfg.NodeName, Address: p.cfg.Address,
		KubeletPort: p.cfg.KubeletPort, Labels: p.cfg.Labels, Taint: p.cfg.Taint, NoTaint: p.cfg.NoTaint, MaxPods: p.cfg.MaxPods,
		Reserved: p.cfg.Reserved, Version: p.cfg.Version, Log: p.cfg.Log})
}

func (p *Provider) newEndpoint(ps *pods) (*kubelet.Server, error) {
	settings := kubelet.Settings{MaxPods: p.cfg.MaxPods, Reserved: p.cfg.Reserved, ClusterDNS: p.cfg.ClusterDNS,
		ClusterDomain: p.cfg.ClusterDomain, StatusUpdate: node.LookEvery, Lease: node.LeaseDuration}
	if !p.cfg.NoTaint {
		settings.Taints = []corev1.Taint{node.DefaultTaint}
		if p.cfg.Taint != nil {
			settings.Taints[0] = *p.cfg.Taint
		}
	}
	return kubelet.New(kubelet.Config{Client: p.cfg.Client, Pods: ps, Containers: p.cfg.Capsules, Metrics: ps.metrics,
		NodeName: p.cfg.NodeName, Address: p.cfg.Address, CertFile: p.cfg.ServingCertFile, KeyFile: p.cfg.ServingKeyFile,
		ClientCAFile: p.cfg.ClientCAFile, Settings: settings, Log: p.cfg.Log})
}

func (p *Provider) newPods(factory informers.SharedInformerFactory, vn *node.Node, recorder record.EventRecorder) *pods {
	ps := &pods{
		node:        p.cfg.NodeName,
		client:      p.cfg.Client,
		capsules:    p.cfg.Capsules,
		lister:      factory.Core().V1().Pods().Lister(),
		recorder:    recorder,
		allocatable: vn.Allocatable, noAppArmor: vn.NoAppArmor, metrics: metrics.NewProcess(p.cfg.NodeName),
		log:    p.cfg.Log,
		synced: make(chan struct{}),
		ready:  make(chan struct{}),
		spawn:  make(chan *entry),
		byUID:  map[types.UID]*entry{},
	}
	ps.sources = sources.New(sources.Config{Client: p.cfg.Client, Allocatable: vn.Allocatable, Log: p.cfg.Log,
		Base: translate.Sources{NodeName: p.cfg.NodeName, ClusterDNS: p.cfg.ClusterDNS,
			ClusterDomain: strings.TrimSuffix(p.cfg.ClusterDomain, "."), HostDNS: p.cfg.HostDNS},
		Changed: func(uid types.UID) { ps.update(uid, func(e *entry) { e.stale = true }) }})
	return ps
}

// newPodController builds Virtual Kubelet's controller with queues that never give a key up.
func (p *Provider) newPodController(factory informers.SharedInformerFactory, ps *pods, recorder record.EventRecorder) (*vknode.PodController, error) {
	limiter := func() workqueue.TypedRateLimiter[any] {
		return workqueue.NewTypedItemExponentialFailureRateLimiter[any](2*time.Millisecond, 30*time.Second)
	}
	forever := func(context.Context, string, int, time.Time, error) (*time.Duration, error) { return nil, nil }
	// The controller asks for these three and, with SkipDownwardAPIResolution, never reads them: of a factory that is
	// never started, so that nothing of the cluster is cached.
	idle := informers.NewSharedInformerFactory(p.cfg.Client, 0).Core().V1()
	pods := factory.Core().V1().Pods()
	return vknode.NewPodController(vknode.PodControllerConfig{
		PodClient: vkclient.Pods{PodsGetter: p.cfg.Client.CoreV1(), Seen: pods.Lister(),
			Kept: func(uid types.UID) bool { return ps.update(uid, func(*entry) {}) }},
		PodInformer:                              pods,
		EventRecorder:                            vkclient.Recorder{EventRecorder: recorder},
		Provider:                                 ps,
		ConfigMapInformer:                        idle.ConfigMaps(),
		SecretInformer:                           idle.Secrets(),
		ServiceInformer:                          idle.Services(),
		SyncPodsFromKubernetesRateLimiter:        limiter(),
		SyncPodsFromKubernetesShouldRetryFunc:    forever,
		DeletePodsFromKubernetesRateLimiter:      limiter(),
		DeletePodsFromKubernetesShouldRetryFunc:  forever,
		SyncPodStatusFromProviderRateLimiter:     limiter(),
		SyncPodStatusFromProviderShouldRetryFunc: forever,
		SkipDownwardAPIResolution:                true,
	})
}

// listen wakes workers when their pods change. It goes before the informer starts.
func (p *pods) listen(informer cache.SharedIndexInformer) error {
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    p.podChanged,
		UpdateFunc: func(_, now any) { p.podChanged(now) },
		DeleteFunc: func(obj any) {
			if stale, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = stale.Obj
			}
			if pod, ok := obj.(*corev1.Pod); ok {
				p.podRemoved(pod)
			}
		},
	})
	return err
}
