package kubelet

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// dial opens a connection from an address of this machine.
func (w *endpoint) dial(from string) net.Conn {
	w.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: testTimeout}
	c, err := d.DialContext(w.t.Context(), "tcp", strings.TrimPrefix(w.url, "https://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(testTimeout))
	return c
}

// secure makes the handshake.
func secure(c net.Conn) (*tls.Conn, error) {
	s := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}) //nolint:gosec // self-signed in a test
	return s, s.Handshake()
}

// get asks on a connection and reads the status.
func get(c net.Conn, token, path string) (int, error) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer %s\r\n\r\n", path, token); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

// closed says whether the other end closes the connection, in time.
func closed(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	w := newEndpoint(t, func(l *limits) { l.connections, l.perAddress = 3, 2 })
	var open []net.Conn
	for _, row := range []struct {
		from string
		ok   bool
	}{{"127.0.0.1", true}, {"127.0.0.1", true}, {"127.0.0.1", false}, {"127.0.0.2", true}, {"127.0.0.3", false}} {
		c, err := secure(w.dial(row.from))
		if (err == nil) != row.ok {
			t.Fatalf("connection %d, from %s: %v", len(open), row.from, err)
		}
		open = append(open, c)
	}
	_ = open[0].Close()
	var err error
	for end := time.Now().Add(testTimeout); time.Now().Before(end); time.Sleep(5 * time.Millisecond) { // the other end tells nobody
		if _, err = secure(w.dial("127.0.0.3")); err == nil {
			return
		}
	}
	t.Errorf("a place that is free again: %v", err)
}

func TestSilentConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	w := newEndpoint(t, func(l *limits) { l.header, l.idle = 50*time.Millisecond, 50*time.Millisecond })
	if !closed(w.dial("127.0.0.1")) {
		t.Error("without a handshake it stays open")
	}
	half, err := secure(w.dial("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Write([]byte("GET /healthz HTTP/1.1\r\nHost:")); err != nil {
		t.Fatal(err)
	}
	if !closed(half) {
		t.Error("in the middle of a head it stays open")
	}
	w = newEndpoint(t, func(l *limits) { l.idle = 50 * time.Millisecond })
	idle, err := secure(w.dial("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if status, err := get(idle, "admin", "/healthz"); status != 200 || err != nil {
		t.Fatalf("%d %v", status, err)
	}
	if !closed(idle) {
		t.Error("between two requests it stays open")
	}
}

// TestHeadsAreLimited: nobody fills the memory with headers.
func TestHeadsAreLimited(t *testing.T) {
	t.Parallel()
	w := newEndpoint(t)
	c, err := secure(w.dial("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if status, err := get(c, strings.Repeat("x", 2*maxHeaderBytes), "/healthz"); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d %v", status, err)
	}
}

// TestReviewsAreLimited: guessing tokens or rights costs the API server little, and others are not kept from asking.
func TestReviewsAreLimited(t *testing.T) {
	t.Parallel()
	w := newEndpoint(t, func(l *limits) { l.reviews, l.reviewsBurst = 1e-9, 4 })
	if status, _ := w.ask("admin", "/healthz"); status != 200 { // a review for the address, one for the user
		t.Fatal(status)
	}
	var got []int
	for i := range 4 {
		status, _ := w.ask(fmt.Sprint("wrong", i), "/healthz")
		got = append(got, status)
	}
	if fmt.Sprint(got) != "[401 401 401 429]" {
		t.Errorf("guesses are answered %v", got)
	}
	if status, _ := w.ask("wrong0", "/healthz"); status != 401 {
		t.Errorf("what is known costs nothing: %d", status)
	}
	if status, _ := w.ask("admin", "/healthz"); status != 200 {
		t.Errorf("who is known: %d", status)
	}
	if status, body := w.ask("admin", "/stats/summary"); status != 200 {
		t.Errorf("a new right of who is known, next to one who guesses: %d %s", status, body)
	}
	other, err := secure(w.dial("127.0.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		user, path string
		status     int
	}{
		{"admin2", "/healthz", 403}, // as healthz, as proxy
		{"curious", "/healthz", 403}, {"curious", "/pods", 403}, {"curious", "/stats/summary", 403}, {"curious", "/metrics", 429},
		{"curious", "/pods", 403}, // is known
		{"admin2", "/pods", 403},
	} {
		if status, err := get(other, row.user, row.path); status != row.status || err != nil {
			t.Errorf("from elsewhere, %s of %s: %d %v, want %d", row.path, row.user, status, err, row.status)
		}
	}
	asked := map[string]int{}
	for _, a := range w.client.Actions() {
		if a.GetVerb() == "create" {
			asked[a.GetResource().Resource]++
		}
	}
	if asked["tokenreviews"] != 4+2 || asked["subjectaccessreviews"] != 2+3+4 {
		t.Errorf("the API server was asked %v", asked)
	}
}

// TestUsersAreLimited: who is known and asks in a loop, from wherever, waits, and nobody else does.
func TestUsersAreLimited(t *testing.T) {
	t.Parallel()
	w := newEndpoint(t, func(l *limits) { l.requests, l.requestsBurst = 1e-9, 2 })
	other, err := secure(w.dial("127.0.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{200, 200, 429} {
		if status, body := w.ask("admin", "/healthz"); status != want {
			t.Errorf("request %d: %d %s, want %d", i, status, body, want)
		}
	}
	if status, err := get(other, "admin", "/healthz"); status != 429 || err != nil {
		t.Errorf("from elsewhere: %d %v", status, err)
	}
	if status, err := get(other, "admin2", "/healthz"); status != 403 || err != nil {
		t.Errorf("another user: %d %v", status, err)
	}
}

// slow is an endpoint whose requests last as long as the test likes.
type slow struct {
	*endpoint
	entered chan string
	leave   chan struct{}
}

func (s *slow) Session(w http.ResponseWriter, r *http.Request, _, action string, _ url.Values) {
	s.entered <- action
	select {
	case <-s.leave:
	case <-r.Context().Done():
	}
	_, _ = io.WriteString(w, action)
}

func (s *slow) Stats(ctx context.Context) (capsule.StatsReport, error) {
	s.entered <- "stats"
	<-s.leave
	return s.endpoint.Stats(ctx)
}

func TestRequestsAreLimited(t *testing.T) {
	t.Parallel()
	s := &slow{newEndpoint(t, func(l *limits) { l.short, l.lasting = 1, 2 }), make(chan string), make(chan struct{})}
	s.server.cfg.Containers = s // before the first request
	answers := make(chan int, 3)
	for _, path := range []string{"/exec/shop/web/a?output=1", "/attach/shop/web/a?output=1", "/stats/summary"} {
		go func() {
			status, _ := s.ask("admin", path)
			answers <- status
		}()
		<-s.entered
	}
	for path, want := range map[string]int{"/portForward/shop/web": 429, "/containerLogs/shop/web/a": 429, "/pods": 429, "/nothing": 404} {
		if status, body := s.ask("admin", path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	close(s.leave)
	for range 3 {
		if status := <-answers; status != 200 {
			t.Errorf("one that was under way: %d", status)
		}
	}
	if status, body := s.ask("admin", "/pods"); status != 200 {
		t.Errorf("with room again: %d %s", status, body)
	}
}

// endless is a log that never ends.
type endless struct{ *endpoint }

func (endless) Logs(context.Context, string, string, bool, capsule.LogOptions) (io.ReadCloser, error) {
	return io.NopCloser(zeros{}), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestSlowReadersAreCutOff: who does not take what was asked for holds no place for ever. (Five seconds more than the limit:
// so long TLS tries to say good-bye.)
func TestSlowReadersAreCutOff(t *testing.T) {
	t.Parallel()
	w := newEndpoint(t, func(l *limits) {
		l.answer, l.stalled, l.short, l.lasting = 500*time.Millisecond, 50*time.Millisecond, 1, 1
	})
	w.server.cfg.Containers = endless{w} // before the first request
	w.pods[0].Annotations = map[string]string{"long": strings.Repeat("x", 16<<20)}
	for path, places := range map[string]chan struct{}{"/containerLogs/shop/web/a": w.server.lasting, "/pods": w.server.short} {
		raw := w.dial("127.0.0.1")
		if err := raw.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil { // what is on its way is not much
			t.Fatal(err)
		}
		c, err := secure(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer admin\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
		_, _ = c.Read(make([]byte, 1)) // it has begun, or is cut off already, and now nobody reads
		select {
		case places <- struct{}{}: // the place is free
		case <-time.After(testTimeout):
			t.Errorf("%s is still served", path)
		}
	}
}
