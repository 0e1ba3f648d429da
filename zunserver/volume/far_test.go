package volume_test

import (
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// What cannot be on a far host is refused with the volume's name, the field and the reason.
func TestFarRefuses(t *testing.T) {
	t.Parallel()
	kind := corev1.HostPathFileOrCreate
	for field, v := range map[string]capsule.Volume{
		"hostPath.type FileOrCreate": {HostPath: &corev1.HostPathVolumeSource{Path: "/x", Type: &kind}},
		"nfs":                        {NFS: &corev1.NFSVolumeSource{Server: "s", Path: "/x"}},
		"local":                      {Local: &corev1.LocalVolumeSource{Path: "/x"}},
	} {
		_, err := volume.NewFar(fake.New(fake.Config{})).Prepare(t.Context(), with(v, nil))
		if !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), `volume "data"`) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// An engine mounts a subPath by its path, so nobody may be able to move it meanwhile.
func TestFarRefusesSubPathsThatOthersCanMove(t *testing.T) {
	t.Parallel()
	mounts := func(vms ...corev1.VolumeMount) []corev1.VolumeMount { return vms }
	whole, part := corev1.VolumeMount{Name: "data"}, func(p string) corev1.VolumeMount { return corev1.VolumeMount{Name: "data", SubPath: p} }
	always := corev1.ContainerRestartPolicyAlways
	for _, row := range []struct {
		name    string
		edit    func(*capsule.Spec)
		refused string
	}{
		{"nobody else has it", func(*capsule.Spec) {}, ""},
		{"another has all of it", func(s *capsule.Spec) { s.Containers[1].VolumeMounts = mounts(whole) }, `container "other"`},
		{"another may only read", func(s *capsule.Spec) {
			readOnly := whole
			readOnly.ReadOnly = true
			s.Containers[1].VolumeMounts = mounts(readOnly)
		}, ""},
		{"another has a part beside", func(s *capsule.Spec) { s.Containers[1].VolumeMounts = mounts(part("a/c")) }, ""},
		{"another has the same part", func(s *capsule.Spec) { s.Containers[1].VolumeMounts = mounts(part("a/b")) }, ""},
		{"another has what it is in", func(s *capsule.Spec) { s.Containers[1].VolumeMounts = mounts(part("a")) }, `container "other"`},
		{"another has a part that is not known yet", func(s *capsule.Spec) {
			s.Containers[1].VolumeMounts = mounts(corev1.VolumeMount{Name: "data", SubPathExpr: "$(X)"})
		}, `container "other"`},
		{"an init container had all of it", func(s *capsule.Spec) {
			s.InitContainers = []capsule.ContainerSpec{{Name: "early", VolumeMounts: mounts(whole)}}
		}, ""},
		{"a sidecar has all of it", func(s *capsule.Spec) {
			s.InitContainers = []capsule.ContainerSpec{{Name: "side", RestartPolicy: &always, VolumeMounts: mounts(whole)}}
		}, `container "side"`},
		{"it is a part of the host", func(s *capsule.Spec) {
			s.Volumes[0] = capsule.Volume{Name: "data", HostPath: &corev1.HostPathVolumeSource{Path: "/x"}}
		}, "hostPath"},
	} {
		c := with(emptyDir("", ""), nil)
		c.Spec.Containers = []capsule.ContainerSpec{{Name: "app", VolumeMounts: mounts(part("a/b"))}, {Name: "other"}}
		row.edit(&c.Spec)
		far := volume.NewFar(fake.New(fake.Config{}))
		volumes, err := far.Prepare(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = far.SubPath(t.Context(), c, volume.Sandbox{ID: "none"}, volume.SubPath{Container: "app", Volume: volumes["data"], Path: "a/b"})
		refused := errdefs.IsInvalidArgument(err) && strings.Contains(err.Error(), "volumeMounts[0].subPath")
		if refused != (row.refused != "") || refused && !strings.Contains(err.Error(), row.refused) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// Names that an engine does not take for a volume are spelled out, each its own way.
func TestFarNamesOfVolumes(t *testing.T) {
	t.Parallel()
	c := with(emptyDir("", ""), nil)
	for _, name := range []string{"Data", "a_b", "a.b", "ä", "-"} {
		c.Spec.Volumes = append(c.Spec.Volumes, capsule.Volume{Name: name, EmptyDir: &corev1.EmptyDirVolumeSource{}})
	}
	volumes, err := volume.NewFar(fake.New(fake.Config{})).Prepare(t.Context(), c)
	seen := map[string]bool{}
	for _, m := range volumes {
		if seen[m.Source] = true; m.Kind != runtime.MountNamed || strings.Trim(m.Source, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("%+v", m)
		}
	}
	if err != nil || len(seen) != 6 {
		t.Errorf("%v, %v", volumes, err)
	}
}
