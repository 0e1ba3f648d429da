// Package streams joins this process with what runs in capsules: commands, attachments, logs, ports, and files.
//
// Sessions speak the remote-command protocol of Kubernetes over SPDY, through the transport that all requests take, so that sockets,
// certificates and proxies are configured once (2026-11-26; before, a WebSocket with a configuration of its own).
package streams

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/klog/v2"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/provider/zun"
)

// Session is what a command or an attachment is joined with.
type Session struct {
	In       io.Reader // nil: no input
	Out, Err io.Writer
	TTY      bool
}

// Run leads a session until its end: path is that of the API below /v1, params are the API's beside those of the streams. A command
// that fails is an ExitError with its code.
func (s *Session) Run(ctx context.Context, api *zun.Client, params url.Values, path ...string) error {
	action := path[len(path)-1]
	options := remotecommand.StreamOptions{Stdin: s.In, Stdout: s.Out, Tty: s.TTY}
	params.Set("stdout", "true")
	if s.In != nil {
		params.Set("stdin", "true")
	}
	if s.TTY {
		params.Set("tty", "true")
	} else {
		options.Stderr = s.Err
		params.Set("stderr", "true")
	}
	target, carrier, upgrader, err := upgrade(api, params, path...)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	klog.LogToStderr(false) // the library complains about connections that it has closed itself
	klog.SetOutput(io.Discard)
	executor, err := remotecommand.NewSPDYExecutorForTransports(carrier, upgrader, http.MethodPost, target)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	if fd := int(os.Stdin.Fd()); s.TTY && s.In != nil && term.IsTerminal(fd) {
		before, err := term.MakeRaw(fd)
		if err != nil {
			return fmt.Errorf("prepare the terminal: %w", err)
		}
		defer term.Restore(fd, before) //nolint:errcheck // nobody is left to be told
		sizes := newSizes(ctx, fd)
		defer sizes.stop()
		options.TerminalSizeQueue = sizes
	}
	err = executor.StreamWithContext(ctx, options)
	var exit interface{ ExitStatus() int }
	if errors.As(err, &exit) {
		return &client.ExitError{Code: exit.ExitStatus()}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}

// upgrade is how a session begins: its URL, and what carries the request and makes a session of the answer.
func upgrade(api *zun.Client, params url.Values, path ...string) (*url.URL, http.RoundTripper, *spdy.SpdyRoundTripper, error) {
	target, transport, token, err := api.Upgrade(params, path...)
	if err != nil {
		return nil, nil, nil, err
	}
	cfg := spdy.RoundTripperConfig{PingPeriod: pingPeriod}
	if own, ok := transport.(*http.Transport); ok && own.Proxy != nil {
		cfg.TLS, cfg.Proxier = own.TLSClientConfig, own.Proxy
	} else {
		cfg.UpgradeTransport = transport // a socket, or a connection in memory
	}
	upgrader, err := spdy.NewRoundTripperWithConfig(cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	return target, identified{upgrader, token}, upgrader, nil
}

// pingPeriod keeps what is on the way from forgetting a session in which nothing is said.
const pingPeriod = 30 * time.Second

// identified says who asks.
type identified struct {
	next  http.RoundTripper
	token string
}

// RoundTrip implements http.RoundTripper.
func (i identified) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if i.token != "" {
		r.Header.Set("X-Auth-Token", i.token)
	}
	return i.next.RoundTrip(r)
}

// sizes tells the size of a terminal, at first and whenever it changes.
type sizes struct {
	ctx     context.Context
	fd      int
	changes chan os.Signal
}

func newSizes(ctx context.Context, fd int) *sizes {
	s := &sizes{ctx, fd, make(chan os.Signal, 1)}
	signal.Notify(s.changes, syscall.SIGWINCH)
	s.changes <- syscall.SIGWINCH
	return s
}

func (s *sizes) stop() { signal.Stop(s.changes); close(s.changes) }

// Next implements remotecommand.TerminalSizeQueue.
func (s *sizes) Next() *remotecommand.TerminalSize {
	select {
	case _, ok := <-s.changes:
		if width, height, err := term.GetSize(s.fd); ok && err == nil {
			return &remotecommand.TerminalSize{Width: uint16(width), Height: uint16(height)} //nolint:gosec // the kernel has 16 bits
		}
	case <-s.ctx.Done():
	}
	return nil
}
