package world

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestSourcesGoWhileAPodRuns: what a Pod needed at its start goes. It keeps what it has of it, the rest goes on, and when the
// source is there again, so is its content.
func TestSourcesGoWhileAPodRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings("settings")
	core := w.api.CoreV1()
	uid := w.create("web", func(p *corev1.Pod) {
		p.Labels = map[string]string{"round": "one"}
		ref := corev1.LocalObjectReference{Name: "settings"}
		p.Spec.Volumes = []corev1.Volume{
			{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "settings"}}},
			{Name: "self", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{
				{Path: "round", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels['round']"}}}}}},
		}
		c := &p.Spec.Containers[0]
		c.VolumeMounts = []corev1.VolumeMount{{Name: "secret", MountPath: "/secret"}, {Name: "self", MountPath: "/self"}}
		c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: ref}},
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: ref}}}
	})
	w.await(uid, "ready", ready)
	before := w.containersOf(uid)
	files := map[string]string{}
	for _, m := range w.made(string(uid)).Mounts {
		files[m.Target] = m.Source
	}
	if err := core.ConfigMaps(namespace).Delete(w.ctx, "settings", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := core.Secrets(namespace).Delete(w.ctx, "settings", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.event(uid, "FailedMount")
	w.event(uid, "MandatoryConfigMapNotFound")
	w.label("web", "two")
	w.awaitFile(filepath.Join(files["/self"], "round"), "two")
	w.untouched(uid, before)
	if got, err := os.ReadFile(filepath.Join(files["/secret"], "password")); string(got) != "geheim" {
		t.Errorf("the secret became %q %v", got, err)
	}
	// What starts again, and after a restart of the node, has the environment that it had.
	w.stopNode()
	w.startNode()
	w.host().Crash(before[0], 1)
	w.await(uid, "restarted", func(p *corev1.Pod) bool { return app(p).RestartCount == 1 && ready(p) })
	again := slices.DeleteFunc(w.containersOf(uid), func(id string) bool { return slices.Contains(before, id) })
	cfg, _ := w.host().Config(again[0])
	if env := cfg.Env; !slices.Contains(env, "KEY=value $(NOT)") || !slices.Contains(env, "password=geheim") {
		t.Errorf("environment %v", env)
	}
	_, err := core.Secrets(namespace).Create(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "settings", Namespace: namespace},
		Data: map[string][]byte{"password": []byte("neu")}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.awaitFile(filepath.Join(files["/secret"], "password"), "neu")
}

// label gives the pod of that name the label round.
func (w *world) label(name, value string) {
	w.t.Helper()
	pod, err := w.api.CoreV1().Pods(namespace).Get(w.ctx, name, metav1.GetOptions{})
	if err == nil {
		pod.Labels = map[string]string{"round": value}
		_, err = w.api.CoreV1().Pods(namespace).Update(w.ctx, pod, metav1.UpdateOptions{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// awaitFile waits until a file has that content: nobody tells when a volume was written.
func (w *world) awaitFile(path, want string) {
	w.t.Helper()
	var got []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got, _ = os.ReadFile(path); string(got) == want {
			return
		}
	}
	w.t.Fatalf("%s is %q, never %q", path, got, want)
}
