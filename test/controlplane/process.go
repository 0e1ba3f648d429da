package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/capsulet/capsulet/test/child"
)

// pause waits a moment between two looks at something that tells nobody when it changes.
func pause(ctx context.Context) error {
	t := time.NewTimer(50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// spawn starts a program with its output appended to a log file and returns its process id. Unless detached, the
// program dies with this process.
func spawn(path string, args []string, logFile string, detached bool) (int, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("open the log of %s: %w", filepath.Base(path), err)
	}
	defer out.Close()
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	// A session of its own either way: an interrupt typed at the terminal must reach the starter only, which then
	// stops the parts in their order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !detached {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if _, err := child.Start(cmd); err != nil { // whether it lives is read from /proc, as for a process of another starter
		return 0, fmt.Errorf("start %s: %w", filepath.Base(path), err)
	}
	return cmd.Process.Pid, nil
}

// ours says whether pid is alive, runs the program at path and has dir in its arguments: process ids are recycled.
func ours(pid int, path, dir string) bool {
	if pid <= 0 {
		return false
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	exe, err := os.Readlink(filepath.Join(proc, "exe"))
	if err != nil || strings.TrimSuffix(exe, " (deleted)") != path {
		return false
	}
	// A zombie has no exe; no arguments means that the kernel has not finished the exec.
	for range 1000 {
		args, err := os.ReadFile(filepath.Join(proc, "cmdline"))
		if err != nil || len(args) > 0 {
			return err == nil && bytes.Contains(args, []byte(dir))
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// end stops one process: TERM, and KILL when it has not gone after grace.
func end(ctx context.Context, pid int, path, dir string, grace time.Duration) error {
	deadline := time.Now().Add(grace)
	sig := syscall.SIGTERM
	for ours(pid, path, dir) {
		if sig == syscall.SIGTERM || time.Now().After(deadline) {
			if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("signal %s (process %d): %w", filepath.Base(path), pid, err)
			}
			sig = syscall.SIGKILL
		}
		if err := pause(ctx); err != nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return fmt.Errorf("wait for the end of %s (process %d): %w", filepath.Base(path), pid, err)
		}
	}
	return nil
}

func logTail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	return lastLines(b, 15)
}

func lastLines(b []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
