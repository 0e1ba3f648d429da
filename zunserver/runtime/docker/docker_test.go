package docker_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

const patience = 30 * time.Second

// endpoint is the engine under test: the default one, unless CAPSULET_TEST_DOCKER names another or says "skip".
func endpoint(t *testing.T) string {
	t.Helper()
	e := os.Getenv("CAPSULET_TEST_DOCKER")
	if e == "skip" {
		t.Skip("CAPSULET_TEST_DOCKER=skip")
	}
	if !strings.Contains(e, "://") {
		return docker.DefaultEndpoint
	}
	return e
}

func open(t *testing.T, instance string) *docker.Host {
	t.Helper()
	h, err := docker.Open(t.Context(), docker.Config{Endpoint: endpoint(t), Instance: instance})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestSuite(t *testing.T) {
	if _, err := runtimetest.BuildImage(t.Context(), open(t, "test-suite")); err != nil {
		t.Fatal(err)
	}
	runtimetest.Run(t, func(t *testing.T) runtimetest.Subject {
		return runtimetest.Testprog(runtimetest.Subject{
			Host: open(t, "test-suite"), Instance: "test-suite",
			Other: open(t, "test-suite-other"), OtherInstance: "test-suite-other",
			// A registry that nobody runs: refused, or not there.
			Missing:   "127.0.0.1:1/capsulet/missing:1",
			MissingIs: []error{errdefs.ErrUnavailable, errdefs.ErrNotFound},
			Engine:    true,
		})
	})
}

// standing is the configuration of a container of the test program, for which a sandbox runs.
func standing(t *testing.T, h *docker.Host, instance string) (app runtime.ContainerConfig) {
	t.Helper()
	if _, err := runtimetest.BuildImage(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	sandbox, app := capsuleOn(t, h, instance)
	run(t, h, sandbox)
	return app
}

// capsuleOn makes the configurations of a sandbox and a container, and cleans up after them.
func capsuleOn(t *testing.T, h *docker.Host, instance string) (sandbox, app runtime.ContainerConfig) {
	t.Helper()
	id := runtime.Identity{Instance: instance, Capsule: uuid.NewString(), CapsuleName: "test"}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		list, err := h.List(ctx, id.Capsule)
		if err != nil {
			t.Errorf("clean up: %v", err)
		}
		for _, c := range list {
			if err := h.Remove(ctx, c.ID); err != nil {
				t.Errorf("clean up: %v", err)
			}
		}
	})
	sandbox = runtime.ContainerConfig{Name: "capsulet-sandbox_test_" + id.Capsule + "_0", Identity: id, Network: "none"}
	id.Container = "app"
	app = runtime.ContainerConfig{
		Name: "capsulet_app_test_" + id.Capsule + "_0", Identity: id, Sandbox: sandbox.Name,
		Image: runtimetest.ImageRef, Command: []string{runtimetest.Program, "sleep"},
	}
	return sandbox, app
}

func run(t *testing.T, h *docker.Host, cfg runtime.ContainerConfig) string {
	t.Helper()
	id, err := h.Create(deadline(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(deadline(t), id); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSandboxStopsQuickly(t *testing.T) {
	h := open(t, "test-sandbox")
	sandbox, _ := capsuleOn(t, h, "test-sandbox")
	id := run(t, h, sandbox)
	began := time.Now()
	if err := h.Stop(deadline(t), id, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	c, err := h.Inspect(deadline(t), id)
	if err != nil || c.ExitCode != 0 || c.State != capsule.StateExited {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestSandboxReapsOrphans(t *testing.T) {
	h := open(t, "test-sandbox")
	if _, err := runtimetest.BuildImage(deadline(t), h); err != nil {
		t.Fatal(err)
	}
	sandbox, app := capsuleOn(t, h, "test-sandbox")
	app.SharePID = true
	run(t, h, sandbox)
	id := run(t, h, app)
	for range 3 {
		code, err := h.Exec(deadline(t), id, runtime.ExecConfig{Command: []string{runtimetest.Program, "orphan"}})
		if err != nil || code != 0 {
			t.Fatalf("%d, %v", code, err)
		}
	}
	// The orphans end after 100 ms; a zombie would stay for ever.
	time.Sleep(300 * time.Millisecond)
	var out strings.Builder
	code, err := h.Exec(deadline(t), id, runtime.ExecConfig{Command: []string{runtimetest.Program, "zombies"}, Stdout: &out})
	if err != nil || code != 0 || out.String() != "0\n" {
		t.Errorf("%d, %v, %s zombies", code, err, out.String())
	}
}

func TestSandboxImageComesBack(t *testing.T) {
	h := open(t, "test-sandbox")
	ref, err := h.EnsureSandboxImage(deadline(t), false)
	if err != nil {
		t.Fatal(err)
	}
	// Another test of this machine may use it at this moment.
	if err := h.RemoveImage(deadline(t), ref); err != nil && !errdefs.IsFailedPrecondition(err) {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if again, err := h.EnsureSandboxImage(deadline(t), false); err != nil || again != ref {
				t.Errorf("%s, %v", again, err)
			}
		})
	}
	wg.Wait()
	if err := h.RemoveImage(deadline(t), ref); err != nil && !errdefs.IsFailedPrecondition(err) {
		t.Fatal(err)
	}
	sandbox, _ := capsuleOn(t, h, "test-sandbox")
	run(t, h, sandbox)
}

func TestNegativeOOMScore(t *testing.T) {
	h := open(t, "test-oom")
	sandbox, _ := capsuleOn(t, h, "test-oom")
	score := -998
	sandbox.OOMScoreAdj = &score
	run(t, h, sandbox) // whether or not the machine permits it
}

func TestOOM(t *testing.T) {
	h := open(t, "test-oom")
	if _, err := runtimetest.BuildImage(deadline(t), h); err != nil {
		t.Fatal(err)
	}
	sandbox, app := capsuleOn(t, h, "test-oom")
	run(t, h, sandbox)
	app.Command = []string{runtimetest.Program, "alloc", "64"}
	app.Resources = runtime.Resources{MemoryBytes: 16 << 20, MemorySwapBytes: 16 << 20}
	events, err := h.Events(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	id := run(t, h, app)
	for {
		c, err := h.Inspect(deadline(t), id)
		if err != nil {
			t.Fatal(err)
		}
		if c.State == capsule.StateExited {
			if !c.OOM || c.ExitCode != 137 {
				t.Errorf("%+v", c)
			}
			return
		}
		if _, ok := <-events; !ok {
			t.Fatal("the event stream broke")
		}
	}
}

func TestDeadEngine(t *testing.T) {
	h, err := docker.Open(t.Context(), docker.Config{Endpoint: "unix://" + t.TempDir() + "/none.sock", Instance: "x"})
	if err != nil {
		t.Fatal(err)
	}
	_, infoErr := h.Info(t.Context())
	_, listErr := h.List(t.Context(), "")
	_, eventsErr := h.Events(t.Context())
	_, createErr := h.Create(t.Context(), runtime.ContainerConfig{Name: "x", Identity: runtime.Identity{Capsule: "y"}})
	for what, err := range map[string]error{
		"info": infoErr, "list": listErr, "events": eventsErr, "create": createErr,
		"remove": h.Remove(t.Context(), "x"),
	} {
		if !errdefs.IsUnavailable(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestOpenRefusesBadConfig(t *testing.T) {
	good := func() docker.Config {
		return docker.Config{Endpoint: "tcp://127.0.0.1:2375", Instance: "x"}
	}
	tests := map[string]func(*docker.Config){
		"no instance":      func(c *docker.Config) { c.Instance = "" },
		"unknown scheme":   func(c *docker.Config) { c.Endpoint = "gopher://x" },
		"no scheme":        func(c *docker.Config) { c.Endpoint = "/var/run/docker.sock" },
		"no address":       func(c *docker.Config) { c.Endpoint = "tcp://" },
		"no such TLS file": func(c *docker.Config) { c.TLS = &docker.TLS{CAFile: "/no/such", CertFile: "/no", KeyFile: "/no"} },
		"TLS on a socket": func(c *docker.Config) {
			c.Endpoint, c.TLS = "unix:///x", &docker.TLS{CAFile: "/no/such"}
		},
	}
	if _, err := docker.Open(t.Context(), good()); err != nil {
		t.Fatal(err)
	}
	for name, mutate := range tests {
		cfg := good()
		mutate(&cfg)
		if _, err := docker.Open(t.Context(), cfg); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUpdateTakesEffect(t *testing.T) {
	h := open(t, "test-update")
	if _, err := runtimetest.BuildImage(deadline(t), h); err != nil {
		t.Fatal(err)
	}
	info, err := h.Info(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	memory, cpu := "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"
	if info.CgroupVersion == "2" {
		memory, cpu = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max"
	}
	sandbox, app := capsuleOn(t, h, "test-update")
	run(t, h, sandbox)
	app.Resources = runtime.Resources{MemoryBytes: 64 << 20, MemorySwapBytes: 64 << 20, CPUQuotaMicros: 10000}
	id := run(t, h, app)
	read := func(file string) string {
		t.Helper()
		var out strings.Builder
		code, err := h.Exec(deadline(t), id, runtime.ExecConfig{Command: []string{runtimetest.Program, "cat", file}, Stdout: &out})
		if err != nil || code != 0 {
			t.Fatalf("%s: %d, %v", file, code, err)
		}
		return strings.Fields(out.String())[0]
	}
	for _, tt := range []struct {
		r           runtime.Resources
		memory, cpu []string // any of them
	}{
		{runtime.Resources{MemoryBytes: 128 << 20, MemorySwapBytes: 128 << 20, CPUQuotaMicros: 50000}, []string{"134217728"}, []string{"50000"}},
		{runtime.Resources{MemoryBytes: 96 << 20, MemorySwapBytes: 96 << 20}, []string{"100663296"}, []string{"-1", "max"}},
		{runtime.Resources{MemoryBytes: 160 << 20}, []string{"167772160"}, []string{"-1", "max"}},
		{runtime.Resources{}, []string{"9223372036854771712", "max"}, []string{"-1", "max"}},
	} {
		if err := h.Update(deadline(t), id, tt.r); err != nil {
			t.Fatalf("%+v: %v", tt.r, err)
		}
		if m, c := read(memory), read(cpu); !slices.Contains(tt.memory, m) || !slices.Contains(tt.cpu, c) {
			t.Errorf("%+v: memory %s, CPU %s", tt.r, m, c)
		}
	}
}
