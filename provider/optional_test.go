package provider

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestLackingSources is told once, also when the capsule cannot be made at first.
func TestLackingSources(t *testing.T) {
	secret := func(optional bool) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "V", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "none"}, Key: "k", Optional: &optional}}}}
		}
	}
	w := newWorld(t).start()
	w.createPod(secret(false))
	if m := w.event("MandatorySecretNotFound"); m != `secret "none" not found` {
		t.Errorf("message %q", m)
	}
	w.event("Failed") // the kubelet's word stays

	w = newWorld(t).start()
	w.capsules.setDown(true)
	pod := w.createPod(secret(true))
	w.event("FailedCreateCapsule")
	w.capsules.setDown(false)
	w.run(pod)
	w.event("OptionalSecretNotFound")
	w.phase(corev1.PodRunning)
	list, err := w.client.CoreV1().Events("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	told := int32(0)
	for _, e := range list.Items {
		if e.Reason == "OptionalSecretNotFound" {
			told += e.Count
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
