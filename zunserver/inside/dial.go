package inside

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"
)

const (
	// dialTimeout is for one address.
	dialTimeout = 5 * time.Second
	// maxLine bounds the line that begins a stream.
	maxLine = 4 << 10
)

// sessionConfig is for both ends. A peer that is gone without a word is found out by the keep-alives.
func sessionConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	c.KeepAliveInterval, c.ConnectionWriteTimeout = 20*time.Second, 20*time.Second
	return c
}

// pipe is a connection made of two halves.
type pipe struct {
	io.Reader
	io.Writer
	close func() error
}

func (p pipe) Close() error { return p.close() }

// serve is the program's end of a session.
func serve(ctx context.Context, in io.Reader, out io.Writer) error {
	session, err := yamux.Server(pipe{in, out, func() error { return nil }}, sessionConfig())
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = session.Close() })
	defer stop()
	var open connections
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return ctx.Err() // the input has ended, or nobody answers
		}
		go open.serve(stream)
	}
}

// connections are those of a session, by the number of their stream.
type connections struct{ sync.Map }

// closing is the line that ends the stream of the number that follows, both ways at once: yamux has no word for that.
const closing = "close"

// serve serves one stream.
func (open *connections) serve(stream *yamux.Stream) {
	defer stream.Close() // both ways were closed before, or the session is gone
	_ = stream.SetReadDeadline(time.Now().Add(dialTimeout))
	buffered := bufio.NewReaderSize(stream, maxLine)
	line, err := buffered.ReadSlice('\n')
	if err != nil {
		return
	}
	_ = stream.SetReadDeadline(time.Time{})
	words := strings.Fields(string(line))
	if len(words) == 2 && words[0] == closing {
		if conn, ok := open.Load(words[1]); ok {
			_ = conn.(net.Conn).Close()
		}
		return
	}
	conn, err := dialAny(words)
	if err != nil {
		_, _ = fmt.Fprintln(stream, strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	defer conn.Close() // both ways were closed before
	number := strconv.FormatUint(uint64(stream.StreamID()), 10)
	open.Store(number, conn)
	defer open.Delete(number)
	if _, err := io.WriteString(stream, "\n"); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := io.Copy(conn, buffered); err != nil {
			_ = conn.Close()
		}
		_ = conn.CloseWrite()
	})
	both.Go(func() {
		_, _ = io.Copy(stream, conn)
		_ = stream.Close() // for writing; what comes is still read
	})
	both.Wait()
}

// dialAny connects to the first address that answers.
func dialAny(addresses []string) (*net.TCPConn, error) {
	err := errors.New("no address")
	for i, a := range addresses {
		conn, failed := net.DialTimeout("tcp", a, dialTimeout)
		if failed == nil {
			return conn.(*net.TCPConn), nil
		}
		if i == 0 {
			err = failed
		} else {
			err = fmt.Errorf("%w; %w", err, failed)
		}
	}
	return nil, err
}

// Session is capsulet's end of a running dial.
type Session struct {
	session *yamux.Session
	dialled atomic.Bool
}

// NewSession speaks to the program through its input and output; close ends them.
func NewSession(out io.Reader, in io.Writer, closeBoth func() error) (*Session, error) {
	s, err := yamux.Client(pipe{out, in, closeBoth}, sessionConfig())
	if err != nil {
		return nil, err
	}
	return &Session{session: s}, nil
}

// Close ends the session with all its connections.
func (s *Session) Close() error { return s.session.Close() }

// Ended says whether the session has ended.
func (s *Session) Ended() bool { return s.session.IsClosed() }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.session.CloseChan() }

// Ping returns when the program has answered.
func (s *Session) Ping() error {
	_, err := s.session.Ping()
	return err
}

// Used says whether there are connections now, or were since it was last asked.
func (s *Session) Used() bool { return s.dialled.Swap(false) || s.session.NumStreams() > 0 }

// Dial connects to the first of the addresses that answers, as seen from inside the capsule. The connection can be closed
// for writing alone.
func (s *Session) Dial(ctx context.Context, addresses ...string) (net.Conn, error) {
	s.dialled.Store(true)
	stream, err := s.session.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	deadline := time.Now().Add(dialTimeout*time.Duration(len(addresses)) + dialTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = stream.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	c := &Conn{Stream: stream, session: s.session, buffered: bufio.NewReaderSize(stream, maxLine)}
	var answer string
	if _, err = fmt.Fprintln(stream, strings.Join(addresses, " ")); err == nil {
		answer, err = c.buffered.ReadString('\n')
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil && answer != "\n" {
		err = errors.New(strings.TrimSpace(answer))
	}
	if err != nil {
		_ = stream.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	_ = stream.SetDeadline(time.Time{})
	return c, nil
}

// Conn is a connection through a session.
type Conn struct {
	*yamux.Stream
	session  *yamux.Session
	buffered *bufio.Reader
	once     sync.Once
}

// Read reads what comes after the answer.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.buffered.Read(b)
	if errors.Is(err, yamux.ErrTimeout) {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// CloseWrite says that no more is coming; what the other side sends is still read.
func (c *Conn) CloseWrite() error { return c.Stream.Close() }

// Close ends the connection in both directions.
func (c *Conn) Close() error {
	err := c.Stream.Close()
	_ = c.SetReadDeadline(time.Unix(1, 0)) // who reads is let go
	c.once.Do(func() {
		go func() {
			if s, err := c.session.OpenStream(); err == nil {
				_, _ = fmt.Fprintln(s, closing, c.StreamID())
				_ = s.Close()
			}
		}()
	})
	return err
}
