package docker_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

// processes are the command lines of a container's processes, seen on this machine.
func processes(t *testing.T, container string) (lines []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range all {
		groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil || !strings.Contains(string(groups), container) {
			continue // it has ended meanwhile, or is another's
		}
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		lines = append(lines, strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " "))
	}
	return lines
}

// started tells when a command has printed something.
type started chan struct{}

func (s started) Write(b []byte) (int, error) {
	select {
	case s <- struct{}{}:
	default:
	}
	return len(b), nil
}

// refusing is a reader that is gone.
type refusing struct{}

var errGone = errors.New("nobody reads")

func (refusing) Write([]byte) (int, error) { return 0, errGone }

// A command whose caller is gone does not live on: with a terminal or without, silent or not, however deaf it is.
func TestExecHangUp(t *testing.T) {
	for name, open := range map[string]func(*testing.T, string) *docker.Host{"near": open, "far": far} {
		t.Run(name, func(t *testing.T) { testHangUp(t, open(t, "test-hangup")) })
	}
}

func testHangUp(t *testing.T, h *docker.Host) {
	app := standing(t, h, "test-hangup")
	id := run(t, h, app)
	for name, c := range map[string]struct {
		command string
		tty     bool
	}{
		"one that SIGHUP ends":     {"sleep", false},
		"one with a terminal":      {"sleep", true},
		"one that ignores signals": {"ignore-term", false},
	} {
		ctx, cancel := context.WithCancel(deadline(t))
		out := make(started, 1)
		done := make(chan error, 1)
		go func() {
			_, err := h.Exec(ctx, id, runtime.ExecConfig{Command: []string{runtimetest.Program, c.command}, TTY: c.tty, Stdout: out})
			done <- err
		}()
		select {
		case <-out:
		case err := <-done:
			t.Fatalf("%s: %v", name, err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		alone(t, name, id)
	}
	if _, err := h.Exec(deadline(t), id, runtime.ExecConfig{Command: []string{runtimetest.Program, "sleep"}, Stdout: refusing{}}); err == nil {
		t.Errorf("a reader that is gone: %v", err)
	}
	alone(t, "a reader that is gone", id)
}

// Where a log is kept is known, so that what it takes of the disk can be seen.
func TestLogPath(t *testing.T) {
	h := open(t, "test-logpath")
	app := standing(t, h, "test-logpath")
	c, err := h.Inspect(deadline(t), run(t, h, app))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.LogPath); err != nil {
		t.Errorf("the log file: %v", err)
	}
}

// alone waits until the container has its main process and no other.
func alone(t *testing.T, name, container string) {
	t.Helper()
	limit := time.After(patience)
	for {
		lines := processes(t, container)
		if len(lines) == 1 {
			return
		}
		select {
		case <-limit:
			t.Fatalf("%s: it lives on: %q", name, lines)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
