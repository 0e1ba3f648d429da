package remote

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// Forwarder joins one stream with a port until both are through; see [Join]. The text of an error is told to the caller.
type Forwarder func(ctx context.Context, port int32, stream io.ReadWriteCloser) error

// NeedsPorts says whether the protocol of the request names the ports in the request; the others name them later.
func NeedsPorts(r *http.Request) bool {
	return wsstream.IsWebSocketRequest(r) && !wsstream.IsWebSocketRequestWithTunnelingProtocol(r)
}

// Ports is what a forwarding needs to know.
type Ports struct {
	// Name and UID of the capsule are for messages.
	Name, UID string
	// Ports are those that the request names.
	Ports []int32
	// IdleTimeout ends a connection on which nothing is said; 0 is [IdleTimeout].
	IdleTimeout time.Duration
}

// Forward answers a request that upgrades its connection, and returns when the caller has hung up.
func Forward(w http.ResponseWriter, r *http.Request, p Ports, forward Forwarder) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	w, r = &leaving{ResponseWriter: w, left: cancel}, r.WithContext(ctx)
	serve := func(w http.ResponseWriter, r *http.Request) {
		portforward.ServePortForward(w, r, forwarder{ctx, forward}, p.Name, p.UID, &portforward.V4Options{Ports: p.Ports},
			cmp.Or(p.IdleTimeout, IdleTimeout), remotecommand.DefaultStreamCreationTimeout, portforward.SupportedProtocols)
	}
	if wsstream.IsWebSocketRequestWithTunnelingProtocol(r) {
		serveTunnel(w, r, serve) //nolint:contextcheck // forwarder carries it
		return
	}
	serve(w, r)
}

// forwarder is a Forwarder as the library calls it: with a context that has no end.
type forwarder struct {
	session context.Context
	forward Forwarder
}

// PortForward implements portforward.PortForwarder.
func (f forwarder) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	err := f.forward(f.session, port, stream) //nolint:contextcheck // the one of the session ends
	if f.session.Err() != nil {
		return nil //nolint:nilerr // nobody is there any more
	}
	return err
}

// halfClosedFor is how long a connection goes on of which the client has said its last word (containerd: 1 s). A client
// whose own peer is gone (client-go's port-forward) says no more than that, and drops what comes.
const halfClosedFor = 10 * time.Minute

// Join copies in both directions until both have ended, or ctx. The end of one direction is passed on while the other
// goes on, where conn can be closed for writing alone; it does so for halfClosedFor after the last word of the client, and
// not when the stream was reset. It closes both. A peer that is gone without a word is an end.
func Join(ctx context.Context, stream, conn io.ReadWriteCloser) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close() // both directions are over
	in := make(chan struct{})
	go func() {
		defer close(in)
		_, err := io.Copy(conn, stream)
		if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
			_ = half.CloseWrite() // the other side may be gone already
			go abandon(ctx, stream, cancel)
		} else {
			_ = conn.Close()
		}
	}()
	_, err := io.Copy(stream, conn)
	_ = stream.Close() // what is closed already has nothing to be told
	if err == nil {
		select {
		case <-in:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) {
		return nil //nolint:nilerr // nobody is there any more
	}
	return err
}

// abandon calls cancel when a stream, of which all has been read, is reset or too old, unless ctx ends before. SPDY tells a
// reader of a reset what it tells it of an end, and a writer nothing.
func abandon(ctx context.Context, stream io.Reader, cancel context.CancelFunc) {
	const look = time.Second
	s, _ := stream.(interface{ IsFinished() bool }) // of spdystream: reset, or closed by this side
	t := time.NewTicker(look)
	defer t.Stop()
	for left := halfClosedFor; left > 0 && (s == nil || !s.IsFinished()); left -= look {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
	cancel()
}
