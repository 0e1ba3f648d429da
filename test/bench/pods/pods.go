package pods

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/capsulet/capsulet/test/bench/proc"
	"github.com/capsulet/capsulet/test/bench/report"
	"github.com/capsulet/capsulet/test/bench/round"
	rt "github.com/capsulet/capsulet/zunserver/runtime"
)

// podRounds are how many Pods are made at once, how often, and what a kubelet with cri-dockerd takes for that (FACTS).
var podRounds = []struct {
	size, rounds int
	bar          time.Duration
}{
	{1, 10, 500 * time.Millisecond},
	{20, 2, 4300 * time.Millisecond},
	{50, 1, 11500 * time.Millisecond},
}

// Pods makes Pods and takes turns with the raw side.
func (b Bench) Pods(ctx context.Context, r *report.Report) (err error) {
	c := &cluster{e: b.Engine, trace: b.Trace, level: "info"}
	defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
	if err := c.open(ctx, b.Out, b.Root); err != nil {
		return err
	}
	if b.Trace {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go c.traceEngine(ctx)
	}
	for _, p := range podRounds {
		f := report.Figure{Name: "Pod, create → Ready", Most: p.bar}
		if p.size > 1 {
			f.Name = fmt.Sprintf("%d Pods at once, create → all Ready", p.size)
		}
		rounds, warmUp := p.rounds, 0
		if p.size == 1 {
			warmUp = 2
		} else if b.Trace {
			break // a trace of many is not to be read
		}
		if b.Quick {
			rounds = min(rounds, 3)
		}
		for i := range rounds + warmUp {
			var ours, theirs [2]time.Duration
			var work time.Duration
			err := round.Sides(i, func() (err error) {
				work, err = c.worked(func() error { return c.burst(ctx, fmt.Sprintf("pod-%d-%d", p.size, i), p.size, &ours) })
				return err
			}, func() error { return b.Engine.Burst(ctx, p.size, &theirs) })
			if err != nil {
				return fmt.Errorf("%d pods: %w; the end of the server's log:\n%s", p.size, err, c.server.Tail(20))
			}
			if i < warmUp {
				continue
			}
			f.Add(ours[0], theirs[0])
			fmt.Fprintf(b.Out, "  %d pod%s, %d of %d: Ready %.0f ms, raw %.0f ms; up and down cost capsulet %.0f ms of processor time\n", p.size,
				round.Plural(p.size), i-warmUp+1, rounds, report.Milliseconds(ours[0]), report.Milliseconds(theirs[0]), report.Milliseconds(work))
		}
		r.Figures = append(r.Figures, f)
	}
	return nil
}

// worked is the processor time that capsulet takes during f.
func (c *cluster) worked(f func() error) (time.Duration, error) {
	pid := c.server.PID()
	before, err := proc.CPU(pid)
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := proc.CPU(pid)
	return after - before, err
}

// burst makes pods at once and takes them away.
func (c *cluster) burst(ctx context.Context, prefix string, size int, took *[2]time.Duration) error {
	names := podNames(prefix, size)
	began := round.Begin()
	at, err := c.up(ctx, names, func(*corev1.Pod) {})
	if err != nil {
		return err
	}
	took[0] = at.Sub(began)
	round.Pause(ctx, 3*round.Rest)
	began = time.Now()
	if at, err = c.down(ctx, names); err != nil {
		return err
	}
	took[1] = at.Sub(began)
	round.Pause(ctx, 3*round.Rest)
	return ctx.Err()
}

func podNames(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return names
}

// up creates pods of one container, as change makes them, all at once and returns when the watch showed the last as Ready.
func (c *cluster) up(ctx context.Context, names []string, change func(*corev1.Pod)) (time.Time, error) {
	soon := int64(1) // with 0 the object is gone before the containers are
	return c.during(ctx, names, func(e watch.Event) bool { return ready(e.Object.(*corev1.Pod)) }, func(ctx context.Context, name string) error {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PodSpec{
				NodeName: nodeName, TerminationGracePeriodSeconds: &soon,
				Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
				Containers: []corev1.Container{{
					Name: "app", Image: c.e.App, ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{"sleep"},
				}},
			},
		}
		change(pod)
		_, err := c.kube.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
		return err
	})
}

// down deletes pods and returns when the last object is gone.
func (c *cluster) down(ctx context.Context, names []string) (time.Time, error) {
	return c.during(ctx, names, func(e watch.Event) bool { return e.Type == watch.Deleted }, func(ctx context.Context, name string) error {
		return c.kube.CoreV1().Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{})
	})
}

// during does act for every pod, all at once, and reads the watch until is was true of each. It returns when that was.
func (c *cluster) during(ctx context.Context, names []string, is func(watch.Event) bool,
	act func(ctx context.Context, name string) error,
) (time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("not within two minutes"))
	defer cancel()
	acted := make(chan error, 1)
	go func() {
		acted <- round.Each(ctx, len(names), len(names), func(ctx context.Context, i int) error { return act(ctx, names[i]) })
	}()
	waiting, last := map[string]bool{}, time.Time{}
	for _, name := range names {
		waiting[name] = true
	}
	for len(waiting) > 0 || acted != nil {
		select {
		case err := <-acted:
			if err != nil {
				return time.Time{}, err
			}
			acted = nil
		case e, ok := <-c.pods:
			if !ok {
				return time.Time{}, errors.New("the watch of pods ended")
			}
			if e.Type == watch.Error {
				return time.Time{}, fmt.Errorf("the watch of pods: %w", apierrors.FromObject(e.Object))
			}
			p, isPod := e.Object.(*corev1.Pod)
			if isPod && c.trace {
				tracePod(e.Type, p)
			}
			if isPod && waiting[p.Name] && is(e) {
				delete(waiting, p.Name)
				last = time.Now()
			}
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%d of %d pods do not get there: %w", len(waiting), len(names), context.Cause(ctx))
		}
	}
	return last, nil
}

func tracePod(what watch.EventType, p *corev1.Pod) {
	var state []string
	for _, s := range p.Status.ContainerStatuses {
		switch {
		case s.State.Running != nil:
			state = append(state, "running")
		case s.State.Waiting != nil:
			state = append(state, s.State.Waiting.Reason)
		default:
			state = append(state, "ended")
		}
	}
	round.Trace(time.Now(), "watch %s %s: %s %v ip=%s ready=%v", what, p.Name, p.Status.Phase, state, p.Status.PodIP, ready(p))
}

// traceEngine prints what happens to containers of both sides until ctx ends.
func (c *cluster) traceEngine(ctx context.Context) {
	happened, failed := c.e.Events(ctx, events.ListOptions{Filters: filters.NewArgs(filters.Arg("type", "container"))})
	for {
		select {
		case e := <-happened:
			if a := e.Actor.Attributes; a[rt.LabelInstance] == c.e.Instance {
				round.Trace(time.Now(), "engine, at %.1f ms: %s %q", round.Milliseconds(time.Unix(0, e.TimeNano)), e.Action, a[rt.LabelContainer])
			}
		case <-failed: //nolint:errcheck // there is only less to print
			return
		}
	}
}

// probed gives a pod a page and a readiness probe of it.
func probed(p *corev1.Pod) {
	p.Spec.Containers[0].Args = []string{"serve", "8080"}
	p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}},
		PeriodSeconds: 10,
	}
}
