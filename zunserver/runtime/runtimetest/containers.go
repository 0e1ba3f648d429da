package runtimetest

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

func itoa(n int) string { return strconv.Itoa(n) }

// is fails the test unless err is of the class.
func is(t *testing.T, what string, err, class error) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Errorf("%s: %v, want the class %v", what, err, class)
	}
}

func testInfo(t *testing.T, b *bench) {
	i, err := b.Host.Info(b.context(t))
	if err != nil {
		t.Fatal(err)
	}
	if i.ID == "" || i.Name == "" || i.CPUs < 1 || i.MemoryBytes < 1 || i.Architecture == "" || i.OSType != "linux" ||
		i.EngineName == "" || i.EngineVersion == "" || len(i.Runtimes) == 0 || i.CgroupVersion == "" {
		t.Errorf("something is missing in %+v", i)
	}
	again, err := b.Host.Info(b.context(t))
	if err != nil || again.ID != i.ID {
		t.Errorf("another identity: %s, %s, %v", i.ID, again.ID, err)
	}
}

func testCreateIsIdempotent(t *testing.T, b *bench) {
	id := b.created(t, b.sandboxConfig())
	_, err := b.Host.Create(b.context(t), b.sandboxConfig())
	is(t, "the same name again", err, errdefs.ErrAlreadyExists)
	if c := b.inspect(t, b.sandboxConfig().Name); c.ID != id || c.State != capsule.StateCreated {
		t.Errorf("by name: %+v, want %s", c, id)
	}
}

func testCreateConcurrently(t *testing.T, b *bench) {
	ctx := b.context(t)
	b.created(t, b.sandboxConfig())
	var made, taken int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := b.Host.Create(ctx, b.config("app", b.Sleep...))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made++
			case errdefs.IsAlreadyExists(err):
				taken++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made != 1 || taken != 3 {
		t.Errorf("%d made, %d taken", made, taken)
	}
}

func testCreateNeedsSandbox(t *testing.T, b *bench) {
	_, err := b.Host.Create(b.context(t), b.config("app", b.Sleep...))
	is(t, "without a sandbox", err, errdefs.ErrFailedPrecondition)
	b.created(t, b.sandboxConfig())
	b.created(t, b.config("app", b.Sleep...)) // which need not run
}

func testCreateNeedsImage(t *testing.T, b *bench) {
	b.created(t, b.sandboxConfig())
	cfg := b.config("app", b.Sleep...)
	cfg.Image = b.Missing
	_, err := b.Host.Create(b.context(t), cfg)
	is(t, "without the image", err, errdefs.ErrNotFound)
}

func testCreateRefusesForeignInstance(t *testing.T, b *bench) {
	cfg := b.sandboxConfig()
	cfg.Identity.Instance = b.OtherInstance
	_, err := b.Host.Create(b.context(t), cfg)
	is(t, "for another instance", err, errdefs.ErrInvalidArgument)
}

func testLifecycle(t *testing.T, b *bench) {
	before := time.Now().Add(-time.Minute)
	b.sandbox(t)
	cfg := b.config("app", b.Sleep...)
	id := b.created(t, cfg)

	c := b.inspect(t, id)
	if c.State != capsule.StateCreated || c.Name != cfg.Name || c.Image != b.Image || c.ImageID == "" || c.Pid != 0 {
		t.Errorf("created: %+v", c)
	}
	if c.CreatedAt.Before(before) || !c.StartedAt.IsZero() || !c.FinishedAt.IsZero() {
		t.Errorf("times of a created one: %v, %v, %v", c.CreatedAt, c.StartedAt, c.FinishedAt)
	}
	if err := b.Host.Start(b.context(t), id); err != nil {
		t.Fatal(err)
	}
	c = b.inspect(t, id)
	if c.State != capsule.StateRunning || c.Pid == 0 || c.StartedAt.Before(c.CreatedAt) || !c.FinishedAt.IsZero() {
		t.Errorf("running: %+v", c)
	}
	b.awaitLine(t, id)
	if err := b.Host.Stop(b.context(t), id, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	c = b.inspect(t, id)
	if c.State != capsule.StateExited || c.Pid != 0 || c.ExitCode != 0 || c.OOM || c.Error != "" ||
		c.FinishedAt.Before(c.StartedAt) {
		t.Errorf("stopped: %+v", c)
	}
}

func testStartNeedsRunningSandbox(t *testing.T, b *bench) {
	sandbox := b.created(t, b.sandboxConfig())
	id := b.created(t, b.config("app", b.Sleep...))
	is(t, "before the sandbox", b.Host.Start(b.context(t), id), errdefs.ErrFailedPrecondition)
	if c := b.inspect(t, id); c.State != capsule.StateCreated {
		t.Errorf("it was used up: %+v", c)
	}
	if err := b.Host.Start(b.context(t), sandbox); err != nil {
		t.Fatal(err)
	}
	if err := b.Host.Start(b.context(t), id); err != nil {
		t.Errorf("after the sandbox: %v", err)
	}
}

func testStartOnce(t *testing.T, b *bench) {
	b.sandbox(t)
	id := b.running(t, b.config("app", b.Sleep...))
	started := b.inspect(t, id).StartedAt
	if err := b.Host.Start(b.context(t), id); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	if c := b.inspect(t, id); !c.StartedAt.Equal(started) {
		t.Errorf("started again at %v", c.StartedAt)
	}
	if err := b.Host.Stop(b.context(t), id, 0); err != nil {
		t.Fatal(err)
	}
	is(t, "after its end", b.Host.Start(b.context(t), id), errdefs.ErrFailedPrecondition)
}

func testExitCodes(t *testing.T, b *bench) {
	b.sandbox(t)
	for _, code := range []int{0, 1, 42} {
		id := b.running(t, b.config("exit-"+itoa(code), b.Exit(code)...))
		c := b.ended(t, id)
		if c.ExitCode != code || c.OOM || c.Error != "" || c.FinishedAt.IsZero() {
			t.Errorf("exit %d: %+v", code, c)
		}
	}
}

func testBadCommand(t *testing.T, b *bench) {
	b.sandbox(t)
	id := b.created(t, b.config("app", b.Bad...))
	err := b.Host.Start(b.context(t), id)
	if err == nil {
		t.Fatal("it started")
	}
	for _, class := range []error{
		errdefs.ErrNotFound, errdefs.ErrAlreadyExists, errdefs.ErrInvalidArgument, errdefs.ErrUnavailable,
		errdefs.ErrFailedPrecondition,
	} {
		if errors.Is(err, class) {
			t.Errorf("%v is of the class %v", err, class)
		}
	}
	c := b.inspect(t, id)
	if c.State != capsule.StateExited || c.ExitCode != 127 || c.Error == "" || !c.StartedAt.IsZero() || c.FinishedAt.IsZero() {
		t.Errorf("after the refusal: %+v", c)
	}
	is(t, "again", b.Host.Start(b.context(t), id), errdefs.ErrFailedPrecondition)
}

func testStopKillsAfterGrace(t *testing.T, b *bench) {
	b.sandbox(t)
	id := b.running(t, b.config("app", b.IgnoreTERM...))
	b.awaitLine(t, id)
	began := time.Now()
	if err := b.Host.Stop(b.context(t), id, time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("killed after %v", took)
	}
	if c := b.inspect(t, id); c.State != capsule.StateExited || c.ExitCode != 137 || c.OOM {
		t.Errorf("%+v", c)
	}
}

func testStopAtOnce(t *testing.T, b *bench) {
	b.sandbox(t)
	id := b.running(t, b.config("app", b.Sleep...))
	if err := b.Host.Stop(b.context(t), id, 0); err != nil {
		t.Fatal(err)
	}
	if c := b.inspect(t, id); c.State != capsule.StateExited || c.ExitCode != 137 {
		t.Errorf("%+v", c)
	}
}

func testStopWhatDoesNotRun(t *testing.T, b *bench) {
	b.sandbox(t)
	id := b.created(t, b.config("app", b.Sleep...))
	for _, grace := range []time.Duration{0, time.Second} {
		if err := b.Host.Stop(b.context(t), id, grace); err != nil {
			t.Errorf("created, grace %v: %v", grace, err)
		}
	}
	exited := b.running(t, b.config("exit", b.Exit(0)...))
	b.ended(t, exited)
	if err := b.Host.Stop(b.context(t), exited, time.Second); err != nil {
		t.Errorf("exited: %v", err)
	}
	if c := b.inspect(t, id); c.State != capsule.StateCreated {
		t.Errorf("%+v", c)
	}
}

func testRemove(t *testing.T, b *bench) {
	ctx := b.context(t)
	sandbox := b.sandbox(t)
	running := b.running(t, b.config("running", b.Sleep...))
	created := b.created(t, b.config("created", b.Sleep...))
	for _, id := range []string{running, created, sandbox} {
		for range 2 {
			if err := b.Host.Remove(ctx, id); err != nil {
				t.Errorf("remove %s: %v", id, err)
			}
		}
		_, err := b.Host.Inspect(ctx, id)
		is(t, "after the removal", err, errdefs.ErrNotFound)
	}
	// The name is free again, and removing twice at once is no trouble.
	id := b.sandbox(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := b.Host.Remove(ctx, id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func testList(t *testing.T, b *bench) {
	b.sandbox(t)
	running := b.running(t, b.config("running", b.Sleep...))
	created := b.created(t, b.config("created", b.Sleep...))
	want := map[string]capsule.State{running: capsule.StateRunning, created: capsule.StateCreated}
	for round := range 2 { // the second may come out of a cache
		all, list := b.list(t, ""), b.list(t, b.capsule)
		if len(list) != 3 {
			t.Fatalf("%d containers", len(list))
		}
		for _, c := range list {
			if !slices.ContainsFunc(all, func(o runtime.Container) bool { return o.ID == c.ID }) {
				t.Errorf("%s is not in the list of all", c.Name)
			}
			b.listedAsInspected(t, c)
			if state, ok := want[c.ID]; ok && c.State != state {
				t.Errorf("round %d: %s is %s", round, c.Name, c.State)
			}
		}
		if round == 0 {
			if err := b.Host.Start(b.context(t), created); err != nil {
				t.Fatal(err)
			}
			if err := b.Host.Stop(b.context(t), running, 0); err != nil {
				t.Fatal(err)
			}
			want[created], want[running] = capsule.StateRunning, capsule.StateExited
		}
	}
	if none := b.list(t, uuid.NewString()); len(none) != 0 {
		t.Errorf("an unknown capsule: %v", none)
	}
}

func (b *bench) list(t *testing.T, of string) []runtime.Container {
	t.Helper()
	list, err := b.Host.List(b.context(t), of)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (b *bench) listedAsInspected(t *testing.T, c runtime.Container) {
	t.Helper()
	one := b.inspect(t, c.ID)
	if c.State != one.State || c.Name != one.Name || c.Pid != one.Pid || !c.StartedAt.Equal(one.StartedAt) ||
		!slices.Equal(c.Addresses, one.Addresses) || c.Identity != one.Identity {
		t.Errorf("listed %+v, inspected %+v", c, one)
	}
}

func testUpdate(t *testing.T, b *bench) {
	b.sandbox(t)
	cfg := b.config("app", b.Sleep...)
	cfg.Resources = runtime.Resources{MemoryBytes: 64 << 20, MemorySwapBytes: 64 << 20, CPUShares: 100}
	id := b.running(t, cfg)
	for _, r := range []runtime.Resources{
		{MemoryBytes: 128 << 20, MemorySwapBytes: 128 << 20, CPUShares: 200, CPUPeriodMicros: 100000, CPUQuotaMicros: 50000},
		{MemoryBytes: 96 << 20, MemorySwapBytes: 96 << 20, CPUShares: 50, PidsLimit: 100},
		{},
	} {
		if err := b.Host.Update(b.context(t), id, r); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if c := b.inspect(t, id); c.State != capsule.StateRunning {
		t.Errorf("%+v", c)
	}
}

func testIdentity(t *testing.T, b *bench) {
	b.created(t, b.sandboxConfig())
	cfg := b.config("app", b.Sleep...)
	cfg.Identity.Attempt, cfg.Identity.SandboxAttempt, cfg.Identity.Made = 7, 3, 5
	cfg.Labels = map[string]string{"example.org/x": "y", runtime.LabelCapsule: "a lie"}
	if c := b.inspect(t, b.created(t, cfg)); c.Identity != cfg.Identity {
		t.Errorf("%+v, want %+v", c.Identity, cfg.Identity)
	}
}
