package vkclient

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
)

// apiTimeout ends every request to the API server.
const apiTimeout = 15 * time.Second

// Pods is a client that writes a status as a patch against what the API has, with the UID as precondition, as the kubelet
// does; a whole-object update would bring back labels of yesterday. It leaves the deletion of pods that others keeps to them.
type Pods struct {
	coreclient.PodsGetter
	// Kept says whether somebody else will delete the pod of that UID, and reminds them of it.
	Kept func(types.UID) bool
}

// Pods implements coreclient.PodsGetter.
func (p Pods) Pods(namespace string) coreclient.PodInterface {
	return pods{p.PodsGetter.Pods(namespace), p.Kept}
}

type pods struct {
	coreclient.PodInterface
	kept func(types.UID) bool
}

// UpdateStatus patches the status of the pod with that UID.
func (p pods) UpdateStatus(ctx context.Context, pod *corev1.Pod, _ metav1.UpdateOptions) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	now, err := p.Get(ctx, pod.Name, metav1.GetOptions{}) // the informer may not show our last patch yet
	if err != nil {
		return nil, err
	}
	if now.UID == pod.UID && equality.Semantic.DeepEqual(now.Status, pod.Status) {
		return now, nil
	}
	patch, err := statusPatch(pod.UID, &now.Status, &pod.Status)
	if err != nil {
		return nil, fmt.Errorf("make the status patch of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return p.Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
}

func statusPatch(uid types.UID, before, after *corev1.PodStatus) ([]byte, error) {
	was, err := json.Marshal(corev1.Pod{Status: *before})
	if err != nil {
		return nil, err
	}
	// The UID stands in the new object only, so that it is in the patch and the API server checks it.
	is, err := json.Marshal(corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}, Status: *after})
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
