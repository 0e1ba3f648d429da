package sockets

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	binaryProtocol, base64Protocol = "binary", "base64"

	// maxFrame bounds a message that comes in; pasted text is long.
	maxFrame = 4 << 20
	// chunk is what is read at a time, and ahead how many of them before the process takes them: a client who leaves is
	// seen only behind what it said.
	chunk = 4 << 10
	ahead = 16
	// patience is how long a client may take nothing: people stop their terminals.
	patience = 10 * time.Minute
	// pingInterval is how often a silent client is asked for; what is not there any more refuses that.
	pingInterval = 20 * time.Second
	// farewell is how long a client may take to answer a goodbye.
	farewell = 3 * time.Second
	// maxReason is what a close frame has room for (RFC 6455, 5.5).
	maxReason = 123
)

// The ends of a session that are not the process'.
var (
	errGone   = errors.New("the client is gone")
	errIdle   = errors.New("nothing was said for too long")
	errBase64 = errors.New("a frame is not base64")
)

// socket is the streams of a session on a WebSocket. Its input is read by a goroutine of its own, which also notices when the
// client leaves.
type socket struct {
	conn   *websocket.Conn
	base64 bool
	// heard is called whenever something was said.
	heard func()

	mu    sync.Mutex // of writers
	input chan []byte
	rest  []byte
	// over is closed when the process takes no input any more.
	over chan struct{}
	// left is closed when the client has said its last.
	left chan struct{}
}

func newSocket(conn *websocket.Conn, heard func()) *socket {
	conn.SetReadLimit(maxFrame)
	return &socket{
		conn: conn, base64: conn.Subprotocol() == base64Protocol, heard: heard,
		input: make(chan []byte, ahead), over: make(chan struct{}), left: make(chan struct{}),
	}
}

// Write sends one frame. It is safe for concurrent use.
func (s *socket) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
	kind, frame := websocket.BinaryMessage, b
	if s.base64 {
		kind, frame = websocket.TextMessage, base64.StdEncoding.AppendEncode(nil, b)
	}
	if err := s.conn.WriteMessage(kind, frame); err != nil {
		return 0, err
	}
	s.heard()
	return len(b), nil
}

// Read is for one goroutine. The end of the client is the end of the input.
func (s *socket) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		select {
		case s.rest = <-s.input:
		case <-s.left:
			select {
			case s.rest = <-s.input: // said before
			default:
				return 0, io.EOF
			}
		case <-s.over:
			return 0, io.EOF
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// listen reads frames until the client leaves, and says how.
func (s *socket) listen() error {
	defer close(s.left)
	for {
		_, message, err := s.conn.NextReader()
		if err != nil {
			return errGone
		}
		if s.base64 {
			message = base64.NewDecoder(base64.StdEncoding, message)
		}
		if err := s.take(message); err != nil {
			return err
		}
	}
}

func (s *socket) take(message io.Reader) error {
	for {
		b := make([]byte, chunk)
		n, err := message.Read(b)
		if n > 0 {
			s.heard()
			select {
			case s.input <- b[:n]:
			case <-s.over: // nobody reads it any more, but there may come a goodbye
			}
		}
		var corrupt base64.CorruptInputError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &corrupt), s.base64 && errors.Is(err, io.ErrUnexpectedEOF):
			return errBase64
		case err != nil:
			return errGone
		}
	}
}

// ping asks for the client until ctx ends, or it is gone.
func (s *socket) ping(ctx context.Context) error {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience)); err != nil {
				return errGone
			}
		}
	}
}

// hangUp says goodbye, gives the client a moment to do so, and closes. listen ends with it.
func (s *socket) hangUp(code int, reason string) {
	close(s.over)
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	deadline := time.Now().Add(farewell)
	if s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), deadline) == nil {
		_ = s.conn.SetReadDeadline(deadline)
		<-s.left
	}
	_ = s.conn.Close()
	<-s.left
}
