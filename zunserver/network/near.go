package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// Near is for hosts that share this process' kernel.
type Near struct{}

var _ Dialer = Near{}

// DialAddress implements Dialer: the addresses of capsules are this machine's neighbours.
func (Near) DialAddress(ctx context.Context, _ Target, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// Dial connects to a TCP port inside the capsule: on its localhost, IPv4 before IPv6, then on its address. Unavailable:
// nothing listens there. The connection can be closed for writing alone.
func (Near) Dial(ctx context.Context, t Target, port int32) (net.Conn, error) {
	to := strconv.Itoa(int(port))
	conn, err := within(t, func() (net.Conn, error) {
		conn, err := dial(ctx, "127.0.0.1", to)
		if err != nil {
			var err6 error
			if conn, err6 = dial(ctx, "::1", to); err6 == nil {
				return conn, nil
			}
		}
		return conn, err
	})
	if err == nil {
		return conn, nil
	}
	if t.Address != "" && ctx.Err() == nil {
		conn, other := dial(ctx, t.Address, to)
		if other == nil {
			return conn, nil
		}
		err = fmt.Errorf("%w; %w", err, other)
	}
	return nil, fmt.Errorf("connect to port %d in the capsule: %w: %w", port, err, errdefs.ErrUnavailable)
}

func dial(ctx context.Context, host, port string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
}

// within calls open on a thread that is in the network namespace of the sandbox. A literal address is dialled by the
// goroutine itself, so the socket is made on that thread; a socket stays in the namespace that it was made in. The
// thread is not used again: it ends with its goroutine.
func within(t Target, open func() (net.Conn, error)) (net.Conn, error) {
	ns, err := namespace(t)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, fmt.Errorf("enter the network namespace of the capsule: %w", err)}
			return
		}
		conn, err := open()
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// namespace opens the network namespace of the sandbox.
func namespace(t Target) (*os.File, error) {
	if t.Pid <= 0 {
		return nil, fmt.Errorf("the sandbox of the capsule does not run: %w", errdefs.ErrUnavailable)
	}
	proc := "/proc/" + strconv.Itoa(t.Pid)
	ns, err := os.Open(proc + "/ns/net")
	if err != nil {
		return nil, fmt.Errorf("find the network namespace of the capsule: %w", err)
	}
	groups, err := os.ReadFile(proc + "/cgroup")
	if err != nil || !strings.Contains(string(groups), t.ID) {
		_ = ns.Close()
		return nil, fmt.Errorf("process %d is not the sandbox of the capsule as this process sees it: %w", t.Pid, errdefs.ErrUnavailable)
	}
	return ns, nil
}
