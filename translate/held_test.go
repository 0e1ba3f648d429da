package translate

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// TestHeld: what goes while a Pod runs changes nothing of what is made of it, and nothing else is kept from changing.
func TestHeld(t *testing.T) {
	ref := corev1.LocalObjectReference{Name: "conf"}
	class := "fast"
	pod := mounting(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref}})
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "self", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
		Items: []corev1.DownwardAPIVolumeFile{{Path: "name", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels['l']"}}}}}})
	pod.Spec.RuntimeClassName = &class
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "S", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: "hush"}, Key: "s"}}}}
	src := data
	src.RuntimeHandlers = map[string]string{class: "crun"}
	held, lacking, err := Template(pod, src, nil)
	if err != nil || len(lacking) > 0 {
		t.Fatal(lacking, err)
	}
	held.Containers[0].Env[0].Value = capsule.Masked // as a view has it
	debug := func(name, source string) corev1.EphemeralContainer {
		return corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: name, Image: "i:1",
			EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: source}}}}}}
	}
	for _, row := range []struct {
		name    string
		change  func(*corev1.Pod, *Sources)
		lacking []string
		file    string // of the ConfigMap
		env     string
		debug   int
	}{
		{"nothing", func(*corev1.Pod, *Sources) {}, nil, "A", "S", 0},
		{"the ConfigMap", func(_ *corev1.Pod, s *Sources) { s.ConfigMaps = nil }, []string{`configmap "conf" not found`}, "A", "S", 0},
		{"the Secret", func(_ *corev1.Pod, s *Sources) { s.Secrets = nil }, []string{`secret "hush" not found`}, "A", capsule.Masked, 0},
		{"the key", func(_ *corev1.Pod, s *Sources) { s.Secrets = map[string]*corev1.Secret{"hush": {}} },
			[]string{"couldn't find key s in Secret shop/hush"}, "A", capsule.Masked, 0},
		{"both", func(_ *corev1.Pod, s *Sources) { s.ConfigMaps, s.Secrets = nil, nil },
			[]string{`secret "hush" not found`, `configmap "conf" not found`}, "A", capsule.Masked, 0},
		{"the runtime class", func(_ *corev1.Pod, s *Sources) { s.RuntimeHandlers = nil }, nil, "A", "S", 0},
		{"an optional one", func(p *corev1.Pod, s *Sources) {
			yes := true
			p.Spec.Volumes[0].ConfigMap.Optional, s.ConfigMaps = &yes, nil
		}, nil, "-", "S", 0},
		{"what an ephemeral container is to have", func(p *corev1.Pod, _ *Sources) {
			p.Spec.EphemeralContainers = []corev1.EphemeralContainer{debug("d1", "conf"), debug("d2", "none"), debug("d3", "conf")}
		}, []string{`configmap "none" not found`}, "A", "S", 1},
	} {
		pod, src := pod.DeepCopy(), src
		pod.Labels = map[string]string{"l": "new"}
		row.change(pod, &src)
		got, lacking, err := Template(pod, src, &held)
		if err != nil || len(lacking) != len(row.lacking) {
			t.Errorf("%s: lacking %v, %v", row.name, lacking, err)
			continue
		}
		for i := range lacking {
			if lacking[i].Error() != row.lacking[i] {
				t.Errorf("%s: lacking %v", row.name, lacking[i])
			}
		}
		file := "-"
		if items := got.Volumes[0].Files.Items; len(items) > 0 {
			file = string(items[0].Content)
		}
		if env := got.Containers[0].Env[0]; file != row.file || env.Value != row.env || !env.Sensitive {
			t.Errorf("%s: file %q, env %+v", row.name, file, env)
		}
		if len(got.EphemeralContainers) != row.debug || got.Runtime != "crun" || string(got.Volumes[1].Files.Items[0].Content) != "new" {
			t.Errorf("%s: %d ephemeral containers, runtime %q, %+v", row.name, len(got.EphemeralContainers), got.Runtime, got.Volumes[1])
		}
	}
}
