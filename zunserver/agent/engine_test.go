package agent_test

import (
	"archive/tar"
	"io"
	"os"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// TestOwnerOnAnEngine is the life of a container of the container API on a real engine: what is started again is the same
// container, with its files, also after its sandbox has died.
func TestOwnerOnAnEngine(t *testing.T) {
	if os.Getenv("CAPSULET_TEST_DOCKER") == "skip" {
		t.Skip("CAPSULET_TEST_DOCKER=skip")
	}
	w := newWorld(t)
	w.stopAgent()
	host, err := docker.Open(t.Context(), docker.Config{Instance: "test-agent"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := runtimetest.BuildImage(t.Context(), host); err != nil {
		t.Fatal(err)
	}
	w.instance, w.patience, w.wrap = "test-agent", time.Minute, func(*fake.Host) runtime.Host { return host }
	w.volumes = volume.Near{StateDir: t.TempDir(), RunDir: t.TempDir()}
	w.startAgent()
	c := w.container(func(c *capsule.Capsule) {
		c.Spec.Containers[0].Image, c.Spec.Containers[0].Command = runtimetest.ImageRef, []string{runtimetest.Program, "sleep"}
		c.Standalone[0].RestartPolicy = "unless-stopped"
		c.Standalone[0].Want = capsule.Want{State: capsule.WantCreated}
	})
	c = w.await(c.UUID, "created", is("Created"))
	id := run(c).ID
	if err := host.CopyTo(t.Context(), id, "/", archive(t, "note", "kept")); err != nil {
		t.Fatal(err)
	}
	w.ask(c.UUID, start)
	w.await(c.UUID, "running", is("Running"))
	w.ask(c.UUID, wish(capsule.WantPaused))
	w.await(c.UUID, "paused", is("Paused"))
	w.ask(c.UUID, wish(capsule.WantStopped)) // also what is frozen
	w.await(c.UUID, "stopped", is("Stopped"))
	w.ask(c.UUID, start)
	c = w.await(c.UUID, "started again", is("Running"))

	before, sandbox := run(c).StartedAt, c.Facts.Sandbox.ID
	if err := host.Kill(t.Context(), sandbox, "KILL"); err != nil {
		t.Fatal(err)
	}
	c = w.await(c.UUID, "back after its sandbox died", func(c *capsule.Capsule) bool {
		return is("Running")(c) && run(c).StartedAt.After(before) && c.Facts.Sandbox.Ready
	})
	if run(c).ID != id || c.Facts.Sandbox.ID != sandbox || len(c.Facts.Sandbox.Addresses) == 0 {
		t.Errorf("not in place: %s", facts(c))
	}
	content, _, err := host.CopyFrom(t.Context(), id, "/note")
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(content)
	if _, err = files.Next(); err == nil {
		var text []byte
		if text, err = io.ReadAll(files); string(text) != "kept" {
			t.Errorf("what it has is %q", text)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	w.ask(c.UUID, rebuild)
	c = w.await(c.UUID, "rebuilt", func(c *capsule.Capsule) bool { return is("Running")(c) && run(c).ID != id })
	w.delete(c.UUID, 1)
	w.await(c.UUID, "gone", gone)
	if left, err := host.List(t.Context(), c.UUID); err != nil || len(left) > 0 {
		t.Errorf("left on the host: %v, %v", left, err)
	}
}
