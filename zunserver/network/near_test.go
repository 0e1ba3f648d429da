package network_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/network"
)

// listenInside opens a port on the localhost of a network namespace of its own and returns that of the namespace's process.
func listenInside(t *testing.T) (pid int, port int32) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	opened := make(chan any, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		opened <- func() any {
			ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid))
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			if err := up("lo"); err != nil {
				return err
			}
			l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at the end
			if err != nil {
				return err
			}
			return l
		}()
	}()
	l, ok := (<-opened).(net.Listener)
	if !ok {
		t.Skip("cannot make a network namespace with a listener here")
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("inside"))
			_ = c.Close()
		}
	}()
	return cmd.Process.Pid, int32(l.Addr().(*net.TCPAddr).Port)
}

// up brings an interface of this thread's network namespace up.
func up(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

// cgroup is a word that names the process' cgroup, as a container's ID does.
func cgroup(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b[strings.LastIndex(strings.TrimSpace(string(b)), "/"):]))
}

func TestNear(t *testing.T) {
	pid, port := listenInside(t)
	inside := network.Target{ID: cgroup(t, pid), Pid: pid}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 20 {
		conn, err := network.Near{}.Dial(ctx, inside, port)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 6)
		if _, err := conn.Read(b); err != nil || string(b) != "inside" {
			t.Fatalf("%q, %v", b, err)
		}
		_ = conn.Close()
	}
	if _, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
		t.Error("a thread of this process stayed inside")
	}
	for name, target := range map[string]network.Target{
		"nothing listens":    inside,
		"another's process":  {ID: "not-in-its-cgroup", Pid: pid},
		"no process":         {ID: "x"},
		"process that ended": {ID: "x", Pid: 1 << 30},
	} {
		p := port
		if name == "nothing listens" {
			p = 1
		}
		if conn, err := (network.Near{}).Dial(ctx, target, p); !errdefs.IsUnavailable(err) {
			t.Errorf("%s: %v, %v", name, conn, err)
		}
	}
}
