package sockets_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/gorilla/websocket"

	"github.com/capsulet/capsulet/zunserver/api/limit"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/sockets"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	token         = "a-token-of-the-tests"
	containerUUID = "11111111-2222-3333-4444-555555555555"
	patience      = 20 * time.Second
)

// backend has one capsule whose one container runs.
type backend struct {
	mu      sync.Mutex
	capsule *capsule.Capsule
	exec    func(ctx context.Context, command []string, s capsule.Session) (int, error)
	attach  func(ctx context.Context, s capsule.Session) error
}

func (b *backend) Capsule(_ context.Context, uuid string) (*capsule.Capsule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.capsule == nil || b.capsule.UUID != uuid {
		return nil, errdefs.ErrNotFound
	}
	return b.capsule, nil
}

func (b *backend) Capsules(context.Context) ([]*capsule.Capsule, int64, error) {
	return nil, 0, errdefs.ErrNotImplemented
}

func (b *backend) Exec(ctx context.Context, _ *capsule.Capsule, _ string, command []string, s capsule.Session) (int, error) {
	return b.exec(ctx, command, s)
}

func (b *backend) Attach(ctx context.Context, _ *capsule.Capsule, _ string, s capsule.Session) error {
	return b.attach(ctx, s)
}

// world is a proxy, on a real listener if it is not unserved.
type world struct {
	*testing.T
	*backend
	proxy *sockets.Proxy
	base  string
	now   time.Time
	dials func(ctx context.Context, network, address string) (net.Conn, error) // nil: as everybody

	execID string // of the last execute
}

func newWorld(t *testing.T, change ...func(*sockets.Config)) *world {
	t.Helper()
	w, routes := unserved(t, change...)
	server := httptest.NewServer(routes)
	t.Cleanup(server.Close)
	w.base = server.URL
	return w
}

func unserved(t *testing.T, change ...func(*sockets.Config)) (*world, http.Handler) {
	t.Helper()
	w := &world{T: t, now: time.Unix(1_800_000_000, 0), backend: &backend{capsule: &capsule.Capsule{
		UUID: "99999999-2222-3333-4444-555555555555", Project: "p",
		Spec:  capsule.Spec{Containers: []capsule.ContainerSpec{{Name: "web", UUID: containerUUID, Stdin: true, TTY: true}}},
		Facts: capsule.Facts{Containers: []capsule.ContainerFacts{{Name: "web", Run: &capsule.Run{StartedAt: time.Unix(1, 0)}}}},
	}}}
	cfg := sockets.Config{Capsules: w.backend, Backend: w.backend, Limit: limit.New(),
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }}
	for _, f := range change {
		f(&cfg)
	}
	w.proxy = sockets.New(cfg)
	tokens, err := auth.NewTokens(map[string]auth.Identity{token: {User: "u", Project: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	routes := append(w.proxy.Routes(),
		rest.Route{Method: "GET", Path: "/v1/attach", Serve: func(c *rest.Call) error {
			url, err := w.proxy.Attach(c, w.capsule, "web")
			if err != nil {
				return err
			}
			return c.JSON(http.StatusOK, url)
		}},
		rest.Route{Method: "POST", Path: "/v1/execute", Serve: func(c *rest.Call) error {
			q := c.R.URL.Query()
			id, token, url, err := w.proxy.Exec(c, w.capsule, "web", q["command"], q.Has("tty"))
			if err != nil {
				return err
			}
			if w.execID = id; !strings.HasSuffix(url, "?token="+token+"&uuid="+containerUUID+"&exec_id="+id) {
				w.Errorf("the URL is %s", url)
			}
			return c.JSON(http.StatusOK, url)
		}})
	return w, rest.New(rest.Config{Auth: tokens}, routes...)
}

// ask calls the route, which has to answer with a URL.
func (w *world) ask(method, path string) string {
	w.Helper()
	status, body := w.do(method, path)
	if status != http.StatusOK {
		w.Fatalf("%s %s: %d %s", method, path, status, body)
	}
	return strings.Trim(strings.TrimSpace(body), `"`)
}

func (w *world) do(method, path string) (status int, body string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.base+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", token)
	client := http.Client{Transport: &http.Transport{DialContext: w.dials, DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// dial joins the terminal as zunclient does, or as the header says.
func (w *world) dial(url string, header http.Header) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{HandshakeTimeout: patience, NetDialContext: w.dials}
	if header == nil {
		header = http.Header{"Sec-WebSocket-Protocol": {"binary, base64"}}
	}
	conn, resp, err := d.DialContext(w.Context(), url, header)
	if err == nil {
		w.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetReadDeadline(time.Now().Add(patience))
	}
	return conn, resp, err
}

func (w *world) join(url string) *websocket.Conn {
	w.Helper()
	conn, _, err := w.dial(url, nil)
	if err != nil {
		w.Fatal(err)
	}
	return conn
}

// refused joins in vain, and returns the status and the error body.
func (w *world) refused(url string, header http.Header) (int, string) {
	w.Helper()
	_, resp, err := w.dial(url, header)
	if err == nil || resp == nil {
		w.Fatalf("joined, %v", err)
	}
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// all is what comes until the end of the socket, and the end.
func (w *world) all(conn *websocket.Conn) (output string, end *websocket.CloseError) {
	w.Helper()
	var all strings.Builder
	for {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		_, b, err := conn.ReadMessage()
		if errors.As(err, &end) {
			return all.String(), end
		}
		if err != nil {
			w.Fatalf("after %d bytes: %v", all.Len(), err)
		}
		all.Write(b)
	}
}
