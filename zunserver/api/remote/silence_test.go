package remote_test

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc/test/bufconn"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/api/remote"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Four hours in which nobody says a word are not the end of a session: no deadline of the server, of the protocols or of
// client-go's SPDY is. The hours are those of a bubble, the server is the product's own; what is not in a bubble, the
// connection to the engine, has neither deadlines nor pings.
func TestHoursOfSilence(t *testing.T) {
	for _, attach := range []bool{false, true} {
		for name, join := range map[string]func(*testing.T, *bufconn.Listener) io.ReadWriteCloser{"SPDY": joinSPDY, "WebSocket": joinWebSocket} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					conns := bufconn.Listen(1 << 10) // waiting for a kernel's would keep a bubble's time from passing
					ended := make(chan error, 1)
					server := api.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						o := remote.Options{Stdin: true, Stdout: true, Attach: attach}
						remote.Serve(w, r, o, func(_ context.Context, s capsule.Session) (int, error) {
							_, err := io.Copy(s.Stdout, s.Stdin)
							ended <- err
							return 0, err
						})
					}))
					go func() { _ = server.Serve(conns) }()
					defer server.Close()
					session := join(t, conns)
					defer session.Close()
					answers := bufio.NewReader(session)
					for _, word := range []string{"at once\n", "after hours\n"} {
						if _, err := io.WriteString(session, word); err != nil {
							t.Fatalf("saying %q: %v", word, err)
						}
						if echo, err := answers.ReadString('\n'); echo != word || err != nil {
							t.Fatalf("%q, %v; want %q", echo, err, word)
						}
						time.Sleep(remote.IdleTimeout - time.Second)
						select {
						case err := <-ended:
							t.Fatalf("the session ended in silence after %q: %v", word, err)
						default:
						}
					}
				})
			})
		}
	}
}

// joinSPDY is what kubectl did until 1.30 and does where a proxy bears no WebSocket, with its pings.
func joinSPDY(t *testing.T, conns *bufconn.Listener) io.ReadWriteCloser {
	t.Helper()
	rt, err := spdy.NewRoundTripperWithConfig(spdy.RoundTripperConfig{
		PingPeriod: 5 * time.Second, UpgradeTransport: &http.Transport{DialContext: dial(conns)}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := remotecommand.NewSPDYExecutorForTransports(rt, rt, http.MethodPost, &url.URL{Scheme: "http", Host: "node", Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	go func() {
		err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdin: stdin, Stdout: stdout})
		_ = stdout.CloseWithError(cmp.Or(err, io.EOF))
	}()
	return both{out, in, in}
}

// joinWebSocket is a client that does not ping either: client-go's does, and dials for itself.
func joinWebSocket(t *testing.T, conns *bufconn.Listener) io.ReadWriteCloser {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: dial(conns), Subprotocols: []string{"v5.channel.k8s.io"}}
	conn, resp, err := dialer.DialContext(t.Context(), "ws://node/", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return &channels{conn}
}

// channels carries stdin (0) and stdout (1) of v5.channel.k8s.io.
type channels struct{ *websocket.Conn }

func (c *channels) Write(p []byte) (int, error) {
	return len(p), c.WriteMessage(websocket.BinaryMessage, append([]byte{0}, p...))
}

func (c *channels) Read(p []byte) (int, error) {
	for {
		_, frame, err := c.ReadMessage()
		if err != nil {
			return 0, err
		}
		if len(frame) > 1 && frame[0] == 1 {
			return copy(p, frame[1:]), nil
		}
	}
}

type both struct {
	io.Reader
	io.Writer
	io.Closer
}

func dial(conns *bufconn.Listener) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return conns.DialContext(ctx) }
}
