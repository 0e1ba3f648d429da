package sockets_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/gorilla/websocket"

	"github.com/capsulet/capsulet/zunserver/api/sockets"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// echo says what it hears until "bye".
func echo(_ context.Context, s capsule.Session) error {
	b := make([]byte, 100)
	for {
		n, err := s.Stdin.Read(b)
		if err != nil {
			return err
		}
		if _, err := s.Stdout.Write(b[:n]); err != nil || string(b[:n]) == "bye" {
			return err
		}
	}
}

func TestAttach(t *testing.T) {
	w := newWorld(t)
	w.attach = echo
	url := w.ask("GET", "/v1/attach")
	if !strings.HasPrefix(url, "ws"+strings.TrimPrefix(w.base, "http")+"/v1/websocket?token=") || !strings.HasSuffix(url, "&uuid="+containerUUID) {
		t.Errorf("the URL is %s", url)
	}
	conn := w.join(url)
	if conn.Subprotocol() != "binary" {
		t.Errorf("subprotocol %q", conn.Subprotocol())
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} { // zunclient sends what it reads as text
		if err := conn.WriteMessage(kind, every[:100]); err != nil {
			t.Fatal(err)
		}
		if kind, b, err := conn.ReadMessage(); err != nil || kind != websocket.BinaryMessage || !slices.Equal(b, every[:100]) {
			t.Errorf("%d %q %v", kind, b, err)
		}
	}
	if err := conn.WriteMessage(websocket.BinaryMessage, []byte("bye")); err != nil {
		t.Fatal(err)
	}
	if out, end := w.all(conn); out != "bye" || end.Code != websocket.CloseNormalClosure {
		t.Errorf("%q, %v", out, end)
	}
}

func TestExecTellsTheExitCode(t *testing.T) {
	w := newWorld(t)
	w.exec = func(_ context.Context, command []string, s capsule.Session) (int, error) {
		_, _ = fmt.Fprintf(s.Stdout, "%q tty=%v ", command, s.TTY)
		if s.Stderr != nil {
			_, _ = io.WriteString(s.Stderr, "and an error")
		}
		return 7, nil
	}
	for path, want := range map[string]string{
		"/v1/execute?command=sh&command=-c&tty": `["sh" "-c"] tty=true `,
		"/v1/execute?command=ls":                `["ls"] tty=false and an error`,
	} {
		if out, end := w.all(w.join(w.ask("POST", path))); out != want || end.Code != websocket.CloseNormalClosure || end.Text != "exited with 7" {
			t.Errorf("%q, %v", out, end)
		}
	}
	w.exec = func(context.Context, []string, capsule.Session) (int, error) {
		return 0, fmt.Errorf("container web is not running: %w", errdefs.ErrFailedPrecondition)
	}
	if _, end := w.all(w.join(w.ask("POST", "/v1/execute?command=ls"))); end.Code != websocket.CloseInternalServerErr || !strings.HasPrefix(end.Text, "container web is not running") {
		t.Errorf("%v", end)
	}
}

func TestBase64(t *testing.T) {
	w := newWorld(t)
	w.attach = echo
	conn, _, err := w.dial(w.ask("GET", "/v1/attach"), http.Header{"Sec-WebSocket-Protocol": {"base64"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a", "\x00\xff", "bye"} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(base64.StdEncoding.EncodeToString([]byte(text)))); err != nil {
			t.Fatal(err)
		}
		kind, b, err := conn.ReadMessage()
		if got, err2 := base64.StdEncoding.DecodeString(string(b)); err != nil || err2 != nil || kind != websocket.TextMessage || string(got) != text {
			t.Errorf("%d %q %v %v", kind, b, err, err2)
		}
	}
	w.all(conn)

	w.attach = func(ctx context.Context, _ capsule.Session) error { <-ctx.Done(); return ctx.Err() }
	if conn, _, err = w.dial(w.ask("GET", "/v1/attach"), http.Header{"Sec-WebSocket-Protocol": {"base64"}}); err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte("no base64!")); err != nil {
		t.Fatal(err)
	}
	if _, end := w.all(conn); end.Code != websocket.CloseInvalidFramePayloadData {
		t.Errorf("%v", end)
	}
}

// Sizes come before the client and while it is there; only the newest counts.
func TestResize(t *testing.T) {
	w := newWorld(t)
	sizes := make(chan capsule.TerminalSize)
	seen := func(ctx context.Context, s capsule.Session) error {
		for {
			select {
			case size := <-s.Resize:
				sizes <- size
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	w.attach = seen
	w.exec = func(ctx context.Context, _ []string, s capsule.Session) (int, error) { return 0, seen(ctx, s) }
	resize := func(id string, height uint) {
		t.Helper()
		if err := w.proxy.Resize(t.Context(), id, capsule.TerminalSize{Height: height, Width: 80}); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct{ method, path string }{{"GET", "/v1/attach"}, {"POST", "/v1/execute?command=sh&tty"}} {
		w.execID = containerUUID
		url := w.ask(c.method, c.path)
		resize(w.execID, 24)
		resize(w.execID, 25)
		conn := w.join(url)
		if got := <-sizes; got.Height != 25 {
			t.Errorf("%s: %v", c.path, got)
		}
		resize(w.execID, 26)
		if got := <-sizes; got.Height != 26 {
			t.Errorf("%s: %v", c.path, got)
		}
		_ = conn.Close()
	}
	if err := w.proxy.Resize(t.Context(), "never", capsule.TerminalSize{}); !errdefs.IsNotFound(err) {
		t.Error(err)
	}
	w.ask("POST", "/v1/execute?command=sh")
	if err := w.proxy.Resize(t.Context(), w.execID, capsule.TerminalSize{}); !errdefs.IsFailedPrecondition(err) {
		t.Error(err)
	}
	w.later(10 * time.Minute)
	if err := w.proxy.Resize(t.Context(), w.execID, capsule.TerminalSize{}); !errdefs.IsNotFound(err) {
		t.Error(err)
	}
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	w.attach = func(context.Context, capsule.Session) error { return nil }
	w.exec = func(context.Context, []string, capsule.Session) (int, error) { return 0, nil }
	attach, exec := w.ask("GET", "/v1/attach"), w.ask("POST", "/v1/execute?command=ls")
	unauthorized := func(what, url string) {
		t.Helper()
		if status, body := w.refused(url, nil); status != http.StatusUnauthorized || !strings.Contains(body, "ask for a new one") {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
	for what, url := range map[string]string{
		"no token":                   strings.Replace(attach, "token=", "t=", 1),
		"a token nobody has":         strings.Replace(attach, "token=", "token=X", 1),
		"another container":          strings.Replace(attach, "uuid=1", "uuid=2", 1),
		"an attachment as a command": attach + "&exec_id=" + w.execID,
		"another command":            exec + "0",
		"a command as an attachment": exec[:strings.Index(exec, "&exec_id")],
		"the token of the API":       w.base[:0] + strings.Replace(attach, "token=", "token="+token+"&x=", 1),
	} {
		unauthorized(what, url)
	}
	w.all(w.join(exec))
	unauthorized("a command that was run", exec)

	w.all(w.join(attach))
	w.all(w.join(attach)) // at once
	w.later(30 * time.Second)
	unauthorized("an attachment that was joined", attach)

	attach, exec = w.ask("GET", "/v1/attach"), w.ask("POST", "/v1/execute?command=ls")
	w.later(10 * time.Minute)
	unauthorized("an old token", attach)
	unauthorized("an old command", exec)
}

// The oldest tokens of a project give way.
func TestTokensAreBounded(t *testing.T) {
	w := newWorld(t)
	w.attach = func(context.Context, capsule.Session) error { return nil }
	first := w.ask("GET", "/v1/attach")
	w.later(time.Second)
	second := w.ask("GET", "/v1/attach")
	for range 255 {
		w.ask("GET", "/v1/attach")
	}
	if status, _ := w.refused(first, nil); status != http.StatusUnauthorized {
		t.Errorf("the oldest: %d", status)
	}
	w.all(w.join(second))
}

func TestOrigin(t *testing.T) {
	w := newWorld(t, func(c *sockets.Config) { c.Origins = []string{"dashboard.example", "https://other.example:8443"} })
	w.attach = func(context.Context, capsule.Session) error { return nil }
	url := w.ask("GET", "/v1/attach")
	for origin, allowed := range map[string]bool{
		"http://127.0.0.1": true, "https://127.0.0.1:8080": true, "http://dashboard.example": true, "https://other.example:8443": true,
		"http://evil.example": false, "https://other.example": false, "null": false, "127.0.0.1": false, "file://127.0.0.1": false,
		"http://127.0.0.1.evil.example": false,
	} {
		conn, resp, err := w.dial(url, http.Header{"Origin": {origin}})
		if allowed != (err == nil) || !allowed && (resp == nil || resp.StatusCode != http.StatusForbidden) {
			t.Errorf("%s: %v", origin, err)
		}
		if err == nil {
			w.all(conn)
		}
	}
}

func TestBehindAProxyWithTLS(t *testing.T) {
	w := newWorld(t, func(c *sockets.Config) { c.URL = "wss://zun.example/v1/websocket" })
	w.attach = func(context.Context, capsule.Session) error { return nil }
	url := w.ask("GET", "/v1/attach")
	here, ok := strings.CutPrefix(url, "wss://zun.example/")
	if !ok {
		t.Fatalf("the URL is %s", url)
	}
	here = "ws" + strings.TrimPrefix(w.base, "http") + "/" + here
	if status, _ := w.refused(here, http.Header{"Origin": {"http://127.0.0.1"}}); status != http.StatusForbidden {
		t.Errorf("a page without TLS: %d", status)
	}
	for origin, allowed := range map[string]bool{
		"https://zun.example": true, "https://zun.example:None": true, "https://zun.example:8443": true, "https://127.0.0.1": true,
		"http://zun.example": false, "https://zun.example.evil.example": false, "https://evil.example:None": false,
	} {
		conn, _, err := w.dial(here, http.Header{"Origin": {origin}})
		if allowed != (err == nil) {
			t.Errorf("%s: %v", origin, err)
		}
		if err == nil {
			w.all(conn)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		method, path string
		change       func(*capsule.Capsule)
		status       int
	}{
		"not interactive":      {"GET", "/v1/attach", func(c *capsule.Capsule) { c.Spec.Containers[0].Stdin = false }, 400},
		"no command":           {"POST", "/v1/execute", nil, 400},
		"no such container":    {"GET", "/v1/attach", func(c *capsule.Capsule) { c.Spec.Containers[0].Name = "x" }, 404},
		"attach to no process": {"GET", "/v1/attach", func(c *capsule.Capsule) { c.Facts = capsule.Facts{} }, 409},
		"execute in none":      {"POST", "/v1/execute?command=x", func(c *capsule.Capsule) { c.Facts = capsule.Facts{} }, 409},
		"paused":               {"GET", "/v1/attach", func(c *capsule.Capsule) { c.Facts.Containers[0].Run.Paused = true }, 409},
		"no WebSocket":         {"GET", "/v1/websocket?token=x", nil, 400},
	} {
		w := newWorld(t)
		if c.change != nil {
			c.change(w.capsule)
		}
		if status, body := w.do(c.method, c.path); status != c.status {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	// What has changed since the token was made.
	for name, c := range map[string]struct {
		change func(*world)
		status int
	}{
		"it is gone":           {func(w *world) { w.capsule = nil }, 404},
		"it is another's":      {func(w *world) { w.capsule.Project = "q" }, 404},
		"it has ended":         {func(w *world) { w.capsule.Facts = capsule.Facts{} }, 409},
		"the container is not": {func(w *world) { w.capsule.Spec.Containers[0].Name = "x" }, 404},
	} {
		w := newWorld(t)
		url := w.ask("GET", "/v1/attach")
		c.change(w)
		if status, body := w.refused(url, nil); status != c.status || strings.Contains(body, "token=") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// A command ends with its client, whether it says goodbye or not and whether the command listens or not.
func TestHangUp(t *testing.T) {
	for name, leave := range map[string]func(*websocket.Conn){
		"closed": func(c *websocket.Conn) {
			_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience))
		},
		"broken": func(c *websocket.Conn) { _ = c.NetConn().Close() },
	} {
		w := newWorld(t)
		began, ended := make(chan struct{}), make(chan struct{})
		w.exec = func(ctx context.Context, _ []string, _ capsule.Session) (int, error) {
			close(began)
			<-ctx.Done()
			close(ended)
			return 0, ctx.Err()
		}
		conn := w.join(w.ask("POST", "/v1/execute?command=sleep"))
		if err := conn.WriteMessage(websocket.BinaryMessage, []byte(strings.Repeat("nobody reads this", 1000))); err != nil {
			t.Fatal(err)
		}
		<-began
		leave(conn)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatalf("%s: the command goes on", name)
		}
	}
}

func TestIdle(t *testing.T) {
	w := newWorld(t, func(c *sockets.Config) { c.IdleTimeout = 50 * time.Millisecond })
	w.attach = func(ctx context.Context, _ capsule.Session) error { <-ctx.Done(); return ctx.Err() }
	if _, end := w.all(w.join(w.ask("GET", "/v1/attach"))); end.Code != websocket.CloseGoingAway || end.Text != "nothing was said for too long" {
		t.Errorf("%v", end)
	}
}

// A client who takes nothing makes the process wait; it costs no memory, and what was said is not lost.
func TestSlowReader(t *testing.T) {
	w := newWorld(t)
	const line, lines = 32 << 10, 1000 // 32 MB
	var said atomic.Int64
	w.exec = func(_ context.Context, _ []string, s capsule.Session) (int, error) {
		for range lines {
			if _, err := s.Stdout.Write(make([]byte, line)); err != nil {
				return 1, err
			}
			said.Add(1)
		}
		return 0, nil
	}
	conn := w.join(w.ask("POST", "/v1/execute?command=yes"))
	for last := int64(-1); last != said.Load() || last < 1; time.Sleep(200 * time.Millisecond) { // until it waits
		last = said.Load()
	}
	if n := said.Load(); n > lines*2/3 { // the rest is in the buffers of the kernel
		t.Errorf("%d of %d lines were taken from the process, and nobody read any", n, lines)
	}
	if out, end := w.all(conn); len(out) != line*lines || end.Text != "exited with 0" {
		t.Errorf("%d bytes, %v", len(out), end)
	}
}
