package network_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/inside"
	"github.com/capsulet/capsulet/zunserver/network"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// sandboxes runs the program of sandboxes in this process; run counts, ended tells of ends.
type sandboxes struct {
	run   atomic.Int32
	fails error
	ended chan struct{}
	cut   chan error // breaks the connection to the host
}

func (s *sandboxes) Exec(ctx context.Context, _ string, cfg runtime.ExecConfig) (int, error) {
	s.run.Add(1)
	if s.fails != nil {
		return 0, s.fails
	}
	if s.cut != nil {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go inside.Env{}.Run(ctx, cfg.Command[1:], cfg.Stdin, cfg.Stdout, cfg.Stderr)
		return 0, <-s.cut
	}
	defer func() { s.ended <- struct{}{} }()
	return inside.Env{}.Run(ctx, cfg.Command[1:], cfg.Stdin, cfg.Stdout, cfg.Stderr), nil
}

// greeter is a port on this machine that says hello.
func greeter(t *testing.T) int32 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello")
			_ = c.Close()
		}
	}()
	return int32(l.Addr().(*net.TCPAddr).Port)
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestFarDialsThroughOneProgram(t *testing.T) {
	s := &sandboxes{ended: make(chan struct{}, 1)}
	f := network.NewFarIdle(s, 200*time.Millisecond)
	port := greeter(t)
	target := network.Target{ID: "sandbox"}
	var conns []net.Conn
	for _, dial := range []func() (net.Conn, error){
		func() (net.Conn, error) { return f.Dial(patience(t), target, port) },
		func() (net.Conn, error) {
			return f.DialAddress(patience(t), target, net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
		},
	} {
		conn, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn) // an open one keeps the program
		if b, err := io.ReadAll(conn); err != nil || string(b) != "hello" {
			t.Errorf("%q, %v", b, err)
		}
	}
	if _, err := f.Dial(patience(t), target, 1); !errdefs.IsUnavailable(err) {
		t.Errorf("nothing listens: %v", err)
	}
	if n := s.run.Load(); n != 1 {
		t.Errorf("%d programs", n)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	select {
	case <-s.ended:
	case <-patience(t).Done():
		t.Fatal("nobody needs the program, and it goes on")
	}
	if conn, err := f.Dial(patience(t), target, port); err != nil {
		t.Errorf("after the end of the program: %v", err)
	} else {
		_ = conn.Close()
	}
}

// A connection breaks with that to its host, for who reads and for who writes; the next one is made anew.
func TestFarBreaksWithItsHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := int32(l.Addr().(*net.TCPAddr).Port)
	s := &sandboxes{cut: make(chan error)}
	f := network.NewFar(s)
	for i := range 2 {
		conn, err := f.Dial(patience(t), network.Target{ID: "sandbox"}, port)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		silent, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, conn)
			read <- err
		}()
		s.cut <- errors.New("connection reset")
		select {
		case <-read:
		case <-patience(t).Done():
			t.Fatal("who reads was not told")
		}
		if _, err := conn.Write([]byte("x")); err == nil {
			t.Error("who writes was not told")
		}
		_, _ = conn.Close(), silent.Close()
	}
	if n := s.run.Load(); n != 2 {
		t.Errorf("%d programs", n)
	}
}

func TestFarSaysWhyTheProgramDoesNotStart(t *testing.T) {
	lost := errors.New("no such program")
	f := network.NewFar(&sandboxes{fails: lost})
	for range 2 { // the second time it is tried again
		if _, err := f.Dial(patience(t), network.Target{ID: "sandbox"}, 80); !errors.Is(err, lost) || !errdefs.IsUnavailable(err) {
			t.Errorf("%v", err)
		}
	}
	if _, err := f.Dial(patience(t), network.Target{}, 80); !errdefs.IsUnavailable(err) {
		t.Errorf("no sandbox: %v", err)
	}
}
