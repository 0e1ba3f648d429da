package container_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/agent/container"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestSubPaths(t *testing.T) {
	t.Parallel()
	recursively := corev1.RecursiveReadOnlyEnabled
	for _, row := range []struct {
		name   string
		mount  corev1.VolumeMount
		want   string
		failed string
	}{
		{"none", corev1.VolumeMount{}, "", ""},
		{"plain", corev1.VolumeMount{SubPath: "a/b"}, "a/b", ""},
		{"no expression", corev1.VolumeMount{SubPath: "$(A)"}, "$(A)", ""},
		{"expression", corev1.VolumeMount{SubPathExpr: "x/$(A)-$(IP)"}, "x/one-10.0.0.2", ""},
		{"an escaped one", corev1.VolumeMount{SubPathExpr: "$$(A)"}, "$(A)", ""},
		{"without a value", corev1.VolumeMount{SubPathExpr: "$(B)/$(NO)/$(EMPTY)"}, "", "missing value for B, EMPTY, NO"},
		{"up", corev1.VolumeMount{SubPath: "a/../../b"}, "", "unable to provision SubPath `a/../../b`: must not contain '..'"},
		{"up by expression", corev1.VolumeMount{SubPathExpr: "$(UP)"}, "", "unable to provision SubPath `..`: must not contain '..'"},
		{"absolute by expression", corev1.VolumeMount{SubPathExpr: "$(ROOT)"}, "", "error SubPath `/tmp` must not be an absolute path"},
		{"read-only with all below it", corev1.VolumeMount{ReadOnly: true, RecursiveReadOnly: &recursively}, ".", ""},
		{"a part of it so", corev1.VolumeMount{ReadOnly: true, RecursiveReadOnly: &recursively, SubPath: "a"}, "a", ""},
		{"dots in a name", corev1.VolumeMount{SubPath: "..a/b.."}, "..a/b..", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := good()
			s.app().Env = append(env("A", "one", "EMPTY", "", "UP", "..", "ROOT", "/tmp"), capsule.EnvVar{Name: "IP", Ref: capsule.RefCapsuleAddress})
			s.app().VolumeMounts = []corev1.VolumeMount{{Name: "other"}, row.mount}
			got, err := container.SubPaths(s.app(), s.place.Refs)
			var want []container.SubPath
			if row.want != "" {
				want = []container.SubPath{{Index: 1, Path: row.want, Recursive: row.mount.RecursiveReadOnly != nil}}
			}
			if d := cmp.Diff(want, got); d != "" || (err != nil) != (row.failed != "") || err != nil && err.Error() != row.failed {
				t.Errorf("error %v, want %q; want -, got +:\n%s", err, row.failed, d)
			}
		})
	}
}
