package provider

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func configMap(value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "conf", Namespace: "shop"}, Data: map[string]string{"k": value}}
}

func secret(value, revision string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "hush", Namespace: "shop", ResourceVersion: revision},
		Data: map[string][]byte{"s": []byte(value)}}
}

// sourced is a pod with a volume of each kind that is updated, and a variable of the same ConfigMap.
func sourced(p *corev1.Pod) {
	ref, yes := corev1.LocalObjectReference{Name: "conf"}, true
	p.Labels = map[string]string{"round": "one"}
	p.Spec.Volumes = []corev1.Volume{
		{Name: "conf", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref}}},
		{Name: "hush", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "hush", Optional: &yes}}},
		{Name: "self", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{
			{Path: "labels", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels"}}}}}},
	}
	p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "K", ValueFrom: &corev1.EnvVarSource{
		ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: ref, Key: "k"}}}}
}

// file is what a volume of the capsule has at a path; "-" for nothing.
func (w *world) file(pod *corev1.Pod, volume int, path string) string {
	for _, f := range w.capsuleOf(pod).Spec.Volumes[volume].Files.Items {
		if f.Path == path {
			return string(f.Content)
		}
	}
	return "-"
}

// becomes repeats a change, because a fake API server loses what happens between a list and its watch.
func (w *world) becomes(pod *corev1.Pod, volume int, path, want string, change func() error) {
	w.t.Helper()
	last := time.Time{}
	w.until(path+" becomes "+want, func() bool {
		if time.Since(last) > 200*time.Millisecond {
			if err := change(); err != nil {
				w.t.Fatal(err)
			}
			last = time.Now()
		}
		return w.file(pod, volume, path) == want
	})
}

func TestSourcesOfARunningPodChange(t *testing.T) {
	w := newWorld(t, configMap("one")).start()
	core, ctx := w.client.CoreV1(), t.Context()
	pod := w.createPod(sourced)
	w.run(pod)
	w.phase(corev1.PodRunning)
	if a, b := w.file(pod, 0, "k"), w.file(pod, 1, "s"); a != "one" || b != "-" {
		t.Errorf("at first %q %q", a, b)
	}
	w.becomes(pod, 0, "k", "two", func() error {
		_, err := core.ConfigMaps("shop").Update(ctx, configMap("two"), metav1.UpdateOptions{})
		return err
	})
	if env := w.capsuleOf(pod).Spec.Containers[0].Env; env[len(env)-1].Value != "two" {
		t.Errorf("the next attempt would get %+v", env)
	}
	if _, err := core.Secrets("shop").Create(ctx, secret("s1", "5"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.becomes(pod, 1, "s", "s1", func() error {
		_, err := core.Secrets("shop").Update(ctx, secret("s1", "5"), metav1.UpdateOptions{})
		return err
	})
	w.becomes(pod, 1, "s", "s2", func() error {
		_, err := core.Secrets("shop").Update(ctx, secret("s2", "6"), metav1.UpdateOptions{})
		return err
	})
	if err := core.Secrets("shop").Delete(ctx, "hush", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.becomes(pod, 1, "s", "-", func() error { return nil })
	w.becomes(pod, 2, "labels", `round="two"`, func() error {
		now := w.pod() //nolint:contextcheck // the world has the same one
		now.Labels = map[string]string{"round": "two"}
		_, err := core.Pods("shop").Update(ctx, now, metav1.UpdateOptions{})
		return err
	})
	c := w.capsuleOf(pod)
	if id, ours := identityOn(c, "capsulet"); !ours || id != identityOf(pod) || c.Spec.Labels["round"] != "two" {
		t.Errorf("labels %v, annotations %v", c.Spec.Labels, c.Spec.Annotations)
	}
	if strings.Contains(c.Spec.Hash, "s2") || w.capsules.creates != 1 {
		t.Errorf("hash %q, %d creates", c.Spec.Hash, w.capsules.creates)
	}
	// A source that is needed goes: what was there stays, it is told, and everything else goes on.
	if err := core.ConfigMaps("shop").Delete(ctx, "conf", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.event("Failed")
	if m := w.event("FailedMount"); m != `MountVolume.SetUp failed for volume "conf" : configmap "conf" not found` {
		t.Errorf("event %q", m)
	}
	w.becomes(pod, 2, "labels", `round="three"`, func() error {
		now := w.pod() //nolint:contextcheck // the world has the same one
		now.Labels = map[string]string{"round": "three"}
		_, err := core.Pods("shop").Update(ctx, now, metav1.UpdateOptions{})
		return err
	})
	if env := w.capsuleOf(pod).Spec.Containers[0].Env; w.file(pod, 0, "k") != "two" || env[len(env)-1].Value != "two" {
		t.Errorf("after its source went: %q %+v", w.file(pod, 0, "k"), env)
	}
	// It is there again, without the key that the environment needs.
	again := configMap("three")
	again.Data = map[string]string{"other": "three"}
	if _, err := core.ConfigMaps("shop").Create(ctx, again, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.becomes(pod, 0, "other", "three", func() error {
		_, err := core.ConfigMaps("shop").Update(ctx, again, metav1.UpdateOptions{})
		return err
	})
	if env := w.capsuleOf(pod).Spec.Containers[0].Env; w.file(pod, 0, "k") != "-" || env[len(env)-1].Value != "two" {
		t.Errorf("with its source back: %q %+v", w.file(pod, 0, "k"), env)
	}
}

func TestImmutableSourceStays(t *testing.T) {
	yes, fixed := true, configMap("one")
	fixed.Immutable = &yes
	w := newWorld(t, fixed).start()
	pod := w.createPod(sourced)
	w.run(pod)
	w.phase(corev1.PodRunning)
	now := configMap("two")
	now.Immutable = &yes
	if _, err := w.client.CoreV1().ConfigMaps("shop").Update(t.Context(), now, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.becomes(pod, 2, "labels", `round="two"`, func() error {
		now := w.pod()
		now.Labels = map[string]string{"round": "two"}
		_, err := w.client.CoreV1().Pods("shop").Update(t.Context(), now, metav1.UpdateOptions{})
		return err
	})
	if got := w.file(pod, 0, "k"); got != "one" {
		t.Errorf("an immutable source became %q", got)
	}
}

func TestChangesWhileStopped(t *testing.T) {
	w := newWorld(t, configMap("one"), secret("s1", "5")).start()
	pod := w.createPod(sourced)
	w.run(pod)
	w.phase(corev1.PodRunning)
	hash := w.capsuleOf(pod).Spec.Hash
	w.stop()
	w.start()
	w.until("it is looked at", func() bool {
		for _, a := range w.client.Actions() {
			if a.Matches("watch", "secrets") {
				return true
			}
		}
		return false
	})
	if got := w.capsuleOf(pod).Spec.Hash; got != hash || w.capsules.updates != 0 {
		t.Errorf("nothing changed, and there were %d updates", w.capsules.updates)
	}
	w.stop()
	if _, err := w.client.CoreV1().Secrets("shop").Update(t.Context(), secret("s2", "6"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.becomes(pod, 1, "s", "s2", func() error { return nil })
}

func TestChangeThatCannotBe(t *testing.T) {
	w := newWorld(t).start()
	pod := w.createPod(nil)
	w.run(pod)
	now := w.phase(corev1.PodRunning)
	now.Spec.Containers[0].WorkingDir = "/other"
	if _, err := w.client.CoreV1().Pods("shop").Update(t.Context(), now, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if m := w.event("UnsupportedUpdate"); !strings.Contains(m, "spec.containers[0].workDir cannot be changed") {
		t.Errorf("event %q", m)
	}
	if c := w.capsuleOf(pod); c.Spec.Containers[0].WorkDir != "" {
		t.Errorf("working directory %s", c.Spec.Containers[0].WorkDir)
	}
	now = w.pod()
	five := int64(5)
	now.Spec.ActiveDeadlineSeconds = &five
	if _, err := w.client.CoreV1().Pods("shop").Update(t.Context(), now, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("the deadline is set", func() bool { return w.capsuleOf(pod).Spec.ActiveDeadlineSeconds != nil })
}

// kubectl set image: the capsule is asked for it, and says nothing against it.
func TestImageChanges(t *testing.T) {
	w := newWorld(t).start()
	pod := w.createPod(nil)
	w.run(pod)
	now := w.phase(corev1.PodRunning)
	now.Spec.Containers[0].Image = "img:2"
	if _, err := w.client.CoreV1().Pods("shop").Update(t.Context(), now, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("the capsule has the image", func() bool { return w.capsuleOf(pod).Spec.Containers[0].Image == "img:2" })
}
