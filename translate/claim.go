package translate

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// claimOf is the name of the claim that a volume uses, and whether it is read only. A generic ephemeral volume has a claim
// of its own, which the control plane makes.
func claimOf(pod *corev1.Pod, v *corev1.Volume) (name string, readOnly bool) {
	if v.Ephemeral != nil {
		return pod.Name + "-" + v.Name, false
	}
	return v.PersistentVolumeClaim.ClaimName, v.PersistentVolumeClaim.ReadOnly
}

// claimed translates a volume that is bound through a claim. What is missing is worded as by the kubelet
// (pkg/kubelet/volumemanager/populator).
func claimed(pod *corev1.Pod, v *corev1.Volume, src *Sources) (capsule.Volume, error) {
	name, readOnly := claimOf(pod, v)
	missing := &Missing{Kind: SourceClaim, Namespace: pod.Namespace, Name: name, Volume: v.Name}
	because := func(format string, args ...any) (capsule.Volume, error) {
		missing.Problem = fmt.Sprintf(format, args...)
		return capsule.Volume{}, missing
	}
	claim, ok := src.Claims[name]
	switch {
	case !ok:
		return capsule.Volume{}, missing
	case v.Ephemeral != nil && !metav1.IsControlledBy(claim, pod):
		return because("PVC %s/%s was not created for pod %s/%s (pod is not owner)", pod.Namespace, name, pod.Namespace, pod.Name)
	case claim.DeletionTimestamp != nil:
		return because("PVC is being deleted")
	case claim.Status.Phase != corev1.ClaimBound || claim.Spec.VolumeName == "":
		return because("PVC is not bound")
	}
	pv, ok := src.Volumes[claim.Spec.VolumeName]
	switch {
	case !ok:
		return because("failed to fetch PV %s from API server: persistentvolumes %q not found", claim.Spec.VolumeName, claim.Spec.VolumeName)
	case pv.Spec.ClaimRef == nil || pv.Spec.ClaimRef.UID != claim.UID:
		return because("PV %s is not bound to the PVC", pv.Name)
	}
	return persistent(pod, v, pv, readOnly)
}

// persistent translates a persistent volume. Other kinds are refused by name.
func persistent(pod *corev1.Pod, v *corev1.Volume, pv *corev1.PersistentVolume, readOnly bool) (capsule.Volume, error) {
	out := capsule.Volume{Name: v.Name, ReadOnly: readOnly}
	field := "persistentVolumeClaim"
	if v.Ephemeral != nil {
		field = "ephemeral"
	}
	refuse := func(format string, args ...any) (capsule.Volume, error) {
		return capsule.Volume{}, support.Refusals{{Field: volumeField(pod, v.Name) + "." + field, Reason: fmt.Sprintf(format, args...)}}
	}
	s := &pv.Spec
	if s.VolumeMode != nil && *s.VolumeMode == corev1.PersistentVolumeBlock {
		return refuse("volume %s has volumeMode Block, and raw block devices cannot be given to a capsule", pv.Name)
	}
	switch {
	case s.HostPath != nil:
		out.HostPath = s.HostPath.DeepCopy()
	case s.Local != nil && s.Local.FSType == nil:
		out.Local = s.Local.DeepCopy()
	case s.NFS != nil:
		out.NFS, out.MountOptions = s.NFS.DeepCopy(), slices.Clone(s.MountOptions)
	default:
		return refuse("it is bound to the volume %s, which is neither hostPath nor nfs nor a local directory: this node mounts no other", pv.Name)
	}
	return out, nil
}
