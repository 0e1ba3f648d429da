package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/inside"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

const (
	// idleAfter is how long a program in a sandbox is kept that carries no connection: longer than the usual period of
	// probes.
	idleAfter = 30 * time.Second
	// starts is how many such programs are started at a time: a command in a container costs the engine 50 ms of CPU.
	starts = 4
	// startTimeout is how long a program may take to be there.
	startTimeout = 15 * time.Second
)

// Execer runs commands in containers; it is a part of [runtime.Streams].
type Execer interface {
	Exec(ctx context.Context, id string, cfg runtime.ExecConfig) (exitCode int, err error)
}

// Far is for hosts whose network is out of reach: a program in the sandbox dials, for as long as somebody needs it. Make it
// with NewFar.
type Far struct {
	host  Execer
	slots chan struct{}
	idle  time.Duration

	mu       sync.Mutex
	sessions map[string]*session // by sandbox
}

var _ Dialer = (*Far)(nil)

// session is one program, or the way to it.
type session struct {
	ready chan struct{} // closed when conn or err is set
	conn  *inside.Session
	err   error
}

// NewFar returns the dialer of a far host.
func NewFar(host Execer) *Far {
	return &Far{host: host, slots: make(chan struct{}, starts), idle: idleAfter, sessions: map[string]*session{}}
}

// Dial implements Dialer.
func (f *Far) Dial(ctx context.Context, t Target, port int32) (net.Conn, error) {
	addresses := local(port)
	if t.Address != "" {
		addresses = append(addresses, net.JoinHostPort(t.Address, strconv.Itoa(int(port))))
	}
	conn, err := f.dial(ctx, t, addresses...)
	if err != nil {
		return nil, fmt.Errorf("connect to port %d in the capsule: %w", port, err)
	}
	return conn, nil
}

// DialAddress implements Dialer; the address is seen from inside the capsule.
func (f *Far) DialAddress(ctx context.Context, t Target, address string) (net.Conn, error) {
	return f.dial(ctx, t, address)
}

func (f *Far) dial(ctx context.Context, t Target, addresses ...string) (net.Conn, error) {
	if t.ID == "" {
		return nil, fmt.Errorf("the sandbox of the capsule does not run: %w", errdefs.ErrUnavailable)
	}
	s, err := f.session(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	conn, err := s.Dial(ctx, addresses...)
	if err != nil && s.Ended() { // just then
		if s, err = f.session(ctx, t.ID); err != nil {
			return nil, err
		}
		conn, err = s.Dial(ctx, addresses...)
	}
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w: %w", err, errdefs.ErrUnavailable)
	}
	return conn, err
}

// session returns the session with a sandbox, begun if there is none. One that fails to begin fails for all who wait.
func (f *Far) session(ctx context.Context, sandbox string) (*inside.Session, error) {
	f.mu.Lock()
	s := f.sessions[sandbox]
	if s == nil || s.over() {
		s = &session{ready: make(chan struct{})}
		f.sessions[sandbox] = s
		go f.run(context.WithoutCancel(ctx), sandbox, s)
	}
	f.mu.Unlock()
	select {
	case <-s.ready:
		return s.conn, s.err
	case <-ctx.Done():
		return nil, fmt.Errorf("starting a program in the sandbox: %w", ctx.Err())
	}
}

// over says whether it is of no use any more, though run may not have put it away yet.
func (s *session) over() bool {
	select {
	case <-s.ready:
		return s.err != nil || s.conn.Ended()
	default:
		return false
	}
}

// run keeps a program going in the sandbox until nobody has needed it for a while, or it ends.
func (f *Far) run(ctx context.Context, sandbox string, s *session) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, input := io.Pipe()
	output, out := io.Pipe()
	failed := &head{}
	ended := make(chan error, 1)
	f.slots <- struct{}{}
	go func() {
		code, err := f.host.Exec(ctx, sandbox, runtime.ExecConfig{
			Command: []string{inside.Path, "dial"}, Stdin: in, Stdout: out, Stderr: failed,
		})
		if err == nil && code != 0 {
			err = fmt.Errorf("it ended with %d: %s", code, failed)
		}
		_ = in.Close()
		_ = out.CloseWithError(err)
		ended <- err
	}()
	conn, err := inside.NewSession(output, input, func() error { return errors.Join(input.Close(), output.Close()) })
	if err == nil {
		err = ping(conn, ended)
	}
	<-f.slots
	if err != nil {
		err = fmt.Errorf("starting a program in the sandbox: %w: %w", err, errdefs.ErrUnavailable)
	}
	s.conn, s.err = conn, err
	close(s.ready)
	if err == nil {
		f.attend(conn)
	}
	f.mu.Lock()
	if f.sessions[sandbox] == s {
		delete(f.sessions, sandbox)
	}
	f.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
}

// ping returns when the program answers.
func ping(conn *inside.Session, ended <-chan error) error {
	answered := make(chan error, 1)
	go func() { answered <- conn.Ping() }()
	select {
	case err := <-answered:
		return err
	case err := <-ended:
		return errors.Join(err, errors.New("it ended at once"))
	case <-time.After(startTimeout):
		return errors.New("it does not answer")
	}
}

// attend returns when a session has ended, or has carried nothing for a while.
func (f *Far) attend(conn *inside.Session) {
	tick := time.NewTicker(f.idle / 4)
	defer tick.Stop()
	used := time.Now()
	for {
		select {
		case <-conn.Done():
			return
		case now := <-tick.C:
			if conn.Used() {
				used = now
			} else if now.Sub(used) >= f.idle {
				return
			}
		}
	}
}

// head keeps the beginning of what a program says of its failure.
type head struct {
	mu   sync.Mutex
	text []byte
}

func (h *head) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, b[:min(len(b), 1000-len(h.text))]...)
	return len(b), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.text)
}
