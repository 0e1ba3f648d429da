package translate

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestLackingOptional(t *testing.T) {
	yes := true
	ref := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	key := func(name, key string) *corev1.SecretKeySelector {
		return &corev1.SecretKeySelector{LocalObjectReference: ref(name), Key: key, Optional: &yes}
	}
	env := func(s *corev1.SecretKeySelector) corev1.EnvVar {
		return corev1.EnvVar{Name: "V", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: s}}
	}
	container := corev1.Container{Name: "a",
		EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: ref("m"), Optional: &yes}},
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: ref("s"), Optional: &yes}}},
		Env: []corev1.EnvVar{env(key("none", "k")), env(key("s", "k")), env(key("s", "other")), env(key("none", "k")), {Name: "P", Value: "x"}}}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container, container}}}
	var got []string
	for _, m := range LackingOptional(pod, Sources{Secrets: map[string]*corev1.Secret{"s": {Data: map[string][]byte{"k": []byte("v")}}}}) {
		got = append(got, string(m.Kind)+" "+m.Name+" "+m.Key)
	}
	if want := []string{"ConfigMap m ", "Secret none ", "Secret s other"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if pod.Spec.Containers[0].Env[0].ValueFrom.SecretKeyRef.Optional == nil {
		t.Error("the Pod was changed")
	}
}
