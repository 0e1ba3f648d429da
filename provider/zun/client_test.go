package zun

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// serve starts a server that answers one request with what answer writes and returns a client of it.
func serve(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Auth-Token") != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := New(Config{Endpoint: server.URL, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCreate(t *testing.T) {
	spec := capsule.Spec{Name: "web", RestartPolicy: capsule.RestartAlways,
		Containers: []capsule.ContainerSpec{{Name: "a", Image: "b", ImagePullPolicy: corev1.PullAlways}}}
	const uid = "11111111-2222-3333-4444-555555555555"
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Template struct {
				Metadata struct{ Name, UID string }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Template.Metadata.UID != uid {
			t.Errorf("template %+v, %v", body, err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/v1/capsules" || r.Header.Get("Accept") != mediaType {
			t.Errorf("request %s %s %v", r.Method, r.URL, r.Header)
		}
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(capsule.Capsule{UUID: uid, Spec: spec, Revision: 9007199254740993})
	})
	got, err := c.Create(t.Context(), spec, uid)
	if err != nil {
		t.Fatal(err)
	}
	if got.UUID != uid || got.Revision != 9007199254740993 {
		t.Errorf("got %+v", got)
	}
}

func TestRequests(t *testing.T) {
	var asked string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.String()
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == "/":
			_, _ = io.WriteString(w, `{"versions":[],"capsulet":{"extensions":["watch","native"]}}`)
		case r.URL.Path == "/v1/hosts":
			_, _ = io.WriteString(w, `{"hosts":[{"name":"h","up":true}],"revision":3}`)
		case r.URL.Path == "/v1/capsules/stats":
			_, _ = io.WriteString(w, `{"capsules":[{"uuid":"u","cpuNanos":7,"containers":[{"name":"a"}]}],"hosts":[{"name":"h"}]}`)
		case strings.HasSuffix(r.URL.Path, "/logs"):
			_, _ = io.WriteString(w, "hello\n")
		case r.URL.Path == "/v1/capsules":
			_, _ = io.WriteString(w, `{"capsules":[{"uuid":"u"}],"revision":7}`)
		default:
			_, _ = io.WriteString(w, `{"uuid":"u"}`)
		}
	})
	ctx, grace := t.Context(), int64(5)
	if ext, err := c.Extensions(ctx); err != nil || strings.Join(ext, ",") != "native,watch" {
		t.Errorf("extensions %v, %v", ext, err)
	}
	if list, rev, err := c.List(ctx); err != nil || rev != 7 || len(list) != 1 || list[0].UUID != "u" {
		t.Errorf("list %v %d %v", list, rev, err)
	}
	if one, err := c.Get(ctx, "u"); err != nil || one.UUID != "u" {
		t.Errorf("get %v %v", one, err)
	}
	if hosts, err := c.Hosts(ctx); err != nil || len(hosts) != 1 || !hosts[0].Up {
		t.Errorf("hosts %v %v", hosts, err)
	}
	if s, err := c.Stats(ctx); err != nil || len(s.Capsules) != 1 || s.Capsules[0].CPUNanos != 7 || s.Hosts[0].Name != "h" {
		t.Errorf("stats %+v %v", s, err)
	}
	if err := c.Delete(ctx, "u", &grace); err != nil || asked != "DELETE /v1/capsules/u?grace_period=5" {
		t.Errorf("delete %q %v", asked, err)
	}
	if err := c.GiveUp(ctx, "u"); err != nil || asked != "DELETE /v1/capsules/u?grace_period=0&force=true" {
		t.Errorf("delete by force %q %v", asked, err)
	}
	if one, err := c.Update(ctx, "u", capsule.Spec{Name: "n"}); err != nil || one.UUID != "u" || asked != "PATCH /v1/capsules/u?upgrade=false" {
		t.Errorf("update %q %v %v", asked, one, err)
	}
	opts := capsule.LogOptions{Follow: true, Tail: 0, Since: time.Unix(1, 0)}
	log, err := c.Logs(ctx, "u", "a", true, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if text, _ := io.ReadAll(log); string(text) != "hello\n" {
		t.Errorf("log %q", text)
	}
	if want := "GET /v1/capsules/u/logs?container=a&follow=true&previous=true&since=1970-01-01T00%3A00%3A01Z&tail=0"; asked != want {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

func TestErrorClasses(t *testing.T) {
	for status, class := range classes {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"errors":[{"status":1,"detail":"because"}]}`)
		})
		_, err := c.Get(t.Context(), "u")
		if !errors.Is(err, class) || !strings.Contains(err.Error(), "because") {
			t.Errorf("%d: %v, want class %v", status, err, class)
		}
	}
	down := httptest.NewServer(nil)
	down.Close()
	c, err := New(Config{Endpoint: down.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Hosts(t.Context()); !errdefs.IsUnavailable(err) {
		t.Errorf("unreachable: %v", err)
	}
	if _, err := New(Config{Endpoint: "localhost:9517"}); !errdefs.IsInvalidArgument(err) {
		t.Errorf("bad endpoint: %v", err)
	}
}

func TestWatch(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "watch=true&since=4" {
			t.Errorf("query %q", r.URL.RawQuery)
		}
		_, _ = io.WriteString(w, `{"type":"PUT","revision":5,"capsule":{"uuid":"u"}}
{"type":"BOOKMARK","revision":6}
{"type":"DELETE","revision":7,"capsule":{"uuid":"u"}}
{"type":"ERROR","status":410,"errors":[{"detail":"compacted"}]}
`)
	})
	events, err := c.Watch(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var last Event
	for e := range events {
		got = append(got, string(e.Type))
		last = e
	}
	if strings.Join(got, " ") != "PUT BOOKMARK DELETE ERROR" || !errdefs.IsOutOfRange(last.Err) {
		t.Errorf("events %v, last %v", got, last.Err)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	events, err := c.Watch(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for e := range events {
		if e.Type != Broken {
			t.Errorf("event %+v", e)
		}
	}
}
