package zunserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/capsulet/capsulet/zunserver/auth"
)

// LocalEndpoint is the URL of the API for Transport; nothing resolves it.
const LocalEndpoint = "http://capsulet.local"

// local is a listener in memory and the token of those who may use it.
type local struct {
	*auth.Tokens
	token string
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newLocal() (*local, error) {
	l := &local{token: rand.Text() + rand.Text(), conns: make(chan net.Conn), done: make(chan struct{})}
	id := auth.Administrator()
	var err error
	if l.Tokens, err = auth.NewTokens(map[string]auth.Identity{l.token: id}); err != nil {
		return nil, fmt.Errorf("making the token of the in-memory connection: %w", err)
	}
	return l, nil
}

// LocalToken is the administrator's token of this process alone.
func (s *Server) LocalToken() string { return s.local.token }

// Transport reaches Handler without a socket while Run runs.
func (s *Server) Transport() http.RoundTripper {
	return &http.Transport{
		DialContext: s.local.dial, MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
	}
}

// serve answers the in-memory connections until ctx ends.
func (l *local) serve(ctx context.Context, srv *http.Server) error {
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	return srv.Serve(l)
}

func (l *local) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *local) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *local) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *local) Addr() net.Addr { return memory{} }

type memory struct{}

func (memory) Network() string { return "memory" }
func (memory) String() string  { return "capsulet.local" }
