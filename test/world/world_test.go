package world

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/capsulet/capsulet/provider"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/store"
)

const (
	nodeName  = "capsulet"
	namespace = "shop"
	token     = "the-token-of-the-world"
	// patience is for machines that do other things as well; nothing here takes that long.
	patience = 40 * time.Second
)

// world is a cluster, a node, a capsule server and its hosts.
type world struct {
	t        *testing.T
	ctx      context.Context
	api      *cluster
	hosts    map[string]*fake.Host
	dir      string
	runDir   string // on a tmpfs
	link     *link
	capsules *zun.Client

	stopServer, stopNode func()
}

// newWorld starts one with the hosts named, or with one called h1; each has 4 CPUs, 8 GiB and the image "app", whose
// containers run for ever.
func newWorld(t *testing.T, hosts ...string) *world {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // outlives t's context: see finish
	w := &world{t: t, ctx: ctx, api: newCluster(t), hosts: map[string]*fake.Host{}, dir: t.TempDir(), link: &link{}}
	var err error
	if w.runDir, err = os.MkdirTemp("/dev/shm", "capsulet-world-"); err != nil {
		t.Fatal(err)
	}
	if len(hosts) == 0 {
		hosts = []string{"h1"}
	}
	for _, name := range hosts {
		w.hosts[name] = fake.New(fake.Config{Name: name, Instance: "world", Near: true})
	}
	w.image("app", fake.Behaviour{})
	w.capsules, err = zun.New(zun.Config{Endpoint: zunserver.LocalEndpoint, Token: token, Transport: w.link})
	if err != nil {
		t.Fatal(err)
	}
	w.startServer()
	w.awaitHosts()
	w.startNode()
	t.Cleanup(func() {
		w.finish()
		w.stopNode()
		w.stopServer()
		cancel()
		if err := os.RemoveAll(w.runDir); err != nil {
			t.Error(err)
		}
	})
	return w
}

// awaitHosts waits for all hosts: what a pod may have depends on them.
func (w *world) awaitHosts() {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		hosts, err := w.capsules.Hosts(w.ctx)
		up := 0
		for _, h := range hosts {
			if h.Up {
				up++
			}
		}
		if err == nil && up == len(w.hosts) {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d of %d hosts are up, %v", up, len(w.hosts), err)
		}
	}
}

// image puts an image on all hosts.
func (w *world) image(ref string, b fake.Behaviour) {
	for _, h := range w.hosts {
		h.AddImage(ref, b)
	}
}

// host is the one host of a world that has one.
func (w *world) host() *fake.Host { return w.hosts["h1"] }

func (w *world) log(who string) *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	if testing.Verbose() {
		l.SetOutput(w.t.Output())
		l.SetLevel(logrus.DebugLevel)
	}
	return logrus.NewEntry(l).WithField("who", who)
}

// startServer starts a capsule server as a new process on the same data would.
func (w *world) startServer() {
	w.t.Helper()
	tokens, err := auth.NewTokens(map[string]auth.Identity{token: auth.Administrator()})
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := zunserver.Config{
		Instance: "world", StateDir: filepath.Join(w.dir, "state"), RunDir: w.runDir, SeccompDir: filepath.Join(w.dir, "seccomp"), Auth: tokens,
		Store: store.Config{DataDir: filepath.Join(w.dir, "etcd"), SealKey: make([]byte, 32), DetectChanges: true}, Log: w.log("server"),
		Open: func(_ context.Context, h zunserver.HostConfig) (runtime.Host, error) { return w.hosts[h.Name], nil },
	}
	for name := range w.hosts {
		cfg.Hosts = append(cfg.Hosts, zunserver.HostConfig{Name: name, Address: "192.0.2.1", Near: true})
	}
	srv, err := zunserver.New(w.ctx, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	w.link.use(srv.Transport())
	w.stopServer = sync.OnceFunc(func() {
		w.link.use(nil)
		cancel()
		if err := errors.Join(<-ended, srv.Close()); err != nil {
			w.t.Errorf("the server ended with: %v", err)
		}
	})
}

// startNode starts a virtual node as a new process would.
func (w *world) startNode() {
	w.t.Helper()
	p, err := provider.New(provider.Config{
		Client: w.api, Capsules: w.capsules, NodeName: nodeName, Address: "127.0.0.1", Listen: "127.0.0.1:0", Log: w.log("node"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	w.stopNode = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the node ended with: %v", err)
		}
	})
	select {
	case <-p.Ready():
	case err := <-ended:
		w.t.Fatalf("the node did not start: %v", err)
	case <-time.After(patience):
		w.t.Fatal("the node is not ready")
	}
}

// link is the way from the node to the server that is there at the moment.
type link struct {
	mu sync.Mutex
	to http.RoundTripper
}

func (l *link) use(to http.RoundTripper) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.to.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
	l.to = to
}

// RoundTrip implements http.RoundTripper.
func (l *link) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	to := l.to
	l.mu.Unlock()
	if to == nil {
		return nil, errors.New("connection refused")
	}
	return to.RoundTrip(r)
}

// create makes a pod on the node: one container called app of the image of that name, unless edit says otherwise.
func (w *world) create(name string, edit func(*corev1.Pod)) types.UID {
	w.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID(uuid.NewString()), CreationTimestamp: metav1.Now()},
		Spec: corev1.PodSpec{
			NodeName: nodeName, RestartPolicy: corev1.RestartPolicyAlways, Containers: []corev1.Container{container("app", "app")},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	if edit != nil {
		edit(pod)
	}
	if _, err := w.api.CoreV1().Pods(namespace).Create(w.ctx, pod, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	return pod.UID
}

func container(name, image string) corev1.Container {
	return corev1.Container{Name: name, Image: image, ImagePullPolicy: corev1.PullIfNotPresent}
}

// delete asks for the pod of that name to go as kubectl does; no grace means the pod's own.
func (w *world) delete(name string, grace ...int64) {
	w.t.Helper()
	var opts metav1.DeleteOptions
	if len(grace) > 0 {
		opts.GracePeriodSeconds = &grace[0]
	}
	if err := w.api.CoreV1().Pods(namespace).Delete(w.ctx, name, opts); err != nil {
		w.t.Fatal(err)
	}
}

// await waits until the pod's present state is ok and returns it.
func (w *world) await(uid types.UID, what string, ok func(*corev1.Pod) bool) *corev1.Pod {
	w.t.Helper()
	var last *corev1.Pod
	if !w.api.await(func() bool {
		states, gone := w.api.history(uid)
		if len(states) == 0 || gone {
			return false
		}
		last = states[len(states)-1]
		return ok(last)
	}) {
		w.t.Fatalf("the pod never was %s; its state:\n%s", what, w.describe(uid))
	}
	return last
}

// awaitGone waits until the Pod object was removed and returns its last state.
func (w *world) awaitGone(uid types.UID) *corev1.Pod {
	w.t.Helper()
	if !w.api.await(func() bool { _, gone := w.api.history(uid); return gone }) {
		w.t.Fatalf("the pod is still there; its state:\n%s", w.describe(uid))
	}
	states, _ := w.api.history(uid)
	return states[len(states)-1]
}

// event waits for an event of the pod and returns its message.
func (w *world) event(uid types.UID, reason string) string {
	w.t.Helper()
	message := ""
	if !w.api.await(func() bool {
		for _, e := range w.api.eventsOf(uid) {
			if e.Reason == reason {
				message = e.Message
				return true
			}
		}
		return false
	}) {
		w.t.Fatalf("there is no event %s; the pod:\n%s", reason, w.describe(uid))
	}
	return message
}

// describe is the pod's status, its events and what is on the hosts, for a test that failed.
func (w *world) describe(uid types.UID) string {
	var b strings.Builder
	if states, _ := w.api.history(uid); len(states) > 0 {
		text, _ := json.MarshalIndent(states[len(states)-1].Status, "", " ")
		b.Write(text)
	}
	for _, e := range w.api.eventsOf(uid) {
		b.WriteString("\n" + e.Type + " " + e.Reason + " " + e.Message)
	}
	for name, h := range w.hosts {
		for _, c := range h.Containers() {
			b.WriteString("\non " + name + ": " + c.Name + " " + string(c.State) + " " + c.Error)
		}
	}
	return b.String()
}

// containersOf returns the names of the pod's containers, without the sandbox, on all hosts, that are in the state given.
func (w *world) containersOf(uid types.UID) (ids []string) {
	for _, h := range w.hosts {
		for _, c := range h.Containers() {
			if c.Identity.Capsule == string(uid) && !c.Identity.Sandbox() {
				ids = append(ids, c.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// finish deletes all pods and demands that nothing is left of them.
func (w *world) finish() {
	if w.t.Failed() {
		return
	}
	list, err := w.api.CoreV1().Pods("").List(w.ctx, metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range list.Items {
		w.delete(p.Name)
	}
	var left []string
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // three places, no common event
		if left = w.left(); len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	if len(left) > 0 {
		w.t.Errorf("left behind: %s", strings.Join(left, "\n"))
	}
	for name, h := range w.hosts {
		for _, v := range h.Violations() {
			w.t.Errorf("violation on host %s: %s", name, v)
		}
	}
}

// left says what there is of pods anywhere.
func (w *world) left() (what []string) {
	list, err := w.api.CoreV1().Pods("").List(w.ctx, metav1.ListOptions{})
	if err != nil {
		return []string{err.Error()}
	}
	for _, p := range list.Items {
		what = append(what, "pod "+p.Name+" "+string(p.Status.Phase))
	}
	capsules, _, err := w.capsules.List(w.ctx)
	if err != nil {
		return append(what, err.Error())
	}
	for _, c := range capsules {
		what = append(what, "capsule "+c.Spec.Name+" "+c.UUID)
	}
	for _, dir := range []string{filepath.Join(w.dir, "state"), w.runDir} {
		volumes, _ := filepath.Glob(filepath.Join(dir, "volumes", "*"))
		what = append(what, volumes...)
	}
	for name, h := range w.hosts {
		for _, c := range h.Containers() {
			what = append(what, "on host "+name+": "+c.Name+" "+string(c.State))
		}
	}
	return what
}
