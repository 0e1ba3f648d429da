package executor

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
)

// News is what an action found out on its way and what only it knows. News that can wait goes into the facts with what
// comes of the attempt, so that it costs no write of its own.
type News struct {
	Container string
	Attempt   int
	// Urgent: it is worth a write.
	Urgent bool
	Pull   *capsule.Pull
	Hook   *capsule.HookFailure
	// Resources are what the engine was given for the attempt.
	Resources *corev1.ResourceRequirements
}

// pulled reports how the attempt that act makes comes by its image. A real pull is told when it begins and when it ends;
// it takes so long that a write more is nothing.
func (e *Executor) pulled(c *capsule.Capsule, act lifecycle.Action, p capsule.Pull) {
	e.cfg.Report(c.UUID, News{Container: act.Container, Attempt: act.Attempt, Urgent: !p.Present, Pull: &p})
}

// hookFailed reports a lifecycle hook that failed.
func (e *Executor) hookFailed(c *capsule.Capsule, act lifecycle.Action, kind string, err error) {
	e.cfg.Report(c.UUID, News{Container: act.Container, Attempt: act.Attempt, Urgent: true,
		Hook: &capsule.HookFailure{Kind: kind, Message: err.Error(), At: time.Now()}})
}

// sized reports the resources that the engine was given for an attempt that is made or, urgently, for one that runs.
func (e *Executor) sized(c *capsule.Capsule, act lifecycle.Action, urgent bool) {
	cs, _ := c.Spec.Container(act.Container)
	if cs == nil {
		return
	}
	e.cfg.Report(c.UUID, News{Container: act.Container, Attempt: act.Attempt, Urgent: urgent, Resources: cs.Resources.DeepCopy()})
}
