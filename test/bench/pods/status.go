package pods

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/capsulet/capsulet/test/bench/report"
	"github.com/capsulet/capsulet/test/bench/round"
	rt "github.com/capsulet/capsulet/zunserver/runtime"
)

const (
	statusBar = 150 * time.Millisecond
	// atOnce is the number of pods that run before the first is ended: more than one, as on a node, and few enough
	// to come up soon.
	atOnce = 10
)

// Status ends containers one after another and waits for a Kubernetes watch to say so.
func (b Bench) Status(ctx context.Context, r *report.Report) (err error) {
	c := &cluster{e: b.Engine, level: "debug"}
	defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
	if err := c.open(ctx, b.Out, b.Root); err != nil {
		return err
	}
	exit := report.Figure{Name: "container exit → Pod status", Most: statusBar}
	kill := report.Figure{Name: "docker kill → Pod status"}
	up := report.Figure{Name: "Pod created → Ready, 10 at a time"}
	for len(exit.Ours) < b.Exits {
		names, err := c.run(ctx, len(exit.Ours), &up)
		if err != nil {
			return err
		}
		for _, name := range names[:min(len(names), b.Exits-len(exit.Ours))] {
			sinceExit, sinceKill, err := c.end(ctx, name)
			if err != nil {
				return fmt.Errorf("%s: %w; the end of the server's log:\n%s", name, err, c.server.Tail(20))
			}
			exit.Ours, kill.Ours = append(exit.Ours, sinceExit), append(kill.Ours, sinceKill)
			fmt.Fprintf(b.Out, "  exit %d of %d: status after %.0f ms (%.0f ms after the kill)\n", len(exit.Ours), b.Exits,
				report.Milliseconds(sinceExit), report.Milliseconds(sinceKill))
		}
	}
	r.Figures = append(r.Figures, exit, kill, up)
	return nil
}

// run makes pods that sleep, waits until all are ready and adds the time that each took.
func (c *cluster) run(ctx context.Context, first int, up *report.Figure) ([]string, error) {
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
					Name: "app", Image: c.e.App, ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{"sleep"},
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
		up.Ours = append(up.Ours, at.time.Sub(began[at.pod.Name]))
		delete(began, at.pod.Name)
	}
	round.Pause(ctx, time.Second)
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
	round.Pause(ctx, 2*round.Rest) // the sandbox is being removed
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
