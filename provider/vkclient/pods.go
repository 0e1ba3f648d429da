package vkclient

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// apiTimeout ends every request to the API server.
const apiTimeout = 15 * time.Second

// Pods is a client that writes a status as a patch against what the API has, with the UID as precondition, as the kubelet
// does; a whole-object update would bring back labels of yesterday. It leaves the deletion of pods that others keeps to them.
type Pods struct {
	coreclient.PodsGetter
	// Seen are the pods as an informer has them; a patch is made against them where it can be.
	Seen corelisters.PodLister
	// Kept says whether somebody else will delete the pod of that UID, and reminds them of it.
	Kept func(types.UID) bool
}

// Pods implements coreclient.PodsGetter.
func (p Pods) Pods(namespace string) coreclient.PodInterface {
	return pods{p.PodsGetter.Pods(namespace), p.Seen.Pods(namespace), p.Kept}
}

type pods struct {
	coreclient.PodInterface
	seen corelisters.PodNamespaceLister
	kept func(types.UID) bool
}

// UpdateStatus patches the status of the pod with that UID. The informer spares it a read; that it does not show our last
// patch yet is found out by the API server, because the patch names the version that it was made against.
func (p pods) UpdateStatus(ctx context.Context, pod *corev1.Pod, _ metav1.UpdateOptions) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if seen, err := p.seen.Get(pod.Name); err == nil && seen.UID == pod.UID && seen.ResourceVersion != "" &&
		!equality.Semantic.DeepEqual(seen.Status, pod.Status) {
		patched, err := p.patch(ctx, seen, pod, seen.ResourceVersion)
		if !apierrors.IsConflict(err) {
			return patched, err
		}
	}
	now, err := p.Get(ctx, pod.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if now.UID == pod.UID && equality.Semantic.DeepEqual(now.Status, pod.Status) {
		return now, nil
	}
	return p.patch(ctx, now, pod, "")
}

// patch makes the status of before that of after, in the version given or in any.
func (p pods) patch(ctx context.Context, before, after *corev1.Pod, version string) (*corev1.Pod, error) {
	patch, err := statusPatch(metav1.ObjectMeta{UID: after.UID, ResourceVersion: version}, &before.Status, &after.Status)
	if err != nil {
		return nil, fmt.Errorf("make the status patch of pod %s/%s: %w", after.Namespace, after.Name, err)
	}
	return p.Patch(ctx, after.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
}

func statusPatch(meta metav1.ObjectMeta, before, after *corev1.PodStatus) ([]byte, error) {
	was, err := json.Marshal(corev1.Pod{Status: *before})
	if err != nil {
		return nil, err
	}
	// The preconditions stand in the new object only, so that they are in the patch and the API server checks them.
	is, err := json.Marshal(corev1.Pod{ObjectMeta: meta, Status: *after})
	if err != nil {
		return nil, err
	}
	return strategicpatch.CreateTwoWayMergePatch(was, is, corev1.Pod{})
}

// Delete leaves pods that are kept alone. Virtual Kubelet removes the object of a pod that is deleted as soon as its status
// shows no running container, and when the grace period is over in any case; its containers, its volumes and its last status
// may be behind.
func (p pods) Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error {
	if opts.Preconditions != nil && opts.Preconditions.UID != nil && p.kept(*opts.Preconditions.UID) {
		return nil
	}
	return p.PodInterface.Delete(ctx, name, opts)
}
