package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/image"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// registry is one of the registry API, version 2, with one image of one layer that needs a login.
type registry struct {
	blobs    map[string][]byte // by digest
	manifest []byte
	user     string
	password string
}

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func newRegistry(t *testing.T, user, password string) *registry {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	text := []byte("of a registry with a login\n")
	if err := w.WriteHeader(&tar.Header{Name: "note", Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	config := encoded(t, map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{"Cmd": []string{"/none"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer.Bytes())}},
	})
	part := func(mediaType string, b []byte) map[string]any {
		return map[string]any{"mediaType": mediaType, "size": len(b), "digest": digest(b)}
	}
	return &registry{
		user: user, password: password, blobs: map[string][]byte{digest(config): config, digest(layer.Bytes()): layer.Bytes()},
		manifest: encoded(t, map[string]any{
			"schemaVersion": 2, "mediaType": manifestType, "config": part("application/vnd.docker.container.image.v1+json", config),
			"layers": []any{part("application/vnd.docker.image.rootfs.diff.tar", layer.Bytes())},
		}),
	}
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (r *registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if user, password, ok := q.BasicAuth(); !ok || user != r.user || password != r.password {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
		return
	}
	b, mediaType := r.manifest, manifestType
	if _, id, ok := strings.Cut(q.URL.Path, "/blobs/"); ok {
		b, mediaType = r.blobs[id], "application/octet-stream"
	} else if !strings.Contains(q.URL.Path, "/manifests/") {
		b, mediaType = []byte("{}"), "application/json"
	}
	if b == nil {
		http.NotFound(w, q)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", digest(b))
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	if q.Method == http.MethodGet {
		_, _ = w.Write(b)
	}
}

// An image behind a login is pulled with the right one of several, and not without.
func TestPullWithLogin(t *testing.T) {
	h := open(t, "test-registry")
	server := httptest.NewServer(newRegistry(t, "u", "hush"))
	defer server.Close()
	domain := strings.TrimPrefix(server.URL, "http://")
	ref := domain + "/team/app:1"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := h.RemoveImage(ctx, ref); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	if _, err := h.Pull(deadline(t), ref, nil, nil); !errdefs.IsPermissionDenied(err) && !errdefs.IsNotFound(err) {
		t.Fatalf("without a login: %v", err)
	}
	_, err := h.Pull(deadline(t), ref, &runtime.RegistryAuth{Username: "u", Password: "wrong", ServerAddress: domain}, nil)
	if err == nil || strings.Contains(err.Error(), "wrong") {
		t.Fatalf("with a wrong password: %v", err)
	}
	puller := image.NewPuller(h)
	img, err := puller.Ensure(deadline(t), image.Request{Ref: ref, Credentials: []capsule.Credential{
		{Server: domain, Username: "u", Password: "old"}, {Server: domain, Username: "u", Password: "hush"},
	}})
	if err != nil || img.ID == "" {
		t.Fatalf("with the right one of two: %+v, %v", img, err)
	}
	if found, err := h.Image(deadline(t), ref); err != nil || found.ID != img.ID {
		t.Errorf("%+v, %v", found, err)
	}
}
