package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

const (
	// patience is how long a reader may let one write wait before it is cut.
	patience = 30 * time.Second
	// headerDelay is how long a stream waits for its first byte, or an error, before the head of the answer goes out.
	headerDelay = time.Second
)

// stream is an answer without an end. Each write goes out at once, and cuts a reader that does not take it. It is safe
// for concurrent use.
type stream struct {
	mu        sync.Mutex
	c         *call
	rc        *http.ResponseController
	mediaType string
	closed    bool
}

func (c *call) stream(mediaType string) *stream {
	s := &stream{c: c, rc: http.NewResponseController(c.w), mediaType: mediaType}
	_ = s.rc.SetReadDeadline(time.Time{}) // the server's is for requests; a writer without deadlines has none to lift
	return s
}

// begin sends the head of the answer unless it is out already.
func (s *stream) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.c.w.status != 0 {
		return
	}
	s.head()
	_ = s.rc.Flush()
}

func (s *stream) head() {
	_ = s.rc.SetWriteDeadline(time.Now().Add(patience))
	s.c.w.Header().Set("Content-Type", s.mediaType)
	s.c.w.Header().Set("X-Content-Type-Options", "nosniff")
	s.c.w.WriteHeader(http.StatusOK)
}

// Write sends b.
func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	if s.c.w.status == 0 {
		s.head()
	}
	_ = s.rc.SetWriteDeadline(time.Now().Add(patience))
	n, err := s.c.w.Write(b)
	if err == nil {
		err = s.rc.Flush()
	}
	return n, err
}

// close ends the stream: nothing is written to the answer after it.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = s.rc.SetWriteDeadline(time.Now().Add(patience)) // for the last chunk, which the server writes
}

// watchCapsules is GET /v1/capsules?watch=true&since=N.
func (a *api) watchCapsules(c *call) error {
	if c.r.Method == http.MethodHead {
		c.w.Header().Set("Allow", http.MethodGet)
		return &refusal{http.StatusMethodNotAllowed, "", "A watch needs the method GET"}
	}
	if !c.native {
		return &refusal{http.StatusNotAcceptable, "", "A watch needs Accept: " + nativeType}
	}
	since, given, err := c.number("since", 0)
	if err != nil {
		return err
	}
	if !given {
		return invalidValue("A watch needs since, the revision of the list that it goes on from")
	}
	visible, err := c.scope()
	if err != nil {
		return err
	}
	events := a.Capsules.WatchCapsules(c.r.Context(), since)
	select { // what cannot begin is an error, not a stream
	case e, ok := <-events:
		if ok && e.Kind == store.Error {
			return fmt.Errorf("watch capsules since %d: %w", since, e.Err)
		}
		s := c.stream(nativeType)
		defer s.close()
		if ok && a.send(c, s, e, visible) {
			a.follow(c, s, events, visible)
		}
	default:
		s := c.stream(nativeType)
		defer s.close()
		s.begin()
		a.follow(c, s, events, visible)
	}
	return nil
}

// follow sends events until there are no more or the reader does not take them.
func (a *api) follow(c *call, s *stream, events <-chan store.CapsuleEvent, visible func(*capsule.Capsule) bool) {
	for {
		select {
		case <-c.r.Context().Done():
			return
		case e, ok := <-events:
			if !ok || !a.send(c, s, e, visible) {
				return
			}
		}
	}
}

// watchLine is one line of a watch.
type watchLine struct {
	Type     string           `json:"type"`
	Revision int64            `json:"revision,omitempty"`
	Capsule  *capsule.Capsule `json:"capsule,omitempty"`
	Status   int              `json:"status,omitempty"`
	Detail   string           `json:"detail,omitempty"`
	Errors   any              `json:"errors,omitempty"`
}

// send writes one event; it is false when it was the last or could not be written.
func (a *api) send(c *call, s *stream, e store.CapsuleEvent, visible func(*capsule.Capsule) bool) bool {
	line := watchLine{Revision: e.Revision}
	switch e.Kind {
	case store.Put, store.Delete:
		// The last state of a capsule may be lost to compaction; its UUID alone tells nobody anything new.
		if e.Capsule == nil || !visible(e.Capsule) && e.Capsule.Project != "" {
			return true
		}
		line.Type, line.Capsule = "PUT", view.Native(e.Capsule)
		if e.Kind == store.Delete {
			line.Type = "DELETE"
		}
	case store.Bookmark:
		line.Type = "BOOKMARK"
	default:
		status, code, message := c.verdict(fmt.Errorf("watch capsules: %w", e.Err))
		line = watchLine{Type: "ERROR", Status: status, Detail: message, Errors: errorBody(c.id, status, code, message)["errors"]}
	}
	b, err := json.Marshal(line)
	if err != nil {
		c.log.WithError(err).Error("watch event could not be encoded")
		return false
	}
	if _, err := s.Write(append(b, '\n')); err != nil {
		c.log.WithError(err).Debug("watch was cut: its reader does not read")
		return false
	}
	return line.Type != "ERROR"
}

// logs is GET /v1/capsules/{id}/logs.
func (a *api) logs(c *call) error {
	one, err := a.find(c, auth.CapsuleLogs)
	if err != nil {
		return err
	}
	container, err := containerOf(one, c.r.URL.Query().Get("container"))
	if err != nil {
		return err
	}
	previous, err := c.flag("previous")
	if err != nil {
		return err
	}
	opts, err := c.logOptions()
	if err != nil {
		return err
	}
	s := c.stream("application/octet-stream")
	defer s.close()
	if opts.Follow {
		timer := time.AfterFunc(headerDelay, s.begin)
		defer timer.Stop()
	}
	err = a.Logs.Logs(c.r.Context(), one, container, previous, opts, s, s)
	if errdefs.IsNotFound(err) {
		return &refusal{http.StatusNotFound, "container-not-found",
			fmt.Sprintf("Container %s of capsule %s has no such log: %s", container, one.UUID, err)}
	}
	if err != nil {
		return fmt.Errorf("read the log of container %s of capsule %s: %w", container, one.UUID, err)
	}
	s.begin()
	return nil
}

// containerOf is the name of the container that is meant: the only one when none is named.
func containerOf(c *capsule.Capsule, name string) (string, error) {
	if name == "" {
		if len(c.Spec.Containers) != 1 {
			return "", invalidValue("The capsule has %d containers: choose one with container=", len(c.Spec.Containers))
		}
		return c.Spec.Containers[0].Name, nil
	}
	if cs, _ := c.Spec.Container(name); cs == nil {
		return "", notFound(name)
	}
	return name, nil
}

func (c *call) logOptions() (o capsule.LogOptions, err error) {
	if o.Follow, err = c.flag("follow"); err != nil {
		return o, err
	}
	if o.Timestamps, err = c.flag("timestamps"); err != nil {
		return o, err
	}
	o.Tail = -1
	if text := c.r.URL.Query().Get("tail"); text != "" && text != "all" { // all is Zun's word for no limit
		if o.Tail, _, err = c.number("tail", 0); err != nil {
			return o, err
		}
	}
	if o.Since, err = c.moment("since"); err != nil {
		return o, err
	}
	o.Until, err = c.moment("until")
	return o, err
}

// moment reads a time: RFC 3339 or seconds since 1970.
func (c *call) moment(name string) (time.Time, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, invalidValue("Invalid value for %s: '%.64s' is neither RFC 3339 nor seconds since 1970", name, text)
	}
	whole := int64(seconds)
	return time.Unix(whole, int64((seconds-float64(whole))*1e9)).UTC(), nil
}
