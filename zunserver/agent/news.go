package agent

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
)

// news is what an action found out on its way and what only it knows. News that can wait goes into the facts with what
// comes of the attempt, so that it costs no write of its own.
type news struct {
	id        int
	container string
	attempt   int
	urgent    bool
	pull      *capsule.Pull
	hook      *capsule.HookFailure
	// resources are what the engine was given for the attempt.
	resources *corev1.ResourceRequirements
}

// report hands news to the worker of the capsule.
func (a *Agent) report(uuid string, n news) {
	a.mu.Lock()
	w := a.workers[uuid]
	a.mu.Unlock()
	if w == nil {
		return
	}
	w.mu.Lock()
	w.newsID++
	n.id = w.newsID
	w.news = append(w.news, n)
	w.mu.Unlock()
	if n.urgent {
		w.wake()
	}
}

// pulled reports how the attempt that act makes comes by its image. A real pull is told when it begins and when it ends;
// it takes so long that a write more is nothing.
func (a *Agent) pulled(c *capsule.Capsule, act lifecycle.Action, p capsule.Pull) {
	a.report(c.UUID, news{container: act.Container, attempt: act.Attempt, urgent: !p.Present, pull: &p})
}

// hookFailed reports a lifecycle hook that failed.
func (a *Agent) hookFailed(c *capsule.Capsule, act lifecycle.Action, kind string, err error) {
	a.report(c.UUID, news{container: act.Container, attempt: act.Attempt, urgent: true,
		hook: &capsule.HookFailure{Kind: kind, Message: err.Error(), At: time.Now()}})
}

// sized reports the resources that the engine was given for an attempt that is made or, urgently, for one that runs.
func (a *Agent) sized(c *capsule.Capsule, act lifecycle.Action, urgent bool) {
	cs, _ := c.Spec.Container(act.Container)
	if cs == nil {
		return
	}
	a.report(c.UUID, news{container: act.Container, attempt: act.Attempt, urgent: urgent, resources: cs.Resources.DeepCopy()})
}

func (w *worker) heard() []news {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.news)
}

// forgetNews drops what was told.
func (w *worker) forgetNews(told map[int]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.news = slices.DeleteFunc(w.news, func(n news) bool { return told[n.id] })
}

// tell puts news into the facts, if its time has come, and returns which.
func tell(f *capsule.Facts, heard []news, failures map[string]*note) map[int]bool {
	told := map[int]bool{}
	for _, n := range heard {
		cf := f.Container(n.container)
		if cf == nil {
			continue
		}
		ran := cf.Run != nil && cf.Run.Attempt >= n.attempt
		failed := failures[n.container] != nil && !failures[n.container].clear
		if !n.urgent && !ran && (!failed || n.resources != nil) {
			continue
		}
		told[n.id] = true
		if n.pull != nil {
			cf.Pull = n.pull
		}
		if n.hook != nil {
			cf.Hook = n.hook
		}
		if n.resources != nil && cf.Run != nil && cf.Run.Attempt == n.attempt {
			run := *cf.Run
			run.Resources = n.resources
			cf.Run = &run
		}
	}
	return told
}
