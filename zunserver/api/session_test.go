package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"

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
