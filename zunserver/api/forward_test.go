package api_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/containerd/errdefs"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// forwarded opens a local port that leads to port 80 of the capsule.
func (w *world) forwarded(how string) (address string) {
	w.Helper()
	u, err := url.Parse(w.url + "/v1/capsules/c/portforward")
	if err != nil {
		w.Fatal(err)
	}
	transport, upgrader, err := spdy.RoundTripperFor(w.client())
	if err != nil {
		w.Fatal(err)
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", u)
	if how == "WebSocket" {
		if dialer, err = portforward.NewSPDYOverWebsocketDialer(u, w.client()); err != nil {
			w.Fatal(err)
		}
	}
	stop, ready := make(chan struct{}), make(chan struct{})
	f, err := portforward.New(dialer, []string{"0:80"}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		w.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		defer close(done)
		done <- f.ForwardPorts()
	}()
	w.Cleanup(func() {
		close(stop)
		<-done //nolint:errcheck // it was stopped
	})
	select {
	case <-ready:
	case err := <-done:
		w.Fatalf("%s: %v", how, err)
	}
	ports, err := f.GetPorts()
	if err != nil {
		w.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local)
}

func TestPortForward(t *testing.T) {
	w := newWorld(t)
	w.running(nil)
	var lc net.ListenConfig
	server, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go func() { // answers when the other side has said everything
				defer conn.Close()
				b, _ := io.ReadAll(conn)
				_, _ = conn.Write(append([]byte("you said "), b...))
			}()
		}
	}()
	w.dial = func(ctx context.Context, port int32) (net.Conn, error) {
		if port != 80 {
			return nil, fmt.Errorf("nothing listens: %w", errdefs.ErrUnavailable)
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Addr().String())
	}
	for _, how := range []string{"SPDY", "WebSocket"} {
		address := w.forwarded(how)
		var open []net.Conn
		for range 5 { // at once
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
		for i, conn := range open {
			if _, err := fmt.Fprintf(conn, "hello %d", i); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(conn); err != nil || string(b) != fmt.Sprintf("you said hello %d", i) {
				t.Errorf("%s: %q, %v", how, b, err)
			}
			_ = conn.Close()
		}
	}
}
