package agent_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// A capsule on a host whose machine is out of reach has its volumes, from the first start on, sees its files change, and its
// last words are read.
func TestVolumesOfAFarHost(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files that belong to others need root")
	}
	w := newWorld(t)
	w.host.Add(fake.Image{Ref: "testprog", Program: fake.Testprog, Info: runtime.Image{
		Entrypoint: []string{fake.TestprogPath}, Cmd: []string{"sleep"},
	}})
	volume := func(content string) []capsule.Volume {
		return []capsule.Volume{
			{Name: "config", Files: &capsule.FilesVolume{Items: []capsule.File{{Path: "a", Content: []byte(content)}}, Sensitive: true}},
			{Name: "data", EmptyDir: &corev1.EmptyDirVolumeSource{}},
		}
	}
	c := w.create(func(s *capsule.Spec) {
		s.Volumes = volume("one")
		s.ManagedHosts = true
		s.Containers[0].Image, s.Containers[0].TerminationMessagePath = "testprog", "/dev/termination-log"
		s.Containers[0].VolumeMounts = []corev1.VolumeMount{
			{Name: "config", MountPath: "/config"}, {Name: "data", MountPath: "/part", SubPath: "x/y"},
		}
	})
	c = w.await(c.UUID, "running", running)
	id := c.Facts.Container("app").Run.ID
	look := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if _, err := w.host.Exec(t.Context(), id, runtime.ExecConfig{
			Command: append([]string{fake.TestprogPath, "fs"}, args...), Stdout: &out, Stderr: &out,
		}); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out.String())
	}
	if got := look("read", "/config/a"); got != "one" {
		t.Errorf("the file: %q", got)
	}
	if got := look("stat", "/part"); !strings.HasPrefix(got, "dir ") {
		t.Errorf("the part: %q", got)
	}
	if _, err := w.store.UpdateSpec(t.Context(), c.UUID, func(s *capsule.Spec) error { s.Volumes = volume("two"); return nil }); err != nil {
		t.Fatal(err)
	}
	for look("read", "/config/a") != "two" {
		if t.Context().Err() != nil {
			t.Fatal("the file does not change")
		}
	}
	w.host.WriteFile(id, "/dev/termination-log", []byte("last words"))
	w.host.Crash(id, 1)
	w.await(c.UUID, "last words", func(c *capsule.Capsule) bool {
		last := c.Facts.Container("app").Last
		return running(c) && last != nil && last.Message == "last words"
	})
	w.delete(c.UUID, 0)
	w.await(c.UUID, "gone", gone)
	w.empty()
	if left, err := w.host.ListVolumes(t.Context(), c.UUID); err != nil || len(left) > 0 {
		t.Errorf("volumes are left: %+v, %v", left, err)
	}
}
