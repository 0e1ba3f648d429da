package api_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/tools/remotecommand"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	// through is how much goes through a stream, bound how much of it may be on the way: sockets of both sides, nothing more.
	through = 48 << 20
	bound   = 24 << 20
	piece   = 32 << 10
)

// account is of bytes that one side has let go and the other has taken.
type account struct{ sent, taken atomic.Int64 }

// write writes until w does not take more or all went through.
func (a *account) write(w io.Writer) error {
	b := make([]byte, piece)
	for a.sent.Load() < through {
		n, err := w.Write(b)
		a.sent.Add(int64(n))
		if err != nil {
			return err
		}
	}
	return nil
}

// sender is the same as a reader.
type sender struct{ *account }

func (s sender) Read(b []byte) (int, error) {
	if s.sent.Load() >= through {
		return 0, io.EOF
	}
	s.sent.Add(int64(len(b)))
	return len(b), nil
}

// taker takes bytes and looks at how many are on the way then.
type taker struct {
	*account
	t    *testing.T
	what string
}

func (k taker) Write(b []byte) (int, error) {
	if k.taken.Load() == 0 { // what would pile up does so now
		time.Sleep(200 * time.Millisecond)
	}
	if n := k.sent.Load() - k.taken.Load(); n > bound {
		k.t.Errorf("%s: %d bytes are on the way", k.what, n)
		return 0, io.ErrShortWrite
	}
	k.taken.Add(int64(len(b)))
	return len(b), nil
}

// Whoever reads more slowly than the other side writes holds it up: nothing piles up in between, whatever goes through.
func TestNothingPilesUp(t *testing.T) {
	w := newWorld(t)
	w.running(nil)
	all := func(what string, a *account, err error) {
		t.Helper()
		if err != nil || a.taken.Load() < through {
			t.Errorf("%s: %d bytes, %v", what, a.taken.Load(), err)
		}
	}

	var log account
	w.log = func(stdout, _ io.Writer) error { return log.write(stdout) }
	resp := w.do("GET", "/v1/capsules/c/logs", "")
	_, err := io.Copy(taker{&log, t, "log"}, resp.Body)
	all("log", &log, err)

	for name, e := range w.executors("/v1/capsules/c/exec", url.Values{"command": {"x"}, "stdin": {"1"}, "stdout": {"1"}}) {
		var out, in account
		w.exec = func(_ context.Context, s capsule.Session) (int, error) {
			if err := out.write(s.Stdout); err != nil {
				return 0, err
			}
			_, err := io.Copy(taker{&in, t, "input over " + name}, s.Stdin)
			return 0, err
		}
		err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdin: sender{&in}, Stdout: taker{&out, t, "output over " + name}})
		all("output over "+name, &out, err)
		all("input over "+name, &in, err)
	}

	for _, how := range []string{"SPDY", "WebSocket"} {
		var down account
		w.dial = func(context.Context, int32) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				_ = down.write(theirs)
				_ = theirs.Close()
			}()
			return ours, nil
		}
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.forwarded(how))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(taker{&down, t, "port over " + how}, conn)
		_ = conn.Close()
		all("port over "+how, &down, err)
	}
}
