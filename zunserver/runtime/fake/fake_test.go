package fake_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

const uuid = "3f0a9f3c-6f0e-4f5b-9a59-0d4ad6a4a001"

// pair makes a running sandbox and a created container called app in it.
func pair(t *testing.T, h *fake.Host) (sandbox, id string) {
	t.Helper()
	sandbox, err := h.Create(t.Context(), runtime.ContainerConfig{
		Name: "sandbox-app", Identity: runtime.Identity{Capsule: uuid, CapsuleName: "c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	id, err = h.Create(t.Context(), runtime.ContainerConfig{
		Name: "app", Identity: runtime.Identity{Capsule: uuid, Container: "app"}, Image: "app", Sandbox: sandbox,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context(), sandbox); err != nil {
		t.Fatal(err)
	}
	return sandbox, id
}

func TestBehaviour(t *testing.T) {
	tests := map[string]struct {
		b     fake.Behaviour
		start bool // whether the start succeeds
		code  int
		oom   bool
	}{
		"exit":          {fake.Behaviour{Exits: true, After: time.Millisecond, Code: 3}, true, 3, false},
		"oom":           {fake.Behaviour{Exits: true, OOM: true}, true, 137, true},
		"refused":       {fake.Behaviour{StartError: "exec: not found"}, false, 127, false},
		"not runnable":  {fake.Behaviour{StartError: "permission denied", StartCode: 126}, false, 126, false},
		"stop code":     {fake.Behaviour{StopAfter: time.Millisecond, StopCode: 143}, true, 143, false},
		"ignores TERM":  {fake.Behaviour{IgnoreTERM: true}, true, 137, false},
		"slow to stop":  {fake.Behaviour{StopAfter: time.Hour}, true, 137, false},
		"stops at once": {fake.Behaviour{}, true, 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := fake.New(fake.Config{})
			h.AddImage("app", tt.b)
			_, id := pair(t, h)
			if err := h.Start(t.Context(), id); (err == nil) != tt.start {
				t.Fatalf("Start: %v", err)
			}
			if !tt.b.Exits {
				if err := h.Stop(t.Context(), id, 20*time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
			c := ended(t, h, id)
			if c.ExitCode != tt.code || c.OOM != tt.oom || c.Error != tt.b.StartError {
				t.Errorf("code %d, OOM %v, error %q", c.ExitCode, c.OOM, c.Error)
			}
		})
	}
}

func ended(t *testing.T, h *fake.Host, id string) runtime.Container {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	events, err := h.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for {
		c, err := h.Inspect(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if c.State == capsule.StateExited {
			return c
		}
		<-events
	}
}

func TestPartition(t *testing.T) {
	h := fake.New(fake.Config{})
	h.AddImage("app", fake.Behaviour{IgnoreTERM: true})
	_, id := pair(t, h)
	if err := h.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	events, err := h.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error)
	go func() { stopped <- h.Stop(t.Context(), id, time.Hour) }()
	h.Partition(true)
	if err := <-stopped; !errdefs.IsUnavailable(err) {
		t.Errorf("a running Stop: %v", err)
	}
	for range events {
		t.Error("an event during a partition")
	}
	if _, err := h.Info(t.Context()); !errdefs.IsUnavailable(err) {
		t.Errorf("Info: %v", err)
	}
	if !slices.Contains(h.Running(), "app") {
		t.Error("the container does not go on")
	}
	h.Partition(false)
	if _, err := h.Info(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRestartStopsEverything(t *testing.T) {
	h := fake.New(fake.Config{})
	h.AddImage("app", fake.Behaviour{})
	sandbox, id := pair(t, h)
	if err := h.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	h.Reboot()
	for _, id := range []string{sandbox, id} {
		c, err := h.Inspect(t.Context(), id)
		if err != nil || c.State != capsule.StateExited || c.ExitCode != 137 || len(c.Addresses) != 0 {
			t.Errorf("%+v, %v", c, err)
		}
	}
}

func TestHooks(t *testing.T) {
	h := fake.New(fake.Config{})
	h.AddImage("app", fake.Behaviour{})
	_, id := pair(t, h)
	boom := errors.New("boom")
	hook := func(op, name string) error {
		if op == "start" && name == "app" {
			return boom
		}
		return nil
	}
	h.SetFault(hook)
	if err := h.Start(t.Context(), id); !errors.Is(err, boom) {
		t.Errorf("fault: %v", err)
	}
	if h.StartCounts()["app"] != 0 {
		t.Error("a fault did the work")
	}
	h.SetFault(nil)
	h.SetLostAnswer(hook)
	if err := h.Start(t.Context(), id); !errors.Is(err, boom) {
		t.Errorf("lost answer: %v", err)
	}
	if h.StartCounts()["app"] != 1 {
		t.Error("a lost answer did not do the work")
	}
	h.SetDelay(func(string, string) time.Duration { return time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Start(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("delay: %v", err)
	}
	var last string
	for _, c := range h.Calls() {
		last = c.String()
	}
	if last != "start app: context canceled" {
		t.Errorf("last call %q", last)
	}
}

func TestViolations(t *testing.T) {
	h := fake.New(fake.Config{})
	h.AddImage("app", fake.Behaviour{})
	sandbox, id := pair(t, h)
	if err := h.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if v := h.Violations(); len(v) != 0 {
		t.Fatalf("violations of a good life: %v", v)
	}
	twin, err := h.Create(t.Context(), runtime.ContainerConfig{
		Name: "twin", Identity: runtime.Identity{Capsule: uuid, Container: "app", Attempt: 1}, Image: "app", Sandbox: sandbox,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context(), twin); err != nil {
		t.Fatal(err)
	}
	if v := h.Violations(); len(v) != 1 {
		t.Errorf("two live instances: %v", v)
	}
	if !h.RemoveByHand("app") || !h.Crash("twin", 1) || h.Crash("twin", 1) {
		t.Error("the hand of the test")
	}
	again, err := h.Create(t.Context(), runtime.ContainerConfig{
		Name: "app", Identity: runtime.Identity{Capsule: uuid, Container: "app"}, Image: "app", Sandbox: sandbox,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if v := h.Violations(); len(v) != 2 {
		t.Errorf("one name twice: %v", v)
	}
}

func TestPull(t *testing.T) {
	h := fake.New(fake.Config{})
	h.Add(fake.Image{Ref: "private/app:1", Remote: true, Username: "u", Password: "p", PullDelay: time.Millisecond})
	if _, err := h.Image(t.Context(), "private/app:1"); !errdefs.IsNotFound(err) {
		t.Errorf("before: %v", err)
	}
	if _, err := h.Pull(t.Context(), "private/app:1", nil, nil); !errdefs.IsPermissionDenied(err) {
		t.Errorf("without credentials: %v", err)
	}
	if _, err := h.Pull(t.Context(), "private/app:1", &runtime.RegistryAuth{Username: "u", Password: "p"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Image(t.Context(), "docker.io/private/app:1"); err != nil {
		t.Errorf("after: %v", err)
	}
	if _, err := h.Pull(t.Context(), "UPPER", nil, nil); !errdefs.IsInvalidArgument(err) {
		t.Errorf("no reference: %v", err)
	}
}
