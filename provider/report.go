package provider

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/capsulet/capsulet/translate/status"
)

// progressHold is how long a status waits that tells of nothing but progress: a write of it costs the API server and all who
// watch pods as much as one that somebody waits for, and what it tells is mostly overtaken by then.
const progressHold = 500 * time.Millisecond

// report hands the status over when the API shows another one. Virtual Kubelet writes nothing after a terminal phase.
func (p *pods) report(e, view *entry, pod *corev1.Pod) {
	if ended(pod) {
		return
	}
	now := view.status(pod)
	if equality.Semantic.DeepEqual(now, pod.Status) {
		return
	}
	if pod.DeletionTimestamp == nil && status.Progress(&pod.Status, &now) && p.hold(e) {
		return
	}
	if runs := corev1.PodRunning; now.Phase == runs && pod.Status.Phase != runs && !view.seen.IsZero() {
		p.metrics.PodRuns(pod.CreationTimestamp.Time, view.seen, time.Now())
	}
	pod = pod.DeepCopy()
	pod.Status = now
	pod.ManagedFields = nil
	p.mu.Lock()
	if now.Phase == corev1.PodRunning {
		e.seen = time.Time{}
	}
	notify := p.notify
	p.mu.Unlock()
	if notify != nil {
		notify(pod)
	}
}

// hold says whether a status that only tells of progress waits a little longer; the worker is woken when its time has come.
func (p *pods) hold(e *entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case e.held.IsZero():
		e.held = time.Now()
		time.AfterFunc(progressHold, e.nudge)
		return true
	case time.Since(e.held) < progressHold:
		return true
	}
	e.held = time.Time{}
	return false
}

// removeFromAPI deletes the Pod object once the API shows its end. Virtual Kubelet would do so only when the grace period
// is over.
func (p *pods) removeFromAPI(ctx context.Context, e, view *entry, pod *corev1.Pod) error {
	if view.apiRemoved || !ended(pod) || pod.DeletionTimestamp == nil {
		return nil // the informer wakes us when the terminal status is there
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	now := int64(0)
	err := p.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("remove pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	p.mu.Lock()
	e.apiRemoved = true
	p.mu.Unlock()
	return nil
}
