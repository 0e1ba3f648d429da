package translate

import (
	"errors"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/translate/podspec"
)

// LackingOptional is what the environment of the Pod's containers does without because it is optional and not there, each
// source once.
func LackingOptional(pod *corev1.Pod, src Sources) []*Missing {
	var list []*Missing
	known := map[SourceRef]map[string]bool{}
	note := func(err error) {
		var m *Missing
		if !errors.As(err, &m) {
			return
		}
		ref := SourceRef{Kind: m.Kind, Name: m.Name}
		if known[ref] == nil {
			known[ref] = map[string]bool{}
		}
		if !known[ref][m.Key] {
			known[ref][m.Key] = true
			list = append(list, m)
		}
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers, podspec.Ephemeral(pod)} {
		for i := range containers {
			c := containers[i].DeepCopy()
			for j := range c.EnvFrom {
				require(c.EnvFrom[j].ConfigMapRef, c.EnvFrom[j].SecretRef, nil)
				_, err := envFromOf(pod, c, &c.EnvFrom[j], &src)
				note(err)
			}
			for j := range c.Env {
				require(nil, nil, c.Env[j].ValueFrom)
				_, _, err := envVarOf(pod, c, &c.Env[j], &src)
				note(err)
			}
		}
	}
	return list
}

// require makes references mandatory. The Pod could be translated: what is missing then is optional.
func require(m *corev1.ConfigMapEnvSource, s *corev1.SecretEnvSource, v *corev1.EnvVarSource) {
	if m != nil {
		m.Optional = nil
	}
	if s != nil {
		s.Optional = nil
	}
	if v != nil && v.ConfigMapKeyRef != nil {
		v.ConfigMapKeyRef.Optional = nil
	}
	if v != nil && v.SecretKeyRef != nil {
		v.SecretKeyRef.Optional = nil
	}
}
