package inside

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// session is a running dial and both of its ends; ended is closed when the program has.
func session(t *testing.T) (s *Session, ended <-chan struct{}) {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if code := (Env{}).Run(context.WithoutCancel(t.Context()), []string{"dial"}, inR, outW, io.Discard); code != 0 {
			t.Errorf("the program ended with %d", code)
		}
	}()
	s, err := NewSession(outR, inW, func() error { return errors.Join(inW.Close(), outR.Close()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, done
}

// listen serves each connection with serve and returns the address.
func listen(t *testing.T, serve func(*net.TCPConn)) string {
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
			go serve(c.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestDialTriesAddressesInOrderAndCanBeHalfClosed(t *testing.T) {
	s, _ := session(t)
	upper := listen(t, func(c *net.TCPConn) {
		b, _ := io.ReadAll(c) // until the other side says that no more comes
		_, _ = c.Write([]byte(strings.ToUpper(string(b))))
		_ = c.Close()
	})
	conn, err := s.Dial(deadline(t), closed(t), upper)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(conn); err != nil || string(b) != "HELLO" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestDialSaysWhatFailed(t *testing.T) {
	s, _ := session(t)
	a, b := closed(t), closed(t)
	_, err := s.Dial(deadline(t), a, b)
	if err == nil || !strings.Contains(err.Error(), a) || !strings.Contains(err.Error(), b) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
	if _, err := s.Dial(deadline(t)); err == nil {
		t.Error("there was no address")
	}
}

func TestCloseEndsTheConnectionInTheCapsule(t *testing.T) {
	s, _ := session(t)
	lost := make(chan error, 1)
	address := listen(t, func(c *net.TCPConn) {
		// It writes until it cannot: half of a close would not stop it.
		for {
			if _, err := c.Write(make([]byte, 1000)); err != nil {
				lost <- err
				return
			}
		}
	})
	conn, err := s.Dial(deadline(t), address)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lost: //nolint:errcheck // the end is awaited, whatever it is called
	case <-deadline(t).Done():
		t.Error("the connection goes on")
	}
}

func TestDeadlineAndCancel(t *testing.T) {
	s, _ := session(t)
	silent := listen(t, func(*net.TCPConn) {})
	conn, err := s.Dial(deadline(t), silent)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Dial(ctx, silent); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestTheProgramEndsWithItsInput(t *testing.T) {
	s, ended := session(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-deadline(t).Done():
		t.Error("it goes on")
	}
}
