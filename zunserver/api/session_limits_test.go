package api_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/remotecommand"

	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/api/remote"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

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
