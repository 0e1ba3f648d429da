package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Remove ends everything and removes every trace. It is safe to call twice and on an engine in any state.
func (e *Engine) Remove(ctx context.Context) error {
	var errs []error
	// KILL, not TERM: stopping containers gently is a waste on the way out, and a paused dockerd would not hear it.
	errs = append(errs, e.dockerd.signal(ctx, syscall.SIGKILL))
	errs = append(errs, e.sweepProcesses())
	errs = append(errs, e.containerd.signal(ctx, syscall.SIGKILL))
	if e.ns != nil {
		errs = append(errs, e.ns.close())
		e.ns = nil
	}
	errs = append(errs, e.sweep())
	if e.unlock != nil {
		e.unlock()
		e.unlock = nil
	}
	return errors.Join(errs...)
}

// sweep removes what an engine of this number has outside its namespaces.
func (e *Engine) sweep() error {
	return errors.Join(
		e.sweepProcesses(),
		e.net.down(),
		e.sweepCgroups(),
		removeAll(e.run),
		removeAll(e.data),
	)
}

// removeAll retries: a mount of a namespace that just lost its last process is busy for a moment.
func removeAll(dir string) error {
	var err error
	for range 40 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// sweepProcesses kills this number's shims, the processes in its cgroups, and file system helpers. Nothing else can
// match: the paths contain the number, which is ours by the lock.
func (e *Engine) sweepProcesses() error {
	for range 200 {
		pids, err := e.leftovers()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill leftover process %d: %w", pid, err)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("processes of engine %d survive KILL", e.net.n)
}

func (e *Engine) leftovers() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	own := map[int]bool{os.Getpid(): true}
	for _, d := range []*daemon{e.containerd, e.dockerd} { // ended by signal, which also reaps them
		if d.alive() {
			own[d.cmd.Process.Pid] = true
		}
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || own[pid] {
			continue
		}
		if e.owns(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// owns says whether a process runs in this engine's cgroup or is a shim or a mount helper of it.
func (e *Engine) owns(pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	args, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil || len(args) == 0 { // gone, or a zombie
		return false
	}
	cgroups, err := os.ReadFile(filepath.Join(proc, "cgroup"))
	if err != nil {
		return false
	}
	if bytes.Contains(cgroups, []byte("/"+e.cgroup()+"/")) {
		return true
	}
	exe, err := os.Readlink(filepath.Join(proc, "exe"))
	if err != nil {
		return false
	}
	name := filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
	ours := bytes.Contains(args, []byte(e.run+"/")) || bytes.Contains(args, []byte(e.data+"/"))
	switch name {
	case "containerd", "dockerd", "docker-proxy", "fuse-overlayfs":
		return ours
	default:
		return ours && strings.HasPrefix(name, "containerd-shim")
	}
}

// sweepCgroups removes the directories of ended containers, the deepest first, in every hierarchy.
func (e *Engine) sweepCgroups() error {
	roots, err := filepath.Glob("/sys/fs/cgroup/*/" + e.cgroup())
	if err != nil {
		return err
	}
	roots = append(roots, "/sys/fs/cgroup/"+e.cgroup()) // cgroup v2 alone
	var errs []error
	for _, root := range roots {
		var dirs []string
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		errs = append(errs, err)
		for i := len(dirs) - 1; i >= 0; i-- {
			errs = append(errs, rmdir(dirs[i]))
		}
	}
	return errors.Join(errs...)
}

// rmdir waits for the kernel to let go of processes that were just killed.
func rmdir(dir string) error {
	for range 50 {
		err := syscall.Rmdir(dir)
		if err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("remove %s: still busy", dir)
}
