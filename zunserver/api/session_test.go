package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	utilexec "k8s.io/client-go/util/exec"

	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/api/remote"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

const patience = 20 * time.Second

// running makes a capsule called c whose container runs.
func (w *world) running(mutate func(*capsule.ContainerSpec)) string {
	w.Helper()
	uuid, _ := w.get(202, "POST", "/v1/capsules", named("c"), "Accept", nativeType)["uuid"].(string)
	w.mu.Lock()
	defer w.mu.Unlock()
	c := *w.all[uuid]
	c.Facts.Sandbox.Ready = true
	c.Facts.Containers = []capsule.ContainerFacts{{Name: "web", Run: &capsule.Run{ID: "1", StartedAt: time.Unix(1, 0)}}}
	if mutate != nil {
		mutate(&c.Spec.Containers[0])
	}
	w.all[uuid] = &c
	return uuid
}

// client is a Kubernetes client's configuration for the API.
func (w *world) client() *rest.Config {
	return &rest.Config{Host: w.url, BearerToken: userToken}
}

// executors are both protocols that clients of today speak.
func (w *world) executors(path string, query url.Values) map[string]remotecommand.Executor {
	w.Helper()
	target := w.url + path + "?" + query.Encode()
	u, err := url.Parse(target)
	if err != nil {
		w.Fatal(err)
	}
	viaSPDY, err := remotecommand.NewSPDYExecutor(w.client(), "POST", u)
	if err != nil {
		w.Fatal(err)
	}
	viaWebSocket, err := remotecommand.NewWebSocketExecutor(w.client(), "GET", target)
	if err != nil {
		w.Fatal(err)
	}
	return map[string]remotecommand.Executor{"SPDY": viaSPDY, "WebSocket": viaWebSocket}
}

func TestExec(t *testing.T) {
	w := newWorld(t)
	uuid := w.running(nil)
	w.exec = func(_ context.Context, s capsule.Session) (int, error) {
		_, err := io.Copy(s.Stdout, s.Stdin) // until stdin alone is closed
		_, err2 := io.WriteString(s.Stderr, "that is all")
		return 42, errors.Join(err, err2)
	}
	query := url.Values{"container": {"web"}, "command": {"cat", "two words", "", "$x&y=ä"}, "stdin": {"1"}, "stdout": {"true"}, "stderr": {"true"}}
	for name, e := range w.executors("/v1/capsules/"+uuid+"/exec", query) {
		var stdout, stderr strings.Builder
		input := strings.Repeat("a line of the input\n", 10_000)
		err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{
			Stdin: strings.NewReader(input), Stdout: &stdout, Stderr: &stderr})
		var exit utilexec.CodeExitError
		if !errors.As(err, &exit) || exit.Code != 42 {
			t.Errorf("%s: %v", name, err)
		}
		if stdout.String() != input || stderr.String() != "that is all" {
			t.Errorf("%s: %d bytes on stdout, %q on stderr", name, stdout.Len(), stderr.String())
		}
		if w.execCall != `c web ["cat" "two words" "" "$x&y=ä"] tty=false` {
			t.Errorf("%s: %s", name, w.execCall)
		}
	}
}

func TestExecFails(t *testing.T) {
	w := newWorld(t)
	w.running(nil)
	w.exec = func(context.Context, capsule.Session) (int, error) {
		return 0, fmt.Errorf("container web is not running: %w", errdefs.ErrFailedPrecondition)
	}
	for name, e := range w.executors("/v1/capsules/c/exec", url.Values{"command": {"x"}, "stdout": {"1"}}) {
		err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: io.Discard})
		if err == nil || !strings.Contains(err.Error(), "error executing command in container: container web is not running") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type oneSize struct{ sent bool }

func (s *oneSize) Next() *remotecommand.TerminalSize {
	if s.sent {
		return nil
	}
	s.sent = true
	return &remotecommand.TerminalSize{Width: 132, Height: 43}
}

func TestTerminal(t *testing.T) {
	w := newWorld(t)
	w.running(nil)
	w.exec = func(ctx context.Context, s capsule.Session) (int, error) {
		select {
		case size := <-s.Resize:
			_, err := fmt.Fprintf(s.Stdout, "%dx%d stderr=%v", size.Width, size.Height, s.Stderr != nil)
			return 0, err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	query := url.Values{"command": {"sh"}, "stdin": {"1"}, "stdout": {"1"}, "stderr": {"1"}, "tty": {"1"}}
	for name, e := range w.executors("/v1/capsules/c/exec", query) {
		var stdout strings.Builder
		input, _ := io.Pipe() // which says nothing
		err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{
			Stdin: input, Stdout: &stdout, Tty: true, TerminalSizeQueue: &oneSize{}})
		if err != nil || stdout.String() != "132x43 stderr=false" || !strings.HasSuffix(w.execCall, "tty=true") {
			t.Errorf("%s: %v, %q, %s", name, err, stdout.String(), w.execCall)
		}
	}
}

// A caller who hangs up ends the session, also when nothing is said.
func TestHangUp(t *testing.T) {
	w := newWorld(t)
	w.running(nil)
	for name, e := range w.executors("/v1/capsules/c/exec", url.Values{"command": {"sleep"}, "stdout": {"1"}}) {
		began, ended := make(chan struct{}), make(chan struct{})
		w.exec = func(ctx context.Context, _ capsule.Session) (int, error) {
			close(began)
			defer close(ended)
			<-ctx.Done()
			return 0, ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-began; cancel() }()
		if err := e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: io.Discard}); err == nil {
			t.Errorf("%s: it ended by itself", name)
		}
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatalf("%s: the session goes on", name)
		}
	}
}

func TestAttach(t *testing.T) {
	w := newWorld(t)
	w.running(func(cs *capsule.ContainerSpec) { cs.TTY = true })
	w.attach = func(_ context.Context, s capsule.Session) error {
		_, err := fmt.Fprintf(s.Stdout, "tty=%v stderr=%v stdin=%v", s.TTY, s.Stderr != nil, s.Stdin != nil)
		return err
	}
	query := url.Values{"stdin": {"1"}, "stdout": {"1"}, "stderr": {"1"}}
	for name, e := range w.executors("/v1/capsules/c/attach", query) {
		var stdout strings.Builder
		err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdin: strings.NewReader(""), Stdout: &stdout, Tty: true})
		if err != nil || stdout.String() != "tty=true stderr=false stdin=true" {
			t.Errorf("%s: %v, %q", name, err, stdout.String())
		}
	}
}

// A command without a session.
func TestRun(t *testing.T) {
	w := newWorld(t)
	w.running(nil)
	w.exec = func(_ context.Context, s capsule.Session) (int, error) {
		_, err := fmt.Fprint(s.Stdout, "out ")
		_, err2 := fmt.Fprint(s.Stderr, "err")
		return 7, errors.Join(err, err2)
	}
	resp := w.do("POST", "/v1/capsules/c/exec?command=x", "")
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || string(b) != "out err" || resp.Trailer.Get("Capsulet-Exit-Code") != "7" {
		t.Errorf("%s, %q, %v, %v", resp.Status, b, resp.Trailer, err)
	}
	w.exec = func(context.Context, capsule.Session) (int, error) { return 0, errdefs.ErrUnavailable }
	w.get(503, "POST", "/v1/capsules/c/exec?command=x", "")
}

func TestSessionRefusals(t *testing.T) {
	w := newWorld(t)
	w.get(202, "POST", "/v1/capsules", named("fresh"))
	w.running(nil)
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "SPDY/3.1"}
	socket := []string{"Connection", "Upgrade", "Upgrade", "websocket"}
	for _, c := range []struct {
		path    string
		status  int
		headers []string
	}{
		{"/v1/capsules/c/exec?stdout=1", 400, upgrade},                 // no command
		{"/v1/capsules/c/exec?command=x", 400, upgrade},                // no stream
		{"/v1/capsules/c/exec?command=x&stdout=perhaps", 400, upgrade}, // no boolean
		{"/v1/capsules/c/exec?command=x&command=a;b&stdout=1", 400, upgrade},
		{"/v1/capsules/c/exec?command=x&stdout=1", 400, nil}, // no upgrade
		{"/v1/capsules/c/exec?command=x&stdout=1&container=y", 404, upgrade},
		{"/v1/capsules/none/exec?command=x&stdout=1", 404, upgrade},
		{"/v1/capsules/fresh/exec?command=x&stdout=1", 409, upgrade},
		{"/v1/capsules/c/exec?command=x&stdout=1", 401, append([]string{"X-Auth-Token", "wrong"}, upgrade...)},
		{"/v1/capsules/c/exec?command=x&stdout=1", 404, append([]string{"X-Auth-Token", otherToken}, upgrade...)},
		{"/v1/capsules/c/exec?command=x&stdout=1", 403, append([]string{"X-Stream-Protocol-Version", "v9"}, upgrade...)},
		{"/v1/capsules/c/attach", 400, upgrade},
		{"/v1/capsules/fresh/attach?stdout=1", 409, upgrade},
		{"/v1/capsules/c/attach?stdout=1", 401, append([]string{"X-Auth-Token", "wrong"}, upgrade...)},
		{"/v1/capsules/c/portforward", 400, nil},
		{"/v1/capsules/c/portforward", 400, socket}, // no ports
		{"/v1/capsules/c/portforward?ports=0", 400, socket},
		{"/v1/capsules/c/portforward?ports=x", 400, socket},
		{"/v1/capsules/c/portforward?" + strings.Repeat("ports=1&", 101), 400, socket},
		{"/v1/capsules/fresh/portforward", 409, upgrade},
		{"/v1/capsules/none/portforward", 404, upgrade},
		{"/v1/capsules/c/portforward", 401, append([]string{"X-Auth-Token", "wrong"}, upgrade...)},
	} {
		resp := w.do("GET", c.path, "", c.headers...)
		if b, _ := io.ReadAll(resp.Body); resp.StatusCode != c.status {
			t.Errorf("%s: %s, want %d: %s", c.path, resp.Status, c.status, b)
		}
	}
	w.get(405, "DELETE", "/v1/capsules/c/exec", "")
}

// One session more than there may be is refused, and there is room again when one has ended.
// A session in which nothing is said is ended after a while, and not before: the deadlines of requests are not its own.
func TestIdleSessions(t *testing.T) {
	if remote.IdleTimeout != 4*time.Hour {
		t.Errorf("the kubelet waits four hours, this is %s", remote.IdleTimeout)
	}
	query := url.Values{"command": {"x"}, "stdin": {"1"}, "stdout": {"1"}}
	input, _ := io.Pipe()
	const short = 50 * time.Millisecond
	w := newWorld(t, func(cfg *api.Config, _ *http.Server) { cfg.StreamIdleTimeout = short })
	w.running(nil)
	w.exec = func(ctx context.Context, _ capsule.Session) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
	for name, e := range w.executors("/v1/capsules/c/exec", query) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: input, Stdout: io.Discard}); ctx.Err() != nil {
			t.Errorf("%s: it goes on: %v", name, err)
		}
		cancel()
	}

	w = newWorld(t, func(_ *api.Config, s *http.Server) {
		s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = short, short, short
	})
	w.running(nil)
	w.exec = func(_ context.Context, s capsule.Session) (int, error) {
		time.Sleep(5 * short) // there is no event in silence
		_, err := io.WriteString(s.Stdout, "still here")
		return 0, err
	}
	for name, e := range w.executors("/v1/capsules/c/exec", query) {
		var out strings.Builder
		if err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdin: input, Stdout: &out}); err != nil || out.String() != "still here" {
			t.Errorf("%s: %v, %q", name, err, out.String())
		}
	}
}

// One caller cannot have so many sessions that others get none.
func TestTooManySessions(t *testing.T) {
	w := newWorld(t)
	uuid := w.running(nil)
	begun, end := make(chan struct{}), make(chan struct{})
	w.exec = func(ctx context.Context, _ capsule.Session) (int, error) {
		begun <- struct{}{}
		select {
		case <-end:
		case <-ctx.Done():
		}
		return 0, nil
	}
	const limit = 1024
	answers := make(chan int, limit)
	for range limit {
		go func() {
			resp, err := w.post("/v1/capsules/c/exec?command=x")
			if err != nil {
				t.Error(err)
				answers <- 0
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			answers <- resp.StatusCode
		}()
	}
	for range limit {
		<-begun
	}
	w.get(429, "POST", "/v1/capsules/c/exec?command=x", "")
	w.get(429, "GET", "/v1/capsules/c/logs", "")
	go func() { <-begun }()
	if resp := w.do("POST", "/v1/capsules/"+uuid+"/exec?command=x", "", "X-Auth-Token", adminToken); resp.StatusCode != http.StatusOK {
		t.Errorf("another caller: %s", resp.Status)
	}
	close(end)
	for range limit {
		if status := <-answers; status != 200 {
			t.Errorf("status %d", status)
		}
	}
	go func() { <-begun }()
	if resp := w.do("POST", "/v1/capsules/c/exec?command=x", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("after all have ended: %s", resp.Status)
	}
}

// post may be called from any goroutine.
func (w *world) post(path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.url+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Auth-Token", userToken)
	return http.DefaultClient.Do(r)
}

// Kubernetes' clients show the reason of a refusal.
func TestRefusalIsTold(t *testing.T) {
	w := newWorld(t)
	w.get(202, "POST", "/v1/capsules", named("c"))
	for name, e := range w.executors("/v1/capsules/c/exec", url.Values{"command": {"x"}, "stdout": {"1"}}) {
		err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: io.Discard})
		if err == nil || !strings.Contains(err.Error(), "is not running") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// forwarded opens a local port that leads to port 80 of the capsule.
func (w *world) forwarded(how string) (address string) {
	w.Helper()
	u, err := url.Parse(w.url + "/v1/capsules/c/portforward")
	if err != nil {
		w.Fatal(err)
	}
	transport, upgrader, err := spdy.RoundTripperFor(w.client())
	if err != nil {
		w.Fatal(err)
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", u)
	if how == "WebSocket" {
		if dialer, err = portforward.NewSPDYOverWebsocketDialer(u, w.client()); err != nil {
			w.Fatal(err)
		}
	}
	stop, ready := make(chan struct{}), make(chan struct{})
	f, err := portforward.New(dialer, []string{"0:80"}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		w.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		defer close(done)
		done <- f.ForwardPorts()
	}()
	w.Cleanup(func() {
		close(stop)
		<-done //nolint:errcheck // it was stopped
	})
	select {
	case <-ready:
	case err := <-done:
		w.Fatalf("%s: %v", how, err)
	}
	ports, err := f.GetPorts()
	if err != nil {
		w.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local)
}

func TestPortForward(t *testing.T) {
	w := newWorld(t)
	w.running(nil)
	var lc net.ListenConfig
	server, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go func() { // answers when the other side has said everything
				defer conn.Close()
				b, _ := io.ReadAll(conn)
				_, _ = conn.Write(append([]byte("you said "), b...))
			}()
		}
	}()
	w.dial = func(ctx context.Context, port int32) (net.Conn, error) {
		if port != 80 {
			return nil, fmt.Errorf("nothing listens: %w", errdefs.ErrUnavailable)
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Addr().String())
	}
	for _, how := range []string{"SPDY", "WebSocket"} {
		address := w.forwarded(how)
		var open []net.Conn
		for range 5 { // at once
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
		for i, conn := range open {
			if _, err := fmt.Fprintf(conn, "hello %d", i); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(conn); err != nil || string(b) != fmt.Sprintf("you said hello %d", i) {
				t.Errorf("%s: %q, %v", how, b, err)
			}
			_ = conn.Close()
		}
	}
}
