package chaos_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/test/engine"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// ward is an engine to be hurt, the server in front of it, and the image of its patients.
type ward struct {
	*testing.T
	e     *engine.Engine
	s     *server
	image string
}

// TestEngineTrouble: whatever happens to the engine or to what is on it, the capsule or its host says so with a reason, and
// all is well again, without anybody's help, when the cause is gone.
func TestEngineTrouble(t *testing.T) {
	if testing.Short() || os.Getenv("CAPSULET_TEST_DOCKER") == "skip" {
		t.Skip("starts a Docker engine of its own")
	}
	e, err := engine.Start(t.Context(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := e.Remove(ctx); err != nil {
			t.Error(err)
		}
	})
	w := &ward{T: t, e: e, s: newServer(t, e.Endpoint)}
	w.image = testImage(t, e.Endpoint, w.s.instance)
	w.s.start()
	if err := w.s.answers(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.hostIs(true)
	for _, scenario := range []struct {
		name string
		run  func(w *ward)
	}{
		{"sandbox killed by hand", sandboxKilled},
		{"image missing, then imported", imageMissing},
		{"command not found, then there", commandNotFound},
		{"volume directory unwritable, then writable", volumeUnwritable},
		{"host path missing, then there", hostPathMissing},
		{"engine frozen, then thawed", enginePaused},
		{"engine stopped, then started", func(w *ward) { engineGone(w, w.e.Stop, w.notBlamed) }},
		{"engine killed, then started", func(w *ward) { engineGone(w, w.e.Kill, w.sameAs) }},
	} {
		ok := t.Run(scenario.name, func(t *testing.T) {
			began := time.Now()
			here := *w
			here.T = t
			scenario.run(&here)
			t.Logf("took %s", time.Since(began).Round(100*time.Millisecond))
		})
		if !ok && e.Ping(t.Context()) != nil {
			t.Fatal("the engine does not answer any more; the scenarios that follow would say nothing")
		}
	}
}

// sandboxKilled: the capsule gets a new sandbox and new containers in it, another attempt each.
func sandboxKilled(w *ward) {
	c := w.await(w.create(nil), "running", running)
	w.docker("kill", c.Facts.Sandbox.ID)
	c = w.await(c.UUID, "running in a new sandbox", func(now *capsule.Capsule) bool {
		return running(now) && now.Facts.Sandbox.ID != c.Facts.Sandbox.ID
	})
	cf := c.Facts.Container("app")
	if c.Facts.Sandbox.Attempt != 1 || cf.Run.Attempt != 1 || cf.Run.SandboxAttempt != 1 {
		w.Errorf("attempts: %s", describe(c))
	}
	if cf.Last == nil || cf.Last.ExitCode != 137 {
		w.Errorf("the run before is not remembered: %s", describe(c))
	}
	w.delete(c.UUID)
}

// imageMissing: the pull fails with the registry's reason and is tried again with the kubelet's back-off.
func imageMissing(w *ward) {
	const ref = "127.0.0.1:1/later:dev" // a registry that refuses at once
	id := w.create(func(s *capsule.Spec) { s.Containers[0].Image = ref })
	c := w.await(id, "failed to pull", func(c *capsule.Capsule) bool { return failure(c) != nil })
	if f := failure(c); f.Kind != capsule.FailedPull || f.Message == "" || strings.Contains(f.Message, "\n") || f.RetryAt.IsZero() {
		w.Errorf("failure: %+v", f)
	}
	w.says(c, ref)
	w.docker("tag", w.image, ref)
	w.delete(w.await(id, "running", running).UUID)
	w.docker("rmi", ref)
}

// commandNotFound: a run that ended with 127 and the engine's words; the next attempt finds the command.
func commandNotFound(w *ward) {
	const ref = "capsulet/tool:dev"
	w.docker("tag", w.image, ref)
	id := w.create(func(s *capsule.Spec) {
		s.Containers[0].Image, s.Containers[0].Command = ref, []string{"/tool", "sleep"}
	})
	c := w.await(id, "refused", func(c *capsule.Capsule) bool {
		cf := c.Facts.Container("app")
		return cf != nil && cf.Run.State() == capsule.StateExited
	})
	if r := c.Facts.Container("app").Run; r.ExitCode != 127 || !strings.Contains(r.Error, "/tool") {
		w.Errorf("run: %+v", r)
	}
	w.says(c, "")
	dir := w.TempDir()
	scratch := w.docker("create", w.image)
	w.docker("cp", scratch+":/testprog", filepath.Join(dir, "tool"))
	w.docker("cp", filepath.Join(dir, "tool"), scratch+":/tool")
	w.docker("commit", scratch, ref)
	w.docker("rm", scratch)
	c = w.await(id, "running", running)
	if cf := c.Facts.Container("app"); cf.Run.Attempt == 0 || cf.Last == nil || cf.Last.ExitCode != 127 {
		w.Errorf("attempts: %s", describe(c))
	}
	w.delete(id)
}

// volumeUnwritable: a file stands where the directory of all volumes should be; root is not stopped by permissions.
func volumeUnwritable(w *ward) {
	volumes := filepath.Join(w.s.state(), "volumes")
	aside := volumes + ".aside"
	if err := os.Rename(volumes, aside); err != nil && !os.IsNotExist(err) {
		w.Fatal(err)
	}
	if err := os.WriteFile(volumes, nil, 0o600); err != nil {
		w.Fatal(err)
	}
	id := w.create(func(s *capsule.Spec) {
		s.Volumes = []capsule.Volume{{Name: "scratch", EmptyDir: &corev1.EmptyDirVolumeSource{}}}
		s.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "scratch", MountPath: "/data"}}
	})
	w.volumeFailed(id, "scratch")
	if err := os.Remove(volumes); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(aside, volumes); err != nil && !os.IsNotExist(err) {
		w.Fatal(err)
	}
	w.delete(w.await(id, "running", running).UUID)
}

// hostPathMissing: the directory has to be there, and then is.
func hostPathMissing(w *ward) {
	path := filepath.Join(w.TempDir(), "data")
	directory := corev1.HostPathDirectory
	id := w.create(func(s *capsule.Spec) {
		s.Volumes = []capsule.Volume{{Name: "data", HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &directory}}}
		s.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	})
	w.volumeFailed(id, path)
	if err := os.Mkdir(path, 0o700); err != nil {
		w.Fatal(err)
	}
	w.delete(w.await(id, "running", running).UUID)
}

// enginePaused: the host is down with a reason, what runs counts as running, what is asked meanwhile is done afterwards.
func enginePaused(w *ward) {
	stays, goes := w.await(w.create(nil), "running", running), w.await(w.create(nil), "running", running)
	if err := w.e.Pause(); err != nil {
		w.Fatal(err)
	}
	thawed := false
	w.Cleanup(func() {
		if !thawed {
			_ = w.e.Continue()
		}
	})
	w.hostIs(false)
	if err := w.s.client.Delete(w.Context(), goes.UUID, new(int64)); err != nil {
		w.Errorf("a delete while the engine is frozen: %v", err)
	}
	comes := w.create(nil)
	time.Sleep(3 * time.Second) // long enough for several pings to fail
	w.sameAs(stays)
	if err := w.e.Continue(); err != nil {
		w.Fatal(err)
	}
	thawed = true
	w.hostIs(true)
	w.gone(goes.UUID)
	w.await(comes, "running", running)
	w.sameAs(stays)
	w.delete(stays.UUID)
	w.delete(comes)
}

// engineGone: the host is down with a reason; when the engine is back its containers have died with it, and policy decides.
// A killed engine tells nothing, so nothing may change; one that stops tells of some of the containers that it stops.
func engineGone(w *ward, end func(context.Context) error, meanwhile func(*capsule.Capsule)) {
	again := w.await(w.create(nil), "running", running)
	never := w.await(w.create(func(s *capsule.Spec) { s.RestartPolicy = capsule.RestartNever }), "running", running)
	goes := w.await(w.create(nil), "running", running)
	if err := end(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.hostIs(false)
	meanwhile(again)
	if err := w.s.client.Delete(w.Context(), goes.UUID, nil); err != nil {
		w.Errorf("a delete while the engine is away: %v", err)
	}
	comes := w.create(nil)
	if err := w.e.Run(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.hostIs(true)
	now := w.await(again.UUID, "running again", func(c *capsule.Capsule) bool {
		return running(c) && c.Facts.Sandbox.ID != again.Facts.Sandbox.ID
	})
	if cf := now.Facts.Container("app"); cf.Run.Attempt != 1 || cf.Last == nil || cf.Last.FinishedAt.IsZero() {
		w.Errorf("attempts: %s", describe(now))
	}
	over := w.await(never.UUID, "ended", func(c *capsule.Capsule) bool {
		cf := c.Facts.Container("app")
		return cf.Run.State() == capsule.StateExited && !c.Facts.Sandbox.Ready
	})
	if r := over.Facts.Container("app").Run; r.Attempt != 0 || r.ID != never.Facts.Container("app").Run.ID {
		w.Errorf("started again under policy Never: %s", describe(over))
	}
	w.gone(goes.UUID)
	w.await(comes, "running", running)
	for _, id := range []string{again.UUID, never.UUID, comes} {
		w.delete(id)
	}
}

func failure(c *capsule.Capsule) *capsule.Failure {
	if c == nil {
		return nil
	}
	if cf := c.Facts.Container("app"); cf != nil && cf.Failure != nil {
		return cf.Failure
	}
	return c.Facts.Failure
}

func (w *ward) volumeFailed(id, names string) {
	w.Helper()
	c := w.await(id, "failed to prepare its volume", func(c *capsule.Capsule) bool { return failure(c) != nil })
	if f := failure(c); f.Kind != capsule.FailedVolume || !strings.Contains(f.Message, names) || f.RetryAt.IsZero() {
		w.Errorf("failure: %+v", f)
	}
	w.says(c, names)
}

// says checks what people read: not Running, and why.
func (w *ward) says(c *capsule.Capsule, reason string) {
	w.Helper()
	if c.Status() == "Running" || c.StatusReason() == "" || !strings.Contains(c.StatusReason(), reason) {
		w.Errorf("status %q, reason %q; it should name %q", c.Status(), c.StatusReason(), reason)
	}
}

// create makes a capsule of one container that sleeps.
func (w *ward) create(mutate func(*capsule.Spec)) string {
	w.Helper()
	spec := capsule.Spec{
		Name: "patient", RestartPolicy: capsule.RestartAlways,
		Containers: []capsule.ContainerSpec{{Name: "app", Image: w.image, ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{"sleep"}}},
	}
	if mutate != nil {
		mutate(&spec)
	}
	c, err := w.s.client.Create(w.Context(), spec, uuid.NewString())
	if err != nil {
		w.Fatal(err)
	}
	return c.UUID
}

func (w *ward) delete(id string) {
	w.Helper()
	if err := w.s.client.Delete(w.Context(), id, new(int64)); err != nil {
		w.Fatal(err)
	}
	w.gone(id)
}

func (w *ward) gone(id string) {
	w.Helper()
	w.await(id, "gone", func(c *capsule.Capsule) bool { return c == nil })
}

// await watches the capsule until ok says so; nil is given once its record is gone.
func (w *ward) await(id, what string, ok func(*capsule.Capsule) bool) *capsule.Capsule {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 90*time.Second)
	defer cancel()
	all, revision, err := w.s.client.List(ctx)
	if err != nil {
		w.Fatal(err)
	}
	var last *capsule.Capsule
	for _, c := range all {
		if c.UUID == id {
			last = c
		}
	}
	if ok(last) {
		return last
	}
	events, err := w.s.client.Watch(ctx, revision)
	if err != nil {
		w.Fatal(err)
	}
	for e := range events {
		if e.Capsule == nil || e.Capsule.UUID != id {
			continue
		}
		if last = e.Capsule; e.Type == "DELETE" {
			last = nil
		}
		if ok(last) {
			return last
		}
	}
	w.Fatalf("never %s: %s\nthe end of the server's log:\n%s", what, describe(last), w.s.tail())
	return nil
}

// hostIs waits until the host's record says that it is up or down, with a reason if down.
func (w *ward) hostIs(up bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	for {
		hosts, err := w.s.client.Hosts(ctx)
		if err == nil && len(hosts) == 1 && hosts[0].Up == up {
			if !up && hosts[0].Reason == "" {
				w.Error("the host is down without a reason")
			}
			return
		}
		select {
		case <-ctx.Done():
			w.Fatalf("host up=%v was awaited: %+v, %v\nthe end of the server's log:\n%s", up, hosts, err, w.s.tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// sameAs checks that the capsule's facts are what they were.
func (w *ward) sameAs(before *capsule.Capsule) {
	w.Helper()
	now, err := w.s.client.Get(w.Context(), before.UUID)
	if err != nil {
		w.Fatal(err)
	}
	if a, b := fmt.Sprintf("%+v", describe(before)), fmt.Sprintf("%+v", describe(now)); a != b {
		w.Errorf("it changed:\n%s\n%s", a, b)
	}
}

// notBlamed checks that what the engine does is not taken for a failure of the capsule.
func (w *ward) notBlamed(before *capsule.Capsule) {
	w.Helper()
	now, err := w.s.client.Get(w.Context(), before.UUID)
	if err != nil {
		w.Fatal(err)
	}
	if failure(now) != nil || now.Facts.End != nil || now.Facts.Container("app").Run.ID != before.Facts.Container("app").Run.ID {
		w.Errorf("it changed:\n%s\n%s", describe(before), describe(now))
	}
}

func (w *ward) docker(args ...string) string {
	w.Helper()
	out, err := exec.CommandContext(w.Context(), "docker", append([]string{"-H", w.e.Endpoint}, args...)...).CombinedOutput()
	if err != nil {
		w.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
