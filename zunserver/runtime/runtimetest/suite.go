package runtimetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Subject is what the suite tests.
type Subject struct {
	// Host sees the containers of Instance.
	Host     runtime.Host
	Instance string
	// Other is the same engine seen by another instance.
	Other         runtime.Host
	OtherInstance string

	// Image is a local image whose containers behave as testprog does. The commands below are whole command lines.
	Image string
	// Sleep runs until its stop signal and ends with 0 then, once it has printed a line.
	Sleep []string
	// IgnoreTERM ends on SIGKILL only, once it has printed a line.
	IgnoreTERM []string
	// Bad is a program that the image does not have.
	Bad []string
	// Cat prints its input, and ends with it.
	Cat []string
	// Exit ends with a code, Print prints lines to stdout and ends with 0, PrintErr to stderr.
	Exit     func(code int) []string
	Print    func(lines ...string) []string
	PrintErr func(lines ...string) []string

	// Missing is the reference of an image that no registry has; pulling it fails with a class of MissingIs.
	Missing   string
	MissingIs []error

	// Engine: it is a real one, with networks and file systems.
	Engine bool
}

// Testprog fills in the image and the commands for a host that BuildImage was done on, or that behaves as if.
func Testprog(s Subject) Subject {
	with := func(command string) func(args ...string) []string {
		return func(args ...string) []string { return append([]string{Program, command}, args...) }
	}
	s.Image = ImageRef
	s.Sleep, s.IgnoreTERM = []string{Program, "sleep"}, []string{Program, "ignore-term"}
	s.Bad, s.Cat = []string{"/no-such-program"}, []string{Program, "cat"}
	s.Exit = func(code int) []string { return with("exit")(itoa(code)) }
	s.Print, s.PrintErr = with("print"), with("print-err")
	return s
}

// patience is how long the suite waits for what must happen.
const patience = 30 * time.Second

// Run runs the suite. newHost is called for each test.
func Run(t *testing.T, newHost func(t *testing.T) Subject) {
	tests := []struct {
		name string
		run  func(*testing.T, *bench)
	}{
		{"Info", testInfo},
		{"CreateIsIdempotent", testCreateIsIdempotent},
		{"CreateConcurrently", testCreateConcurrently},
		{"CreateNeedsSandbox", testCreateNeedsSandbox},
		{"CreateNeedsImage", testCreateNeedsImage},
		{"CreateRefusesForeignInstance", testCreateRefusesForeignInstance},
		{"Lifecycle", testLifecycle},
		{"StartNeedsRunningSandbox", testStartNeedsRunningSandbox},
		{"StartOnce", testStartOnce},
		{"ExitCodes", testExitCodes},
		{"BadCommand", testBadCommand},
		{"StopKillsAfterGrace", testStopKillsAfterGrace},
		{"StopAtOnce", testStopAtOnce},
		{"StopWhatDoesNotRun", testStopWhatDoesNotRun},
		{"Remove", testRemove},
		{"List", testList},
		{"Instances", testInstances},
		{"NotFound", testNotFound},
		{"Update", testUpdate},
		{"Events", testEvents},
		{"EventsEndWithContext", testEventsEndWithContext},
		{"Logs", testLogs},
		{"LogsBytes", testLogsBytes},
		{"LogsFollow", testLogsFollow},
		{"LogsRotated", testLogsRotated},
		{"Exec", testExec},
		{"Attach", testAttach},
		{"Copy", testCopy},
		{"Restart", testRestart},
		{"RestartAfterItsSandbox", testRestartAfterItsSandbox},
		{"RestartRefused", testRestartRefused},
		{"Pause", testPause},
		{"Kill", testKill},
		{"Processes", testProcesses},
		{"Commit", testCommit},
		{"Volumes", testVolumes},
		{"Stats", testStats},
		{"Images", testImages},
		{"Pull", testPull},
		{"Context", testContext},
		{"SharedNetwork", testSharedNetwork},
		{"Networks", testNetworks},
		{"SandboxInNetworks", testSandboxInNetworks},
		{"Identity", testIdentity},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, newBench(t, newHost(t))) })
	}
}

// bench is a subject with a capsule of its own for one test.
type bench struct {
	Subject
	capsule string
}

func newBench(t *testing.T, s Subject) *bench {
	t.Helper()
	b := &bench{Subject: s, capsule: uuid.NewString()}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		for _, h := range []runtime.Host{s.Host, s.Other} {
			list, err := h.List(ctx, b.capsule)
			if err != nil {
				t.Errorf("clean up: %v", err)
			}
			for _, c := range list {
				if err := h.Remove(ctx, c.ID); err != nil {
					t.Errorf("clean up: %v", err)
				}
			}
		}
	})
	return b
}

// context is the test's own with a deadline.
func (b *bench) context(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (b *bench) identity(container string) runtime.Identity {
	return runtime.Identity{
		Instance: b.Instance, Capsule: b.capsule, CapsuleName: "suite", Container: container,
	}
}

func (b *bench) sandboxConfig() runtime.ContainerConfig {
	return runtime.ContainerConfig{
		Name: "capsulet-sandbox_suite_" + b.capsule + "_0", Identity: b.identity(""), Network: "none",
	}
}

func (b *bench) config(container string, command ...string) runtime.ContainerConfig {
	return runtime.ContainerConfig{
		Name: "capsulet_" + container + "_suite_" + b.capsule + "_0", Identity: b.identity(container),
		Image: b.Image, Command: command, Sandbox: b.sandboxConfig().Name,
	}
}

// sandbox makes a running sandbox and returns its ID.
func (b *bench) sandbox(t *testing.T) string {
	t.Helper()
	return b.running(t, b.sandboxConfig())
}

func (b *bench) created(t *testing.T, cfg runtime.ContainerConfig) string {
	t.Helper()
	id, err := b.Host.Create(b.context(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (b *bench) running(t *testing.T, cfg runtime.ContainerConfig) string {
	t.Helper()
	id := b.created(t, cfg)
	if err := b.Host.Start(b.context(t), id); err != nil {
		t.Fatal(err)
	}
	return id
}

func (b *bench) inspect(t *testing.T, id string) runtime.Container {
	t.Helper()
	c, err := b.Host.Inspect(b.context(t), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ended waits for the end of a container by event, and looks each second all the same.
func (b *bench) ended(t *testing.T, id string) runtime.Container {
	t.Helper()
	ctx := b.context(t)
	events, err := b.Host.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for {
		c := b.inspect(t, id)
		if c.State == capsule.StateExited {
			return c
		}
		select {
		case <-events:
		case <-time.After(time.Second):
		case <-ctx.Done():
			t.Fatalf("container %s does not end: %+v", id, c)
		}
	}
}
