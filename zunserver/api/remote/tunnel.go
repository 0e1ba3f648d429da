package remote

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/websocket"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// serveTunnel serves SPDY inside a WebSocket: each side's bytes are binary messages, cut as it likes.
func serveTunnel(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	const protocol = portforward.WebsocketsSPDYTunnelingPortForwardV1
	websocket.Server{
		Handshake: func(c *websocket.Config, _ *http.Request) error {
			if !slices.Contains(c.Protocol, protocol) {
				return websocket.ErrBadWebSocketProtocol
			}
			c.Protocol = []string{protocol}
			return nil
		},
		Handler: func(ws *websocket.Conn) {
			ws.PayloadType = websocket.BinaryFrame
			inner := r.Clone(r.Context())
			for name := range inner.Header {
				if strings.HasPrefix(name, "Sec-Websocket-") {
					inner.Header.Del(name)
				}
			}
			inner.Header.Set(httpstream.HeaderConnection, httpstream.HeaderUpgrade)
			inner.Header.Set(httpstream.HeaderUpgrade, spdy.HeaderSpdy31)
			inner.Header.Set(httpstream.HeaderProtocolVersion, portforward.ProtocolV1Name)
			serve(&tunnel{conn: ws, header: http.Header{}}, inner)
		},
	}.ServeHTTP(w, r)
}

// tunnel is the answer inside: nobody reads it, the connection is what it is there for.
type tunnel struct {
	conn   net.Conn
	header http.Header
}

func (t *tunnel) Header() http.Header         { return t.header }
func (t *tunnel) WriteHeader(int)             {}
func (t *tunnel) Write(b []byte) (int, error) { return len(b), nil }

// Hijack implements http.Hijacker.
func (t *tunnel) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return t.conn, bufio.NewReadWriter(bufio.NewReader(t.conn), bufio.NewWriter(t.conn)), nil
}
