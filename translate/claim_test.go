package translate

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestClaims(t *testing.T) {
	yes, block, ext4 := true, corev1.PersistentVolumeBlock, "ext4"
	nfs := &corev1.NFSVolumeSource{Server: "files", Path: "/export"}
	for _, row := range []struct {
		name   string
		edit   func(*corev1.Pod, *corev1.PersistentVolumeClaim, *corev1.PersistentVolume, *Sources)
		want   capsule.Volume
		failed string
	}{
		{"a host path", nil, capsule.Volume{HostPath: &corev1.HostPathVolumeSource{Path: "/disk"}}, ""},
		{"read only", func(pod *corev1.Pod, _ *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume, _ *Sources) {
			pod.Spec.Volumes[0].PersistentVolumeClaim.ReadOnly = true
		}, capsule.Volume{HostPath: &corev1.HostPathVolumeSource{Path: "/disk"}, ReadOnly: true}, ""},
		{"a local directory", func(_ *corev1.Pod, _ *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume, _ *Sources) {
			pv.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/disk"}}
		}, capsule.Volume{Local: &corev1.LocalVolumeSource{Path: "/disk"}}, ""},
		{"nfs with options", func(_ *corev1.Pod, _ *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume, _ *Sources) {
			pv.Spec.PersistentVolumeSource, pv.Spec.MountOptions = corev1.PersistentVolumeSource{NFS: nfs}, []string{"soft"}
		}, capsule.Volume{NFS: nfs, MountOptions: []string{"soft"}}, ""},
		{"an ephemeral volume", func(pod *corev1.Pod, claim *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume, src *Sources) {
			pod.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}
			claim.OwnerReferences = []metav1.OwnerReference{{UID: "u", Controller: &yes}}
			src.Claims["web-v"] = claim
		}, capsule.Volume{HostPath: &corev1.HostPathVolumeSource{Path: "/disk"}}, ""},
		{"an ephemeral volume with the claim of somebody else", func(pod *corev1.Pod, claim *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume, src *Sources) {
			pod.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}
			src.Claims["web-v"] = claim
		}, capsule.Volume{}, "error processing PVC shop/web-v: PVC shop/web-v was not created for pod shop/web (pod is not owner)"},
		{"no claim", func(_ *corev1.Pod, _ *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume, src *Sources) {
			src.Claims = nil
		},
			capsule.Volume{}, `error processing PVC shop/data: failed to fetch PVC from API server: persistentvolumeclaims "data" not found`},
		{"unbound", func(_ *corev1.Pod, claim *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume, _ *Sources) {
			claim.Status.Phase = corev1.ClaimPending
		}, capsule.Volume{}, "error processing PVC shop/data: PVC is not bound"},
		{"going", func(_ *corev1.Pod, claim *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume, _ *Sources) {
			claim.DeletionTimestamp = &metav1.Time{}
		}, capsule.Volume{}, "error processing PVC shop/data: PVC is being deleted"},
		{"no volume", func(_ *corev1.Pod, _ *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume, src *Sources) {
			src.Volumes = nil
		},
			capsule.Volume{}, `error processing PVC shop/data: failed to fetch PV pv from API server: persistentvolumes "pv" not found`},
		{"bound to another", func(_ *corev1.Pod, _ *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume, _ *Sources) {
			pv.Spec.ClaimRef.UID = "other"
		}, capsule.Volume{}, "error processing PVC shop/data: PV pv is not bound to the PVC"},
		{"a block device", func(_ *corev1.Pod, _ *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume, _ *Sources) {
			pv.Spec.VolumeMode = &block
		}, capsule.Volume{}, "spec.volumes[0].persistentVolumeClaim: volume pv has volumeMode Block, and raw block devices cannot be given to a capsule"},
		{"of another kind", func(_ *corev1.Pod, _ *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume, _ *Sources) {
			pv.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "d"}}
		}, capsule.Volume{}, "spec.volumes[0].persistentVolumeClaim: it is bound to the volume pv, which is neither hostPath nor nfs nor a local " +
			"directory: this node mounts no other"},
		{"a local device", func(_ *corev1.Pod, _ *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume, _ *Sources) {
			pv.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/dev/x", FSType: &ext4}}
		}, capsule.Volume{}, "spec.volumes[0].persistentVolumeClaim: it is bound to the volume pv, which is neither hostPath nor nfs nor a local " +
			"directory: this node mounts no other"},
	} {
		t.Run(row.name, func(t *testing.T) {
			pod := mounting(corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}})
			pod.UID = "u"
			claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data", UID: "c"},
				Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pv"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}}
			pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}, Spec: corev1.PersistentVolumeSpec{
				ClaimRef:               &corev1.ObjectReference{UID: "c"},
				PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/disk"}}}}
			src := Sources{Claims: map[string]*corev1.PersistentVolumeClaim{"data": claim}, Volumes: map[string]*corev1.PersistentVolume{"pv": pv}}
			if row.edit != nil {
				row.edit(pod, claim, pv, &src)
			}
			spec, lacking, err := Template(pod, src, nil)
			if row.failed != "" {
				var refused support.Refusals
				if err == nil && len(lacking) == 1 {
					err = lacking[0]
				} else if !errors.As(err, &refused) {
					t.Errorf("%v and %v", err, lacking)
				}
				if err == nil || err.Error() != row.failed {
					t.Errorf("error %v, want %s", err, row.failed)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			accepted(t, spec)
			row.want.Name = "v"
			if diff := cmp.Diff(row.want, spec.Volumes[0]); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}
