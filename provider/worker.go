package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/capsulet/capsulet/translate"
	"github.com/capsulet/capsulet/translate/admission"
	"github.com/capsulet/capsulet/translate/status"
	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// A step that failed is tried again after retryFirst, doubling to retryLast.
const (
	retryFirst  = time.Second
	retryLast   = 15 * time.Second
	stepTimeout = 2 * time.Minute
	apiTimeout  = 15 * time.Second
)

// work takes one pod from its creation to the end of its deletion.
func (p *pods) work(ctx context.Context, e *entry) {
	for _, started := range []<-chan struct{}{p.synced, p.ready} {
		select {
		case <-started:
		case <-ctx.Done():
			return
		}
	}
	delay := retryFirst
	for {
		p.setStepping(e, time.Now())
		done, err := p.step(ctx, e)
		p.setStepping(e, time.Time{})
		var retry <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return
		case done:
			p.sources.Release(ctx, e.id.uid)
			p.mu.Lock()
			delete(p.byUID, e.id.uid)
			p.mu.Unlock()
			return
		case err != nil:
			p.logOf(e).WithError(err).Warn("pod step failed, trying again")
			retry = time.After(delay)
			delay = min(2*delay, retryLast)
		default:
			delay = retryFirst
		}
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-retry:
		}
	}
}

func (p *pods) setStepping(e *entry, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.stepping = since
}

// Healthy implements [kubelet.Pods]: a step that does not come back, although it has a deadline, will not.
func (p *pods) Healthy() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.byUID {
		if !e.stepping.IsZero() && time.Since(e.stepping) > 2*stepTimeout {
			return fmt.Errorf("the worker of pod %s/%s has been at one step since %s", e.id.namespace, e.id.name, e.stepping.Format(time.RFC3339))
		}
	}
	return nil
}

// step looks at the pod and does what is next. It is done when nothing is left of the pod.
func (p *pods) step(ctx context.Context, e *entry) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	pod := p.inAPI(e.id)
	if pod == nil || pod.DeletionTimestamp != nil {
		if pod == nil {
			if gone, err := p.confirmGone(ctx, e.id); err != nil || !gone {
				return false, err
			}
		}
		p.mu.Lock()
		e.markDeleting(pod)
		p.mu.Unlock()
	}
	view := p.view(e)
	switch {
	case view.deleting && !view.gone:
		err = p.deleteCapsule(ctx, e, &view)
	case !view.deleting && view.capsule == nil && !view.gone && view.refused == nil && !ended(pod):
		err = p.createCapsule(ctx, e, pod)
	case !view.deleting && view.capsule != nil && !view.gone && !ended(pod) && view.outdated(pod):
		err = p.updateCapsule(ctx, e, &view, pod)
	}
	if view.deleting || view.gone || ended(pod) {
		p.sources.Release(ctx, e.id.uid)
	}
	p.recordEvents(e, pod)
	view = p.view(e)
	if pod == nil {
		return view.gone, err
	}
	p.report(e, &view, pod)
	if view.deleting && view.gone {
		return false, errors.Join(err, p.removeFromAPI(ctx, e, &view, pod))
	}
	return false, err
}

func (p *pods) view(e *entry) entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *e
}

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// confirmGone asks the API server itself whether the pod is gone: the informer may lag behind a server before it.
func (p *pods) confirmGone(ctx context.Context, id identity) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	pod, err := p.client.CoreV1().Pods(id.namespace).Get(ctx, id.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look for pod %s/%s: %w", id.namespace, id.name, err)
	case pod.UID != id.uid || pod.Spec.NodeName != p.node:
		return true, nil
	}
	return false, fmt.Errorf("pod %s/%s is not in the cache yet: %w", id.namespace, id.name, errdefs.ErrUnavailable)
}

// createCapsule translates the pod and creates its capsule. What can never work is remembered as refused; what may work
// later is remembered and returned.
func (p *pods) createCapsule(ctx context.Context, e *entry, pod *corev1.Pod) error {
	if pod.Spec.RestartPolicy == corev1.RestartPolicyNever && hasRun(pod) {
		p.mu.Lock()
		e.gone = true // it must not run twice, and what came of it nobody knows any more
		p.mu.Unlock()
		return nil
	}
	if err := p.admit(e, pod); err != nil {
		p.refuse(e, pod, nil, err)
		return nil
	}
	p.setStale(e, false) // before reading: what changes from now on is for the next time
	spec, src, lacking, err := p.translate(ctx, e, pod, nil)
	if err == nil && len(lacking) > 0 {
		err = lacking[0]
	}
	if err == nil {
		made := pod
		created, cause := p.capsules.Create(ctx, spec, string(e.id.uid))
		if errdefs.IsAlreadyExists(cause) {
			created, cause = p.capsules.Get(ctx, string(e.id.uid))
			made = nil // by an earlier life of ours, of what the pod was then
		}
		if cause == nil {
			p.mu.Lock()
			e.waiting, e.made = nil, made
			if e.capsule == nil || e.capsule.Revision < created.Revision {
				e.capsule = created
			}
			p.mu.Unlock()
			p.warn(pod, src) // once: not with each attempt
			return nil
		}
		err = cause
	}
	var refused support.Refusals
	if errors.As(err, &refused) || errdefs.IsInvalidArgument(err) {
		p.refuse(e, pod, refused, err)
		return nil
	}
	p.await(e, pod, err)
	return err
}

// hasRun says whether the API knows of a container of the pod that ran.
func hasRun(pod *corev1.Pod) bool {
	for i := range pod.Status.ContainerStatuses {
		s := &pod.Status.ContainerStatuses[i]
		if s.State.Running != nil || s.State.Terminated != nil {
			return true
		}
	}
	return false
}

// translate makes the specification of the pod's capsule from what its sources are now, and from held, which is nil while
// there is no capsule, where they are missing.
func (p *pods) translate(ctx context.Context, e *entry, pod *corev1.Pod, held *capsule.Spec) (spec capsule.Spec, src translate.Sources,
	lacking []*translate.Missing, err error,
) {
	if refused := support.Refuse(pod); len(refused) > 0 {
		return spec, src, nil, refused // without fetching anything
	}
	src, marks, err := p.sources.Fetch(ctx, pod)
	if err != nil {
		return spec, src, nil, err
	}
	if spec, lacking, err = translate.Template(pod, src, held); err != nil {
		return spec, src, nil, err
	}
	e.id.annotate(&spec, p.node)
	spec.Hash, err = specHash(&spec, marks)
	return spec, src, lacking, err
}

// warn says what of the pod is left out of account.
func (p *pods) warn(pod *corev1.Pod, src translate.Sources) {
	if lacking := translate.LackingPullSecrets(pod, src); len(lacking) > 0 {
		p.recorder.Eventf(pod, corev1.EventTypeWarning, "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull "+
			"secrets (%s); attempting to pull the image may not succeed.", strings.Join(lacking, ", "))
	}
	for _, w := range support.Warnings(pod) {
		p.recorder.Eventf(pod, corev1.EventTypeWarning, "IgnoredField", "%s: %s", w.Field, w.Reason)
	}
	for _, m := range translate.LackingOptional(pod, src) {
		p.recorder.Eventf(pod, corev1.EventTypeNormal, notFoundReason("Optional", m), "Left out of the environment: %v", m)
	}
}

// notFoundReason is Virtual Kubelet's word for a source of the environment that is not there (internal/podutils/env.go).
func notFoundReason(need string, m *translate.Missing) string {
	key := ""
	if m.Key != "" {
		key = "Key"
	}
	return need + string(m.Kind) + key + "NotFound"
}

func (p *pods) refuse(e *entry, pod *corev1.Pod, refused support.Refusals, err error) {
	p.mu.Lock()
	e.refused = err
	p.mu.Unlock()
	for _, r := range refused {
		p.recorder.Eventf(pod, corev1.EventTypeWarning, status.ReasonUnsupported, "%s: %s", r.Field, r.Reason)
	}
	var rejected *admission.Rejection
	if errors.As(err, &rejected) {
		p.recorder.Event(pod, corev1.EventTypeWarning, rejected.Reason, rejected.Message)
		return
	}
	if len(refused) == 0 {
		p.recorder.Eventf(pod, corev1.EventTypeWarning, status.ReasonUnsupported, "The capsule server refuses the pod: %v", err)
	}
}

// await remembers why there is no capsule yet and says so once for each new reason.
func (p *pods) await(e *entry, pod *corev1.Pod, err error) {
	p.mu.Lock()
	again := e.waiting != nil && e.waiting.Error() == err.Error()
	e.waiting = err
	p.mu.Unlock()
	if !again {
		p.tellWaiting(pod, err)
	}
}

// tellWaiting records the event that a kubelet would have recorded, and that Virtual Kubelet would have.
func (p *pods) tellWaiting(pod *corev1.Pod, err error) {
	var missing *translate.Missing
	switch {
	case !errors.As(err, &missing):
		p.recorder.Eventf(pod, corev1.EventTypeWarning, "FailedCreateCapsule", "%v", err)
	case missing.Container != "":
		p.event(pod, status.Event{Type: corev1.EventTypeWarning, Reason: "Failed", Message: "Error: " + missing.Error(),
			FieldPath: "spec.containers{" + missing.Container + "}"})
		p.recorder.Event(pod, corev1.EventTypeWarning, notFoundReason("Mandatory", missing), missing.Error())
	case missing.Kind == translate.SourceRuntime:
		p.recorder.Eventf(pod, corev1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to create pod sandbox: %v", err)
	case missing.Kind == translate.SourceClaim:
		p.recorder.Eventf(pod, corev1.EventTypeWarning, "FailedMount", "Unable to attach or mount volumes: unmounted volumes=[%s], "+
			"unattached volumes=[], failed to process volumes=[%s]: %v", missing.Volume, missing.Volume, err)
	default:
		p.recorder.Eventf(pod, corev1.EventTypeWarning, "FailedMount", "MountVolume.SetUp failed for volume %q : %v", missing.Volume, err)
	}
}

// deleteCapsule asks for the capsule to go, unless that was asked already with no longer grace.
func (p *pods) deleteCapsule(ctx context.Context, e *entry, view *entry) error {
	if c := view.capsule; c != nil && c.Deletion != nil && (view.grace == nil || c.Deletion.GraceSeconds <= *view.grace) {
		return nil
	}
	err := p.capsules.Delete(ctx, string(e.id.uid), view.grace)
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errdefs.IsNotFound(err):
		e.gone = true
	case e.grace == nil || view.grace == e.grace:
		// The watch tells the rest. A copy keeps a second step from asking again meanwhile.
		if e.capsule != nil && e.capsule.Deletion == nil {
			asked := *e.capsule
			asked.Deletion = deletionOf(view)
			e.capsule = &asked
		}
	}
	return nil
}

// recordEvents records what happened to the capsule since the last time.
func (p *pods) recordEvents(e *entry, pod *corev1.Pod) {
	p.mu.Lock()
	before, after := e.told, e.capsule
	e.told = after
	if pod == nil {
		pod = e.pod
	}
	p.mu.Unlock()
	if before == after || len(pod.Spec.Containers) == 0 {
		return
	}
	for _, ev := range status.Events(pod, before, after) {
		p.event(pod, ev)
	}
}

func (p *pods) event(pod *corev1.Pod, ev status.Event) {
	p.recorder.Event(&corev1.ObjectReference{Kind: "Pod", APIVersion: "v1", Namespace: pod.Namespace, Name: pod.Name,
		UID: pod.UID, ResourceVersion: pod.ResourceVersion, FieldPath: ev.FieldPath}, ev.Type, ev.Reason, ev.Message)
}

func (p *pods) logOf(e *entry) *logrus.Entry {
	return p.log.WithFields(logrus.Fields{"namespace": e.id.namespace, "pod": e.id.name, "capsule": e.id.uid})
}
