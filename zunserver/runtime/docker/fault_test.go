package docker_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/test/engine"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

// An engine that dies is not the end of what is read from it: that is an error, and a log that is followed out of its files goes
// on until the container is seen to have ended.
func TestStreamsOfAnEngineThatDies(t *testing.T) {
	endpoint(t) // skips where there is to be no engine
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
	host := func(near bool) *docker.Host {
		h, err := docker.Open(t.Context(), docker.Config{Endpoint: e.Endpoint, Instance: "test-death", Near: &near})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		return h
	}
	near, far := host(true), host(false)
	if _, err := runtimetest.BuildImage(t.Context(), near); err != nil {
		t.Fatal(err)
	}
	sandbox, app := capsuleOn(t, near, "test-death")
	run(t, near, sandbox)
	id := run(t, near, app)
	follow := func(h *docker.Host) <-chan error {
		out, done := make(started, 1), make(chan error, 1)
		go func() { done <- h.Logs(t.Context(), id, capsule.LogOptions{Follow: true, Tail: -1}, out, io.Discard) }()
		select {
		case <-out:
		case err := <-done:
			t.Fatal(err)
		}
		return done
	}
	ofFiles, ofAPI := follow(near), follow(far)
	attached := make(chan error, 1)
	go func() { attached <- near.Attach(t.Context(), id, capsule.Session{Stdout: io.Discard}) }()
	command := make(chan error, 1)
	out := make(started, 1)
	go func() {
		_, err := near.Exec(t.Context(), id, runtime.ExecConfig{Command: []string{runtimetest.Program, "sleep"}, Stdout: out})
		command <- err
	}()
	<-out // a command has begun, so the attachment before it has, too
	if err := e.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, done := range map[string]<-chan error{"a log through the API": ofAPI, "an attachment": attached, "a command": command} {
		if err := <-done; !errors.Is(err, errdefs.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	select {
	case err := <-ofFiles:
		t.Errorf("out of the files, while the container runs: %v", err)
	default:
	}
	if err := e.Run(t.Context()); err != nil { // which ends what it finds running
		t.Fatal(err)
	}
	select {
	case err := <-ofFiles:
		if err != nil {
			t.Errorf("out of the files, after the end of the container: %v", err)
		}
	case <-time.After(patience):
		t.Error("out of the files it does not end")
	}
}
