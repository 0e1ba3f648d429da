package remote_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	spdyclient "k8s.io/client-go/transport/spdy"

	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/api/remote"
)

// port is the other end of a forwarding: it says its words, then nothing until it is closed.
type port struct {
	net.Conn
	halved chan struct{}
}

func (p *port) CloseWrite() error { close(p.halved); return nil }

// A client whose own peer is gone ends what is behind that one connection of a forwarding, and the others go on, whether
// the port speaks on for ever or is silent. It resets the stream, or has said its last word before, and then SPDY sends no
// reset: a half-closed connection goes on for minutes, and no longer.
func TestForwardsAreNotAbandoned(t *testing.T) {
	for name, speak := range map[string]func(io.Writer){
		"who is silent": func(io.Writer) {},
		"who speaks on": func(w io.Writer) {
			for _, err := w.Write([]byte("word")); err == nil; _, err = w.Write([]byte("word")) {
				time.Sleep(time.Second)
			}
		},
	} {
		for how, leave := range map[string]struct {
			do    func(httpstream.Stream) error
			lives time.Duration
		}{
			"reset":       {httpstream.Stream.Reset, 0},
			"half-closed": {httpstream.Stream.Close, 9 * time.Minute},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, far := net.Pipe()
					joined := &port{near, make(chan struct{})}
					ended := make(chan error, 1)
					data := forwarding(t, func(ctx context.Context, _ int32, stream io.ReadWriteCloser) error {
						err := remote.Join(ctx, stream, joined)
						ended <- err
						return err
					})
					spoken := make(chan struct{})
					go func() { defer close(spoken); speak(far) }()
					go func() { _, _ = io.Copy(io.Discard, data) }()
					if err := leave.do(data); err != nil {
						t.Fatal(err)
					}
					<-joined.halved
					at := time.Now()
					select {
					case err := <-ended:
						if err != nil {
							t.Errorf("it ended with %v", err)
						}
					case <-time.After(time.Hour):
						_ = joined.Close()
						t.Error("it goes on with nobody there")
					}
					if took := time.Since(at); took < leave.lives || took > leave.lives+2*time.Minute {
						t.Errorf("it ended after %s", took)
					}
					<-spoken
					if _, err := far.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
						t.Errorf("the port is open still: %v", err)
					}
				})
			})
		}
	}
}

// forwarding opens one connection to a port through the product's own server and returns its data stream.
func forwarding(t *testing.T, f remote.Forwarder) httpstream.Stream {
	t.Helper()
	conns := bufconn.Listen(1 << 10)
	server := api.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		remote.Forward(w, r, remote.Ports{Name: "web", UID: "u"}, f)
	}))
	go func() { _ = server.Serve(conns) }()
	t.Cleanup(func() { _ = server.Close() })
	rt, err := spdy.NewRoundTripperWithConfig(spdy.RoundTripperConfig{UpgradeTransport: &http.Transport{DialContext: dial(conns)}})
	if err != nil {
		t.Fatal(err)
	}
	dialer := spdyclient.NewDialer(rt, &http.Client{Transport: rt}, http.MethodPost, &url.URL{Scheme: "http", Host: "node", Path: "/"})
	conn, _, err := dialer.Dial("portforward.k8s.io")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var data httpstream.Stream
	for _, kind := range []string{corev1.StreamTypeError, corev1.StreamTypeData} {
		headers := http.Header{}
		headers.Set(corev1.StreamType, kind)
		headers.Set(corev1.PortHeader, "80")
		headers.Set(corev1.PortForwardRequestIDHeader, "1")
		if data, err = conn.CreateStream(headers); err != nil {
			t.Fatal(err)
		}
	}
	return data
}
