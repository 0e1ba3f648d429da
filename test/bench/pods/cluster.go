// Package pods measures what users of Kubernetes have: the real control plane and the real `capsulet run`.
//
//	cluster.go  both of them, and a watch of the Pods     status.go  how long the end of a container takes to reach a Pod
//	pods.go     Pods until they are Ready                 idle.go    what Pods cost that do nothing
//	                                                      scrape.go  and how long their figures take
package pods

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/capsulet/capsulet/test/bench/raw"
	"github.com/capsulet/capsulet/test/child"
	"github.com/capsulet/capsulet/test/controlplane"
	"github.com/capsulet/capsulet/test/controlplane/progress"
	"github.com/capsulet/capsulet/test/dev/stage"
	"github.com/capsulet/capsulet/zunserver/volume"
)

const (
	nodeName  = "bench"
	namespace = "default"
)

// cluster is a control plane with one capsulet node and a watch of its pods.
type cluster struct {
	e      *raw.Engine
	dir    string
	plane  *controlplane.ControlPlane
	server *stage.Server
	kube   kubernetes.Interface
	pods   <-chan watch.Event
	// unwatch ends the watch.
	unwatch context.CancelFunc
	trace   bool
	level   string // of the server's log
}

// Bench is what to measure.
type Bench struct {
	Engine *raw.Engine
	Out    io.Writer
	// Root is the repository.
	Root string
	// Trace prints what happens to Pods and to their containers with its time; Quick makes few rounds.
	Trace, Quick bool
	// Exits is how many containers end.
	Exits int
	// IdlePods do nothing and are looked at for Watch.
	IdlePods int
	Watch    time.Duration
}

// open starts everything and waits for the node.
func (c *cluster) open(ctx context.Context, w io.Writer, root string) (err error) {
	if c.dir, err = os.MkdirTemp("", "capsulet-bench-"); err != nil {
		return err
	}
	p := progress.New(w)
	if c.plane, err = controlplane.Start(ctx, controlplane.Config{Dir: filepath.Join(c.dir, "k"), Progress: p}); err != nil {
		return err
	}
	c.server = &stage.Server{
		Program: filepath.Join(c.dir, "capsulet"), Dir: c.dir, Instance: c.e.Instance, NodeName: nodeName,
		Kubeconfig: c.plane.Kubeconfig, NodeAddress: "127.0.0.1", Engine: c.e.Endpoint, LogLevel: c.level,
	}
	for _, port := range []*int{&c.server.APIPort, &c.server.KubeletPort} {
		if *port, err = child.FreePort(ctx); err != nil {
			return err
		}
	}
	err = p.Step(ctx, "build and start capsulet run", func(ctx context.Context, _ func(string)) error {
		if _, err := stage.Build(ctx, root, "./cmd/capsulet", c.server.Program); err != nil {
			return err
		}
		if _, err := c.server.WriteConfig(); err != nil {
			return err
		}
		return c.server.Start()
	})
	if err != nil {
		return err
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", c.plane.Kubeconfig)
	if err != nil {
		return err
	}
	cfg.QPS, cfg.Burst = 100, 100
	if c.kube, err = kubernetes.NewForConfig(cfg); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := c.server.Await(limited, "the node is not Ready", c.nodeReady); err != nil {
		return err
	}
	return c.watch(ctx)
}

// watch follows the pods of the namespace from now on. The API server may end a watch at any time, and does so when nobody reads it
// for a while; the watcher goes on where it was.
func (c *cluster) watch(ctx context.Context) error {
	if c.unwatch != nil {
		c.unwatch()
	}
	ctx, c.unwatch = context.WithCancel(ctx)
	pods := c.kube.CoreV1().Pods(namespace)
	list, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	watching, err := watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return pods.Watch(ctx, options)
		},
	})
	if err != nil {
		return err
	}
	c.pods = watching.ResultChan()
	return nil
}

func (c *cluster) nodeReady(ctx context.Context) error {
	n, err := c.kube.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, cond := range n.Status.Conditions {
		if cond.Type == corev1.NodeReady && cond.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return errors.New("its condition Ready is not True")
}

// close ends everything; containers are removed with the engine's close.
func (c *cluster) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	if c.unwatch != nil {
		c.unwatch()
	}
	if c.server != nil {
		errs = append(errs, c.server.Stop(ctx, 10*time.Second), volume.RemoveTree(c.server.RunDir()))
	}
	if c.plane != nil {
		errs = append(errs, c.plane.Stop(ctx))
	}
	if c.dir != "" {
		errs = append(errs, volume.RemoveTree(c.dir))
	}
	return errors.Join(errs...)
}
