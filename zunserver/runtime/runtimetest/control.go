package runtimetest

import (
	"archive/tar"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// read is the content of the file at path in a container.
func (b *bench) read(t *testing.T, id, path string) string {
	t.Helper()
	content, _, err := b.Host.CopyFrom(b.context(t), id, path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	r := tar.NewReader(content)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func testRestart(t *testing.T, b *bench) {
	ctx := b.context(t)
	b.sandbox(t)
	id := b.created(t, b.config("app", b.Sleep...))
	is(t, "before its first start", b.Host.Restart(ctx, id), errdefs.ErrFailedPrecondition)
	if err := b.Host.Start(ctx, id); err != nil {
		t.Fatal(err)
	}
	first := b.inspect(t, id)
	if err := b.Host.CopyTo(ctx, id, "/", tarOf(t, "note.txt", "kept")); err != nil {
		t.Fatal(err)
	}
	if err := b.Host.Restart(ctx, id); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	for round := range 2 {
		if err := b.Host.Stop(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		if err := b.Host.Restart(ctx, id); err != nil {
			t.Fatal(err)
		}
		for _, c := range []runtime.Container{b.inspect(t, id), b.listed(t, id)} {
			if c.ID != id || c.State != capsule.StateRunning || c.Pid == 0 || !c.StartedAt.After(first.StartedAt) ||
				!c.FinishedAt.IsZero() || c.ExitCode != 0 || !c.CreatedAt.Equal(first.CreatedAt) {
				t.Errorf("round %d: %+v", round, c)
			}
		}
		first = b.inspect(t, id)
	}
	if got := b.read(t, id, "/note.txt"); got != "kept" {
		t.Errorf("what it wrote is %q", got)
	}
}

// listed is the container as the list shows it.
func (b *bench) listed(t *testing.T, id string) runtime.Container {
	t.Helper()
	list := b.list(t, b.capsule)
	at := slices.IndexFunc(list, func(c runtime.Container) bool { return c.ID == id })
	if at < 0 {
		t.Fatalf("container %s is not in the list", id)
	}
	return list[at]
}

// A sandbox that ended takes what is in it along; all of it comes back in place.
func testRestartAfterItsSandbox(t *testing.T, b *bench) {
	ctx := b.context(t)
	sandbox := b.sandbox(t)
	id := b.running(t, b.config("app", b.Sleep...))
	for _, one := range []string{sandbox, id} {
		if err := b.Host.Stop(ctx, one, 0); err != nil {
			t.Fatal(err)
		}
	}
	is(t, "without its sandbox", b.Host.Restart(ctx, id), errdefs.ErrFailedPrecondition)
	if c := b.inspect(t, id); c.State != capsule.StateExited || c.Error != "" {
		t.Errorf("after the refusal: %+v", c)
	}
	for _, one := range []string{sandbox, id} {
		if err := b.Host.Restart(ctx, one); err != nil {
			t.Fatal(err)
		}
	}
	if c := b.inspect(t, id); c.State != capsule.StateRunning {
		t.Errorf("%+v", c)
	}
}

func testRestartRefused(t *testing.T, b *bench) {
	ctx := b.context(t)
	b.sandbox(t)
	id := b.created(t, b.config("app", b.Bad...))
	if err := b.Host.Start(ctx, id); err == nil {
		t.Fatal("it started")
	}
	err := b.Host.Restart(ctx, id)
	if err == nil || errdefs.IsFailedPrecondition(err) || errdefs.IsUnavailable(err) || errdefs.IsNotFound(err) {
		t.Errorf("restart: %v", err)
	}
	if c := b.inspect(t, id); c.State != capsule.StateExited || c.Error == "" || c.ExitCode != 127 {
		t.Errorf("after the refusal: %+v", c)
	}
}

func testPause(t *testing.T, b *bench) {
	ctx := b.context(t)
	b.sandbox(t)
	id := b.created(t, b.config("app", b.Sleep...))
	is(t, "pause before its start", b.Host.Pause(ctx, id), errdefs.ErrFailedPrecondition)
	is(t, "unpause before its start", b.Host.Unpause(ctx, id), errdefs.ErrFailedPrecondition)
	if err := b.Host.Start(ctx, id); err != nil {
		t.Fatal(err)
	}
	b.awaitLine(t, id)
	events, err := b.Host.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Host.Pause(ctx, id); err != nil {
			t.Errorf("pause: %v", err)
		}
	}
	for _, c := range []runtime.Container{b.inspect(t, id), b.listed(t, id)} {
		if c.State != capsule.StateRunning || !c.Paused {
			t.Errorf("paused: %+v", c)
		}
	}
	for range 2 {
		if err := b.Host.Unpause(ctx, id); err != nil {
			t.Errorf("unpause: %v", err)
		}
	}
	if c := b.inspect(t, id); c.State != capsule.StateRunning || c.Paused {
		t.Errorf("unpaused: %+v", c)
	}
	for _, want := range []string{"pause", "unpause"} {
		select {
		case e := <-events:
			if e.ID != id || e.Action != want {
				t.Errorf("event %+v, want %s", e, want)
			}
		case <-ctx.Done():
			t.Fatalf("no event %s", want)
		}
	}
	if err := b.Host.Pause(ctx, id); err != nil {
		t.Fatal(err)
	}
	if err := b.Host.Stop(ctx, id, 10*time.Second); err != nil { // what is frozen can be stopped, gently
		t.Fatal(err)
	}
	if c := b.inspect(t, id); c.State != capsule.StateExited || c.Paused || c.ExitCode != 0 {
		t.Errorf("stopped: %+v", c)
	}
}

func testKill(t *testing.T, b *bench) {
	ctx := b.context(t)
	b.sandbox(t)
	for _, row := range []struct {
		command []string
		signal  string
		code    int
	}{{b.Sleep, "TERM", 0}, {b.Sleep, "SIGKILL", 137}, {b.IgnoreTERM, "9", 137}} {
		id := b.running(t, b.config("app-"+row.signal, row.command...))
		b.awaitLine(t, id)
		is(t, "no signal", b.Host.Kill(ctx, id, "NONSENSE"), errdefs.ErrInvalidArgument)
		if err := b.Host.Kill(ctx, id, row.signal); err != nil {
			t.Errorf("%s: %v", row.signal, err)
		}
		if c := b.ended(t, id); c.ExitCode != row.code {
			t.Errorf("%s: %+v", row.signal, c)
		}
		is(t, "after its end", b.Host.Kill(ctx, id, row.signal), errdefs.ErrFailedPrecondition)
	}
}

func testProcesses(t *testing.T, b *bench) {
	ctx := b.context(t)
	b.sandbox(t)
	id := b.running(t, b.config("app", b.Sleep...))
	table, err := b.Host.Processes(ctx, id, nil)
	if err != nil || !slices.Contains(table.Titles, "PID") || len(table.Processes) != 1 ||
		!strings.Contains(strings.Join(table.Processes[0], " "), b.Sleep[0]) {
		t.Errorf("%+v, %v", table, err)
	}
	if b.Engine {
		table, err = b.Host.Processes(ctx, id, []string{"-o", "pid,args"})
		if err != nil || len(table.Titles) != 2 {
			t.Errorf("with arguments: %+v, %v", table, err)
		}
	}
	if err := b.Host.Stop(ctx, id, 0); err != nil {
		t.Fatal(err)
	}
	_, err = b.Host.Processes(ctx, id, nil)
	is(t, "after its end", err, errdefs.ErrFailedPrecondition)
}

func testCommit(t *testing.T, b *bench) {
	ctx := b.context(t)
	b.sandbox(t)
	id := b.running(t, b.config("app", b.Sleep...))
	if err := b.Host.CopyTo(ctx, id, "/", tarOf(t, "note.txt", "committed")); err != nil {
		t.Fatal(err)
	}
	ref := "capsulet/suite-commit:" + b.capsule
	made, err := b.Host.Commit(ctx, id, ref, map[string]string{"example.org/owner": `a "b" $c`})
	if err != nil {
		t.Fatal(err)
	}
	var other string
	defer func() {
		if err := b.Host.Remove(ctx, other); err != nil {
			t.Error(err)
		}
		if err := b.Host.RemoveImage(ctx, ref); err != nil {
			t.Error(err)
		}
	}()
	img, err := b.Host.Image(ctx, ref)
	if err != nil || img.ID != made || img.Labels["example.org/owner"] != `a "b" $c` {
		t.Errorf("%+v, %v, want %s", img, err, made)
	}
	if c := b.inspect(t, id); c.State != capsule.StateRunning || c.Paused {
		t.Errorf("the container: %+v", c)
	}
	cfg := b.config("other", b.Sleep...)
	cfg.Image = ref
	other = b.running(t, cfg)
	if got := b.read(t, other, "/note.txt"); got != "committed" {
		t.Errorf("what the image has is %q", got)
	}
	if c := b.inspect(t, other); c.Identity != cfg.Identity {
		t.Errorf("%+v, want %+v", c.Identity, cfg.Identity)
	}
	_, err = b.Host.Commit(ctx, id, "NOT A REFERENCE", nil)
	is(t, "no reference", err, errdefs.ErrInvalidArgument)
}
