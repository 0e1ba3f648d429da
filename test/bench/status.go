package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/capsulet/capsulet/test/controlplane"
	"github.com/capsulet/capsulet/test/controlplane/progress"
	"github.com/capsulet/capsulet/test/dev/stage"
	rt "github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/volume"
)

const (
	nodeName  = "bench"
	namespace = "default"
	// atOnce is the number of pods that run before the first is ended: more than one, as on a node, and few enough
	// to come up soon.
	atOnce = 10
)

// cluster is a control plane with one capsulet node and a watch of its pods.
type cluster struct {
	e      *engine
	dir    string
	plane  *controlplane.ControlPlane
	server *stage.Server
	kube   kubernetes.Interface
	pods   <-chan watch.Event
	trace  bool
	level  string // of the server's log
}

// measureStatus ends containers one after another and waits for a Kubernetes watch to say so.
func measureStatus(ctx context.Context, w io.Writer, e *engine, root string, o options, r *report) (err error) {
	c := &cluster{e: e, level: "debug"}
	defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
	if err := c.open(ctx, w, root); err != nil {
		return err
	}
	exit := figure{name: "container exit → Pod status", most: statusBar}
	kill := figure{name: "docker kill → Pod status"}
	up := figure{name: "Pod created → Ready, 10 at a time"}
	for len(exit.ours) < o.exits {
		names, err := c.run(ctx, len(exit.ours), &up)
		if err != nil {
			return err
		}
		for _, name := range names[:min(len(names), o.exits-len(exit.ours))] {
			sinceExit, sinceKill, err := c.end(ctx, name)
			if err != nil {
				return fmt.Errorf("%s: %w; the end of the server's log:\n%s", name, err, c.server.Tail(20))
			}
			exit.ours, kill.ours = append(exit.ours, sinceExit), append(kill.ours, sinceKill)
			fmt.Fprintf(w, "  exit %d of %d: status after %.0f ms (%.0f ms after the kill)\n", len(exit.ours), o.exits,
				milliseconds(sinceExit), milliseconds(sinceKill))
		}
	}
	r.figures = append(r.figures, exit, kill, up)
	return nil
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
		Program: filepath.Join(c.dir, "capsulet"), Dir: c.dir, Instance: c.e.instance, NodeName: nodeName,
		Kubeconfig: c.plane.Kubeconfig, NodeAddress: "127.0.0.1", Engine: docker.DefaultEndpoint, LogLevel: c.level,
	}
	for _, port := range []*int{&c.server.APIPort, &c.server.KubeletPort} {
		if *port, err = freePort(ctx); err != nil {
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

// watch follows the pods of the namespace from now on.
func (c *cluster) watch(ctx context.Context) error {
	pods := c.kube.CoreV1().Pods(namespace)
	list, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	watching, err := pods.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
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

// run makes pods that sleep, waits until all are ready and adds the time that each took.
func (c *cluster) run(ctx context.Context, first int, up *figure) ([]string, error) {
	pods := c.kube.CoreV1().Pods(namespace)
	var names []string
	began := map[string]time.Time{}
	for i := range atOnce {
		name := fmt.Sprintf("exit-%d", first+i)
		zero := int64(0)
		no := false
		names, began[name] = append(names, name), time.Now()
		_, err := pods.Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PodSpec{
				NodeName: nodeName, RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: &zero,
				AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
				Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
				Containers: []corev1.Container{{
					Name: "app", Image: c.e.app, ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{"sleep"},
				}},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return nil, err
		}
	}
	for range atOnce {
		at, err := c.await(ctx, func(p *corev1.Pod) bool { return !began[p.Name].IsZero() && ready(p) })
		if err != nil {
			return nil, fmt.Errorf("pods do not become ready: %w; the end of the server's log:\n%s", err, c.server.Tail(20))
		}
		up.ours = append(up.ours, at.time.Sub(began[at.pod.Name]))
		delete(began, at.pod.Name)
	}
	pause(ctx, time.Second)
	return names, ctx.Err()
}

func ready(p *corev1.Pod) bool {
	for _, cond := range p.Status.Conditions {
		if cond.Type == corev1.PodReady {
			return cond.Status == corev1.ConditionTrue
		}
	}
	return false
}

// end kills the pod's container and waits for the status.
func (c *cluster) end(ctx context.Context, name string) (sinceExit, sinceKill time.Duration, err error) {
	pod, err := c.kube.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return 0, 0, err
	}
	found, err := c.e.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", rt.LabelCapsule+"="+string(pod.UID)), filters.Arg("label", rt.LabelContainer+"=app"))})
	if err != nil || len(found) != 1 {
		return 0, 0, fmt.Errorf("its containers: %v: %w", found, errors.Join(err, errors.New("one was expected")))
	}
	id := found[0].ID
	ended := make(chan string, 1)
	go func() { ended <- c.finishedAt(ctx, id) }()
	began := time.Now()
	if err := c.e.ContainerKill(ctx, id, "KILL"); err != nil {
		return 0, 0, err
	}
	seen, err := c.await(ctx, func(p *corev1.Pod) bool {
		return p.Name == name && len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].State.Terminated != nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("its end is not seen: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, <-ended)
	if err != nil {
		return 0, 0, err
	}
	pause(ctx, 2*rest) // the sandbox is being removed
	return seen.time.Sub(at), seen.time.Sub(began), ctx.Err()
}

// finishedAt waits for the end of a container and returns the engine's time of it.
func (c *cluster) finishedAt(ctx context.Context, id string) string {
	answer, failed := c.e.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case <-answer:
	case err := <-failed:
		return err.Error()
	}
	i, err := c.e.ContainerInspect(ctx, id)
	if err != nil {
		return err.Error()
	}
	return i.State.FinishedAt
}

// sight is a pod as the watch showed it, and when.
type sight struct {
	pod  *corev1.Pod
	time time.Time
}

// await reads the watch until a pod is as asked.
func (c *cluster) await(ctx context.Context, is func(*corev1.Pod) bool) (sight, error) {
	limit := time.After(time.Minute)
	for {
		select {
		case e, ok := <-c.pods:
			if !ok {
				return sight{}, errors.New("the watch of pods ended")
			}
			if p, isPod := e.Object.(*corev1.Pod); isPod && is(p) {
				return sight{p, time.Now()}, nil
			}
		case <-limit:
			return sight{}, errors.New("not within a minute")
		case <-ctx.Done():
			return sight{}, context.Cause(ctx)
		}
	}
}

// close ends everything; containers are removed with the engine's close.
func (c *cluster) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
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

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // the port is read already
	return l.Addr().(*net.TCPAddr).Port, nil
}
