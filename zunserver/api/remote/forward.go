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

// Join copies in both directions until both have ended, or ctx. The end of one direction is passed on while the other
// goes on, where conn can be closed for writing alone. It closes both. A peer that is gone without a word is an end.
func Join(ctx context.Context, stream, conn io.ReadWriteCloser) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close() // both directions are over
	in := make(chan struct{})
	go func() {
		defer close(in)
		_, err := io.Copy(conn, stream)
		if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
			_ = half.CloseWrite() // the other side may be gone already
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
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
