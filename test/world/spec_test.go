package world

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// made is what the host was asked to make for the container called app.
func (w *world) made(uid string) runtime.ContainerConfig {
	w.t.Helper()
	for _, c := range w.host().Containers() {
		if c.Identity.Capsule == uid && c.Identity.Container == "app" {
			cfg, _ := w.host().Config(c.ID)
			return cfg
		}
	}
	w.t.Fatal("there is no such container")
	return runtime.ContainerConfig{}
}

// settings makes a ConfigMap and a Secret of that name.
func (w *world) settings(name string) {
	w.t.Helper()
	meta := metav1.ObjectMeta{Name: name, Namespace: namespace}
	_, err := w.api.CoreV1().ConfigMaps(namespace).Create(w.ctx,
		&corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"KEY": "value $(NOT)"}}, metav1.CreateOptions{})
	if err == nil {
		_, err = w.api.CoreV1().Secrets(namespace).Create(w.ctx,
			&corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"password": []byte("geheim")}}, metav1.CreateOptions{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestEnvironmentAndVolumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.create("web", func(p *corev1.Pod) {
		ref := corev1.LocalObjectReference{Name: "settings"}
		p.Spec.Volumes = []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref}}},
			{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "settings"}}},
			{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		}
		c := &p.Spec.Containers[0]
		c.VolumeMounts = []corev1.VolumeMount{
			{Name: "config", MountPath: "/config"}, {Name: "secret", MountPath: "/secret"}, {Name: "data", MountPath: "/data"},
		}
		c.Env = []corev1.EnvVar{
			{Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
			{Name: "URL", Value: "http://$(IP)/"},
			{Name: "KEY", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: ref, Key: "KEY"}}},
		}
	})
	// The sources are not there yet: the pod waits and says for what.
	w.await(uid, "waiting for its configuration", waits("CreateContainerConfigError"))
	w.settings("settings")
	p := w.await(uid, "ready", ready)
	cfg := w.made(string(uid))
	for _, want := range []string{"IP=" + p.Status.PodIP, "URL=http://" + p.Status.PodIP + "/", "KEY=value $(NOT)"} {
		if !slices.Contains(cfg.Env, want) {
			t.Errorf("no %s in %v", want, cfg.Env)
		}
	}
	sources := map[string]string{}
	for _, m := range cfg.Mounts {
		sources[m.Target] = m.Source
	}
	for file, want := range map[string]string{sources["/config"] + "/KEY": "value $(NOT)", sources["/secret"] + "/password": "geheim"} {
		if got, err := os.ReadFile(file); string(got) != want {
			t.Errorf("%s: %q %v, want %q", file, got, err, want)
		}
	}
	if !strings.HasPrefix(sources["/secret"], w.runDir) || strings.HasPrefix(sources["/config"], w.runDir) {
		t.Errorf("secrets belong on the tmpfs, and nothing else: %v", sources)
	}
	// What a container wrote outlives the container, and a restart of the server, but not the pod.
	kept := filepath.Join(sources["/data"], "kept")
	if err := os.WriteFile(kept, []byte("yes"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.stopServer()
	w.host().Crash(w.containersOf(uid)[0], 1)
	w.startServer()
	w.await(uid, "restarted", func(p *corev1.Pod) bool { return app(p).RestartCount == 1 && ready(p) })
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	w.delete("web")
	w.awaitGone(uid)
	if _, err := os.Stat(kept); err == nil {
		t.Error("the volume outlived its pod")
	}
}

func TestNoSecretInTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings("settings")
	uid := w.create("web", func(p *corev1.Pod) {
		p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "settings"},
		}}}
	})
	w.await(uid, "ready", ready)
	if !slices.Contains(w.made(string(uid)).Env, "password=geheim") {
		t.Error("the secret did not reach the container")
	}
	c, err := w.capsules.Get(w.ctx, string(uid))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Spec.Containers[0].Env {
		if strings.Contains(e.Value, "geheim") {
			t.Errorf("the API shows %s", e.Name)
		}
	}
	_ = filepath.WalkDir(w.dir, func(path string, d os.DirEntry, _ error) error {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), "geheim") {
			t.Errorf("%s has the secret in the clear", path)
		}
		return nil
	})
}

func TestSidecar(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("work", fake.Behaviour{Exits: true, After: 5 * time.Second}) // long enough to be seen on a loaded machine
	always := corev1.ContainerRestartPolicyAlways
	uid := w.create("job", func(p *corev1.Pod) {
		image("work")(p)
		p.Spec.RestartPolicy = corev1.RestartPolicyNever
		side := container("side", "app")
		side.RestartPolicy = &always
		p.Spec.InitContainers = []corev1.Container{side}
	})
	w.await(uid, "running beside its sidecar", func(p *corev1.Pod) bool {
		return app(p).State.Running != nil && p.Status.InitContainerStatuses[0].State.Running != nil
	})
	p := w.await(uid, "Succeeded", phase(corev1.PodSucceeded))
	// The sandbox ends after them.
	side := slices.ContainsFunc(w.host().Running(), func(name string) bool { return strings.Contains(name, "_side_") })
	if side || p.Status.InitContainerStatuses[0].State.Terminated == nil {
		t.Errorf("the sidecar goes on: %v, %+v", w.host().Running(), p.Status.InitContainerStatuses[0].State)
	}
}

func TestInitContainerThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("setup", fake.Behaviour{Exits: true, Code: 4})
	edit := func(policy corev1.RestartPolicy) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.RestartPolicy = policy
			p.Spec.InitContainers = []corev1.Container{container("setup", "setup")}
		}
	}
	never, always := w.create("never", edit(corev1.RestartPolicyNever)), w.create("always", edit(corev1.RestartPolicyAlways))
	p := w.await(never, "Failed", phase(corev1.PodFailed))
	if end := p.Status.InitContainerStatuses[0].State.Terminated; end == nil || end.ExitCode != 4 {
		t.Errorf("init container: %+v", p.Status.InitContainerStatuses[0])
	}
	w.await(always, "in a crash loop of its init container", func(p *corev1.Pod) bool {
		s := p.Status.InitContainerStatuses
		return p.Status.Phase == corev1.PodPending && len(s) == 1 && s[0].State.Waiting != nil &&
			s[0].State.Waiting.Reason == "CrashLoopBackOff" && s[0].RestartCount == 1
	})
	for _, c := range w.host().Containers() {
		if c.Identity.Container == "app" {
			t.Errorf("the main container was made: %s", c.Name)
		}
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	deadline := int64(1)
	uid := w.create("job", func(p *corev1.Pod) {
		p.Spec.RestartPolicy, p.Spec.ActiveDeadlineSeconds = corev1.RestartPolicyNever, &deadline
	})
	p := w.await(uid, "Failed", phase(corev1.PodFailed))
	if p.Status.Reason != "DeadlineExceeded" || app(p).State.Terminated == nil {
		t.Errorf("status: %+v", p.Status)
	}
}

func TestCapsuleDeletedByOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.create("web", nil)
	w.await(uid, "ready", ready)
	if err := w.capsules.Delete(w.ctx, string(uid), nil); err != nil {
		t.Fatal(err)
	}
	w.await(uid, "failed, though its container ended with 0", func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodFailed && p.Status.Reason == "CapsuleDeleted"
	})
}

func TestLogsThroughTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image("talks", fake.Behaviour{Stdout: []string{"one", "two"}, Exits: true, Code: 1, After: 50 * time.Millisecond})
	uid := w.create("web", image("talks"))
	w.await(uid, "in CrashLoopBackOff", waits("CrashLoopBackOff"))
	for _, previous := range []bool{false, true} {
		log, err := w.capsules.Logs(w.ctx, string(uid), "app", previous, capsule.LogOptions{Tail: 1})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(log)
		_ = log.Close()
		if err != nil || string(text) != "two\n" {
			t.Errorf("previous %v: %q, %v", previous, text, err)
		}
	}
}
