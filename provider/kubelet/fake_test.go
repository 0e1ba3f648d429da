package kubelet

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/capsulet/capsulet/provider/kubelet/metrics"
	"github.com/capsulet/capsulet/translate/status"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

const testTimeout = 10 * time.Second

var errDown = fmt.Errorf("connection refused: %w", errdefs.ErrUnavailable)

// endpoint is a kubelet endpoint that listens, with one pod that runs. The API server knows every token but those that begin
// with "wrong" as the user of that name, and allows "admin" everything and "can:pods,stats" these subresources.
type endpoint struct {
	t      *testing.T
	server *Server
	client *fake.Clientset
	http   *http.Client
	url    string
	pod    *corev1.Pod

	mu   sync.Mutex
	pods []Pod
	down bool
	ill  error
	// incomplete are the hosts whose statistics lack something.
	incomplete []string
}

func newEndpoint(t *testing.T, change ...func(*limits)) *endpoint {
	t.Helper()
	l := defaults
	l.reading = 0
	for _, c := range change {
		c(&l)
	}
	w := &endpoint{t: t, http: &http.Client{Timeout: testTimeout, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}, //nolint:gosec // self-signed in a test
		pod: &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "6a1f1c5e-0001-4000-8000-000000000001"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "img:1"}}},
		}}
	now := time.Now()
	w.pods = []Pod{shown(w.pod, &capsule.Capsule{UUID: string(w.pod.UID), Claim: capsule.Claim{Host: "h1"}, Facts: capsule.Facts{StartedAt: now,
		Sandbox: capsule.Sandbox{ID: "s", Ready: true, StartedAt: now, Addresses: []string{"172.17.0.2"}},
		Containers: []capsule.ContainerFacts{{Name: "a", Started: true, Ready: true, ReadyAt: now,
			Run: &capsule.Run{ID: "c0", CreatedAt: now, StartedAt: now}}}}})}
	log := logrus.New()
	log.SetOutput(io.Discard)
	w.client = apiServer()
	s, err := newServer(Config{Client: w.client, Pods: w, Containers: w, Metrics: metrics.NewProcess("capsulet"), NodeName: "capsulet", Address: "127.0.0.1", Log: logrus.NewEntry(log),
		Settings: Settings{MaxPods: 110, ClusterDNS: []string{"10.96.0.10"}, Lease: 40 * time.Second}}, l)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.server, w.url = s, "https://"+listener.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener) }()
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return w
}

func apiServer() *fake.Clientset {
	client := fake.NewClientset()
	client.PrependReactor("create", "tokenreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
		review := a.(k8stesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy()
		review.Status.Authenticated = !strings.HasPrefix(review.Spec.Token, "wrong")
		review.Status.User.Username = review.Spec.Token
		return true, review, nil
	})
	client.PrependReactor("create", "subjectaccessreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
		review := a.(k8stesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		list, can := strings.CutPrefix(review.Spec.User, "can:")
		review.Status.Allowed = review.Spec.User == "admin" || can && slices.Contains(strings.Split(list, ","), review.Spec.ResourceAttributes.Subresource)
		return true, review, nil
	})
	return client
}

// shown is the pod with the status that the provider would give it.
func shown(pod *corev1.Pod, c *capsule.Capsule) Pod {
	pod = pod.DeepCopy()
	pod.Status = status.Of(pod, c)
	return Pod{Pod: pod, Capsule: c}
}

func (f *endpoint) GetPods(context.Context) (list []*corev1.Pod, err error) {
	for _, p := range f.Present() {
		list = append(list, p.Pod)
	}
	return list, nil
}

func (f *endpoint) Named(namespace, name string) (Pod, bool) {
	for _, p := range f.Present() {
		if p.Namespace == namespace && p.Name == name {
			return p, true
		}
	}
	return Pod{}, false
}

func (f *endpoint) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *endpoint) Healthy() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ill
}

func (f *endpoint) Present() []Pod { return f.pods }

func (f *endpoint) Hosts(context.Context) ([]capsule.Host, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errDown
	}
	return []capsule.Host{{UUID: "11", Name: "h1", Up: true, CPUs: 4, MemoryBytes: 8 << 30, DiskBytes: 9 << 30, DiskFreeBytes: 5 << 30}, {Name: "down"}}, nil
}

// Stats are figures of the node's host and of every capsule, with each container of its specification.
func (f *endpoint) Stats(context.Context) (capsule.StatsReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return capsule.StatsReport{}, errDown
	}
	at, cores := time.UnixMilli(1700000001234), uint64(5e8)
	u := capsule.Usage{At: at, CPUNanos: 1.5e9, CPUNanoCores: &cores, MemoryBytes: 300, WorkingSetBytes: 200, RSSBytes: 100}
	report := capsule.StatsReport{Hosts: []capsule.HostStats{{Name: "h1", StartedAt: at.Add(-time.Hour), Usage: u}}, Incomplete: f.incomplete}
	for _, p := range f.pods {
		s := capsule.Stats{UUID: p.Capsule.UUID, StartedAt: at.Add(-time.Minute), Usage: u,
			Network: []capsule.Interface{{Name: "eth0", RxBytes: 7, TxBytes: 8}},
			Probes:  []capsule.ProbeCount{{Container: "a", Kind: "Readiness", Successes: 3}}}
		for i := range p.Spec.Containers {
			s.Containers = append(s.Containers, capsule.ContainerStats{Name: p.Spec.Containers[i].Name, StartedAt: at.Add(-time.Second), Usage: u})
		}
		report.Capsules = append(report.Capsules, s)
	}
	return report, nil
}

func (f *endpoint) Logs(_ context.Context, uuid, container string, previous bool, opts capsule.LogOptions) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(fmt.Sprintf("%s %s %v %d\n", uuid, container, previous, opts.Tail))), nil
}

func (f *endpoint) Run(_ context.Context, _, _ string, command []string) ([]byte, int, error) {
	if command[0] == "false" {
		return []byte("no"), 1, nil
	}
	return []byte(strings.Join(command, "|")), 0, nil
}

func (f *endpoint) Session(w http.ResponseWriter, _ *http.Request, uuid, action string, params url.Values) {
	_, _ = fmt.Fprintf(w, "%s %s %s", uuid, action, params.Encode())
}
