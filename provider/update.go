package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/capsulet/capsulet/translate"
	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// outdated says whether the capsule may be other than what the pod and its sources ask for now.
func (e *entry) outdated(pod *corev1.Pod) bool {
	if e.made == nil || e.stale {
		return true
	}
	same := equality.Semantic.DeepEqual
	return e.made != pod && (!same(e.made.Spec, pod.Spec) || !same(e.made.Labels, pod.Labels) || !same(e.made.Annotations, pod.Annotations))
}

// setStale says that a source changed, or that what it is now is about to be taken over.
func (p *pods) setStale(e *entry, stale bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.stale = stale
}

// updateCapsule translates the pod again and changes what of its capsule can be changed. What cannot is said in an event, and
// so is what the pod refers to and is not there: of that the capsule keeps what it has.
func (p *pods) updateCapsule(ctx context.Context, e, view *entry, pod *corev1.Pod) error {
	p.setStale(e, false) // before reading: what changes from now on is for the next time
	spec, _, lacking, err := p.translate(ctx, e, pod, &view.capsule.Spec)
	var lags []error
	for _, m := range lacking {
		lags = append(lags, m)
	}
	if err == nil {
		p.holdResize(e, view, pod, &spec)
	}
	if err == nil && spec.Hash != view.capsule.Spec.Hash {
		err = p.applySpec(ctx, e, view, &spec)
	}
	var refused support.Refusals
	var stays *frozenError
	switch {
	case err == nil, errdefs.IsNotFound(err), errdefs.IsFailedPrecondition(err): // the last two: it is on its way out
	case errors.As(err, &refused), errors.As(err, &stays), errdefs.IsInvalidArgument(err):
		lags = append(lags, err) // only another pod or source can help, and wakes us
	default:
		p.setStale(e, true)
		return fmt.Errorf("bring the capsule up to date: %w", err)
	}
	p.lag(e, pod, lags)
	p.mu.Lock()
	e.made, e.pod = pod, pod // Virtual Kubelet hands over few changes: no ephemeral containers, for one
	p.mu.Unlock()
	if i := slices.IndexFunc(lacking, func(m *translate.Missing) bool { return m.Kind == translate.SourceToken }); i >= 0 {
		p.setStale(e, true) // nobody tells when there is a service account again
		return lacking[i]
	}
	return nil
}

// applySpec asks for everything of spec that the capsule can take over.
func (p *pods) applySpec(ctx context.Context, e, view *entry, spec *capsule.Spec) error {
	frozen, err := view.capsule.Spec.Frozen(spec, true)
	if err != nil {
		return err
	}
	next, err := view.capsule.Spec.Clone()
	if err != nil {
		return err
	}
	next.Adopt(spec, true)
	updated, err := p.capsules.Update(ctx, string(e.id.uid), *next)
	if err != nil {
		return err
	}
	p.mu.Lock()
	if e.capsule == nil || e.capsule.Revision < updated.Revision {
		e.capsule = updated
	}
	p.mu.Unlock()
	if view.made != nil && len(frozen) > 0 { // after a restart nobody knows whether it was told before
		return &frozenError{frozen}
	}
	return nil
}

// frozenError names the fields of a pod that were changed in vain.
type frozenError struct{ fields []string }

func (f *frozenError) Error() string {
	return strings.Join(f.fields, ", ") + " cannot be changed while the pod runs on this node; delete the pod to apply it"
}

// lag says of each reason why the capsule is not what the pod asks for, once while it lasts.
func (p *pods) lag(e *entry, pod *corev1.Pod, why []error) {
	var words []string
	for _, err := range why {
		words = append(words, err.Error())
	}
	p.mu.Lock()
	before := e.lags
	e.lags = words
	p.mu.Unlock()
	for i, err := range why {
		var missing *translate.Missing
		switch {
		case slices.Contains(before, words[i]):
		case errors.As(err, &missing):
			p.tellWaiting(pod, err)
		default:
			p.recorder.Eventf(pod, corev1.EventTypeWarning, "UnsupportedUpdate", "The pod's capsule was not brought up to date: %v", err)
		}
	}
}
