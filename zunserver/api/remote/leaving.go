package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// readAhead is how much is read before a library asks for it.
const readAhead = 32 << 10

// leaving is the answer to a request whose connection leaves HTTP; left is called when its caller has hung up. It shows no
// writer beneath it, or the libraries would take that one.
type leaving struct {
	http.ResponseWriter
	left context.CancelFunc
}

// Hijack implements http.Hijacker.
func (l *leaving) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(l.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over the connection: %w", err)
	}
	ahead, to := io.Pipe()
	go func() {
		defer l.left()
		_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{rw.Reader}, make([]byte, readAhead))
		if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
			err = nil // by the library itself, which would complain
		}
		_ = to.CloseWithError(err)
	}()
	c := &leftConn{Conn: conn, ahead: ahead}
	return c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), nil
}

// leftConn is read by a goroutine of its own, ahead of the library, which stops reading at the first word of a farewell.
type leftConn struct {
	net.Conn
	ahead *io.PipeReader
}

// Read says of a connection that this side has closed that it is over, rather than that it is an error to read from it: the
// libraries close first and read once more.
func (c *leftConn) Read(b []byte) (int, error) {
	n, err := c.ahead.Read(b)
	if errors.Is(err, io.ErrClosedPipe) {
		err = io.EOF
	}
	return n, err
}

func (c *leftConn) Close() error {
	_ = c.ahead.Close()
	return c.Conn.Close()
}
