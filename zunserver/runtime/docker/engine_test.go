package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/runtime/docker/classes"
)

// against opens a host whose engine is an HTTP handler.
func against(t *testing.T, engine http.HandlerFunc) *Host {
	t.Helper()
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	h, err := Open(t.Context(), Config{Endpoint: "tcp://" + strings.TrimPrefix(server.URL, "http://"), Instance: "i"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func TestPing(t *testing.T) {
	version := "1.41"
	var paths []string
	h := against(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		w.Header().Set("Api-Version", version)
		if strings.HasSuffix(r.URL.Path, "/info") {
			_, _ = io.WriteString(w, `{"ID":"x","Architecture":"aarch64","Labels":["a=b"]}`)
		}
	})
	info, err := h.Info(t.Context())
	if err != nil || info.Architecture != "arm64" || info.Labels["a"] != "b" || info.Near {
		t.Errorf("%+v, %v", info, err)
	}
	version = "1.44" // the engine was upgraded in its place
	if _, err := h.Info(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"/_ping", "/v1.41/info", "/_ping", "/v1.44/info"}; !slices.Equal(paths, want) {
		t.Errorf("%v", paths)
	}
}

func TestPingOfSomethingElse(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"not Docker": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
		"a proxy":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "starting", http.StatusServiceUnavailable) },
		"hangs up": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.Close()
			}
		},
	}
	for name, engine := range tests {
		if _, err := against(t, engine).Info(t.Context()); !errdefs.IsUnavailable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPingHasADeadline(t *testing.T) {
	h := against(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	began := time.Now()
	if _, err := h.Info(t.Context()); !errdefs.IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if took := time.Since(began); took > pingTimeout+time.Second {
		t.Errorf("took %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.Info(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline: %v", err)
	}
}

func TestPullErrors(t *testing.T) {
	tests := []struct {
		status int
		says   string
		class  error // nil: none
	}{
		{404, "manifest for x:1 not found: manifest unknown: manifest unknown", errdefs.ErrNotFound},
		{404, "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied", errdefs.ErrNotFound},
		{500, "Get https://r/v2/: unauthorized: authentication required", errdefs.ErrPermissionDenied},
		{500, "Get https://r/v2/: no basic auth credentials", errdefs.ErrPermissionDenied},
		{500, "Get https://r/v2/: dial tcp: lookup r on 10.0.0.1:53: no such host", errdefs.ErrUnavailable},
		{500, "Get https://r/v2/: net/http: TLS handshake timeout", errdefs.ErrUnavailable},
		{500, "toomanyrequests: You have reached your pull rate limit", errdefs.ErrUnavailable},
		{400, "invalid reference format", errdefs.ErrInvalidArgument},
		{500, "layers from manifest don't match image configuration", nil},
	}
	classes := []error{
		errdefs.ErrNotFound, errdefs.ErrPermissionDenied, errdefs.ErrUnavailable, errdefs.ErrInvalidArgument,
	}
	for _, inStream := range []bool{false, true} {
		for _, tt := range tests {
			h := against(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Api-Version", "1.41")
				switch {
				case !strings.HasSuffix(r.URL.Path, "/images/create"):
				case inStream:
					fmt.Fprintf(w, "{\"status\":\"Pulling\"}\n{\"errorDetail\":{},\"error\":%q}\n", tt.says)
				default:
					http.Error(w, tt.says, tt.status)
				}
			})
			_, err := h.Pull(t.Context(), "r/x:1", nil, nil)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q: %v", tt.says, err)
			}
			for _, c := range classes {
				if errors.Is(err, c) != (c == tt.class) { //nolint:errorlint // the sentinels themselves
					t.Errorf("stream %v, %q: is it %v? %v", inStream, tt.says, c, err)
				}
			}
		}
	}
}

func TestProgress(t *testing.T) {
	var told []string
	err := readProgress(strings.NewReader(`{"status":"Pulling from x"}
{"id":"a","status":"Downloading","progress":"[> ]"}
{"id":"a","status":"Downloading","progress":"[>>]"}
{"id":"b","status":"Downloading"}
{"id":"a","status":"Pull complete"}
`), func(s string) { told = append(told, s) })
	if want := []string{"Pulling from x", "a: Downloading", "b: Downloading", "a: Pull complete"}; err != nil || !slices.Equal(told, want) {
		t.Errorf("%v, %v", told, err)
	}
	if err := readProgress(strings.NewReader(`{"status":"x"}{"sta`), nil); !errdefs.IsUnavailable(classes.OfPull(err)) {
		t.Errorf("cut off: %v", err)
	}
}
