package engine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespaces are a network and a mount namespace, kept alive by the open files.
type namespaces struct{ net, mnt *os.File }

// newNamespaces makes both on a thread that ends with it.
func newNamespaces() (*namespaces, error) {
	type result struct {
		ns  *namespaces
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: a thread in another namespace must not run other goroutines
		ns, err := unshare()
		done <- result{ns, err}
	}()
	r := <-done
	return r.ns, r.err
}

func unshare() (*namespaces, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("make namespaces (are you root?): %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("make mounts private: %w", err)
	}
	net, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	mnt, err := os.Open("/proc/thread-self/ns/mnt")
	if err != nil {
		return nil, errors.Join(err, net.Close())
	}
	return &namespaces{net, mnt}, nil
}

func (n *namespaces) close() error { return errors.Join(n.net.Close(), n.mnt.Close()) }

// path names the network namespace for other programs, as long as this process lives.
func (n *namespaces) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.net.Fd()) }

// start starts cmd inside; the program dies with this process. The returned channel is closed when it has ended.
func (n *namespaces) start(cmd *exec.Cmd) (<-chan struct{}, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		// Pdeathsig follows the forking thread, so the thread stays until the program has ended.
		runtime.LockOSThread()
		err := n.enter()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	return ended, <-started
}

// enter moves the calling thread.
func (n *namespaces) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // a thread that shares its root cannot change mount namespaces
		return fmt.Errorf("unshare file system attributes: %w", err)
	}
	if err := unix.Setns(int(n.mnt.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the mount namespace: %w", err)
	}
	if err := unix.Setns(int(n.net.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	return nil
}

// run runs a short command inside and waits for it.
func (n *namespaces) run(args ...string) error {
	var out strings.Builder
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	ended, err := n.start(cmd)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	<-ended
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %s: %s", strings.Join(args, " "), cmd.ProcessState, out.String())
	}
	return nil
}

// outside runs a short command where this process is.
func outside(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
