package runtimetest

import (
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

func testInstances(t *testing.T, b *bench) {
	ctx := b.context(t)
	events, err := b.Other.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id := b.sandbox(t)
	list, err := b.Other.List(ctx, b.capsule)
	if err != nil || len(list) != 0 {
		t.Errorf("the other instance sees %v, %v", list, err)
	}
	_, err = b.Other.Inspect(ctx, id)
	is(t, "inspect", err, errdefs.ErrNotFound)
	is(t, "start", b.Other.Start(ctx, id), errdefs.ErrNotFound)
	is(t, "stop", b.Other.Stop(ctx, id, 0), errdefs.ErrNotFound)
	if err := b.Other.Remove(ctx, id); err != nil {
		t.Errorf("remove: %v", err)
	}
	if c := b.inspect(t, id); c.State != capsule.StateRunning {
		t.Errorf("the other instance touched it: %+v", c)
	}
	// Its own container is the first that it hears of.
	own := b.sandboxConfig()
	own.Name += "_other"
	own.Identity.Instance = b.OtherInstance
	mine, err := b.Other.Create(ctx, own)
	if err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case e := <-events:
			if e.ID == id {
				t.Fatalf("the other instance hears %+v", e)
			}
			if e.ID == mine {
				return
			}
		case <-ctx.Done():
			t.Fatal("no event of its own")
		}
	}
}

func testNotFound(t *testing.T, b *bench) {
	ctx := b.context(t)
	const id = "capsulet_no-such-container"
	_, err := b.Host.Inspect(ctx, id)
	is(t, "inspect", err, errdefs.ErrNotFound)
	is(t, "start", b.Host.Start(ctx, id), errdefs.ErrNotFound)
	is(t, "stop", b.Host.Stop(ctx, id, time.Second), errdefs.ErrNotFound)
	is(t, "restart", b.Host.Restart(ctx, id), errdefs.ErrNotFound)
	is(t, "pause", b.Host.Pause(ctx, id), errdefs.ErrNotFound)
	is(t, "unpause", b.Host.Unpause(ctx, id), errdefs.ErrNotFound)
	is(t, "kill", b.Host.Kill(ctx, id, "TERM"), errdefs.ErrNotFound)
	_, err = b.Host.Processes(ctx, id, nil)
	is(t, "processes", err, errdefs.ErrNotFound)
	_, err = b.Host.Commit(ctx, id, "capsulet/suite:none", nil)
	is(t, "commit", err, errdefs.ErrNotFound)
	is(t, "update", b.Host.Update(ctx, id, runtime.Resources{}), errdefs.ErrNotFound)
	is(t, "logs", b.Host.Logs(ctx, id, capsule.LogOptions{Tail: -1}, nil, nil), errdefs.ErrNotFound)
	_, err = b.Host.Exec(ctx, id, runtime.ExecConfig{Command: b.Sleep})
	is(t, "exec", err, errdefs.ErrNotFound)
	_, _, err = b.Host.CopyFrom(ctx, id, "/")
	is(t, "copy from", err, errdefs.ErrNotFound)
	is(t, "copy to", b.Host.CopyTo(ctx, id, "/", tarOf(t, "x", "y")), errdefs.ErrNotFound)
	if err := b.Host.Remove(ctx, id); err != nil {
		t.Errorf("remove: %v", err)
	}
}
