package rest

import (
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	patience = 30 * time.Second
	// HeaderDelay is how long a stream waits for its first byte, or an error, before the head of the answer goes out.
	HeaderDelay = time.Second
)

// Stream is an answer without an end. Each write goes out at once, and cuts a reader that does not take it. It is safe
// for concurrent use.
type Stream struct {
	mu        sync.Mutex
	c         *Call
	rc        *http.ResponseController
	mediaType string
	closed    bool
	// Patience is how long a reader may let one write wait before it is cut: half a minute, unless set before the first.
	Patience time.Duration
}

// Stream makes the answer one without an end. The head goes out with the first byte.
func (c *Call) Stream(mediaType string) *Stream {
	s := &Stream{c: c, rc: http.NewResponseController(c.W), mediaType: mediaType, Patience: patience}
	_ = s.rc.SetReadDeadline(time.Time{}) // the server's is for requests; a writer without deadlines has none to lift
	return s
}

// Begin sends the head of the answer unless it is out already.
func (s *Stream) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.c.W.status != 0 {
		return
	}
	s.head()
	_ = s.rc.Flush()
}

func (s *Stream) head() {
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.Patience))
	s.c.W.Header().Set("Content-Type", s.mediaType)
	s.c.W.Header().Set("X-Content-Type-Options", "nosniff")
	s.c.W.WriteHeader(http.StatusOK)
}

// Write sends b.
func (s *Stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	if s.c.W.status == 0 {
		s.head()
	}
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.Patience))
	n, err := s.c.W.Write(b)
	if err == nil {
		err = s.rc.Flush()
	}
	return n, err
}

// Close ends the stream: nothing is written to the answer after it.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.Patience)) // for the last chunk, which the server writes
}

// Upload is the body of a request that may go on for as long as something comes: a caller who sends nothing for the patience is cut.
// The answer has no deadline then; it is a short one.
func (c *Call) Upload(patience time.Duration) io.Reader {
	rc := http.NewResponseController(c.W)
	_ = rc.SetWriteDeadline(time.Time{})
	return upload{c.R.Body, rc, patience}
}

type upload struct {
	body     io.Reader
	rc       *http.ResponseController
	patience time.Duration
}

func (u upload) Read(b []byte) (int, error) {
	_ = u.rc.SetReadDeadline(time.Now().Add(u.patience))
	return u.body.Read(b)
}
