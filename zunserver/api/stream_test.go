package api_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

func TestWatch(t *testing.T) {
	w := newWorld(t)
	resp := w.do("GET", "/v1/capsules?watch=true&since=41", "", "Accept", nativeType)
	if resp.StatusCode != http.StatusOK || w.since != 41 || resp.Header.Get("Content-Type") != nativeType {
		t.Fatalf("%s since %d", resp.Status, w.since)
	}
	lines := bufio.NewReader(resp.Body)
	next := func(want string) {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want) {
			t.Fatalf("%q, %v; want %s", line, err, want)
		}
	}
	own, other := &capsule.Capsule{UUID: "own", Project: "p1"}, &capsule.Capsule{UUID: "other", Project: "p2"}
	w.events <- store.CapsuleEvent{Kind: store.Put, Capsule: other, Revision: 42}
	w.events <- store.CapsuleEvent{Kind: store.Put, Capsule: own, Revision: 43}
	next(`{"type":"PUT","revision":43,"capsule":{"uuid":"own"`)
	w.events <- store.CapsuleEvent{Kind: store.Bookmark, Revision: 50}
	next(`{"type":"BOOKMARK","revision":50}`)
	w.events <- store.CapsuleEvent{Kind: store.Delete, Capsule: own, Revision: 51}
	next(`{"type":"DELETE","revision":51,"capsule":{"uuid":"own"`)
	w.events <- store.CapsuleEvent{Kind: store.Error, Err: fmt.Errorf("compacted: %w", errdefs.ErrOutOfRange)}
	next(`{"type":"ERROR","status":410,"detail":"watch capsules: compacted"`)
	if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
}

// Everybody may watch: in Zun's form, from what is there on, and only what has some labels.
func TestWatchInZunsForm(t *testing.T) {
	w := newWorld(t)
	made := w.get(202, "POST", "/v1/capsules", strings.Replace(named("there"), `{"name"`, `{"labels":{"app":"web"},"name"`, 1))
	w.get(202, "POST", "/v1/capsules", named("unlabelled"))
	resp := w.do("GET", "/v1/capsules?watch=true&label=app%3Dweb", "", "OpenStack-API-Version", "container 1.40")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	lines := bufio.NewReader(resp.Body)
	next := func(kind, uuid, status string) {
		t.Helper()
		line, err := lines.ReadString('\n')
		var got struct {
			Type    string
			Capsule struct{ UUID, Status string }
		}
		if err == nil {
			err = json.Unmarshal([]byte(line), &got)
		}
		if err != nil || got.Type != kind || got.Capsule.UUID != uuid || got.Capsule.Status != status {
			t.Fatalf("%q, %v; want %s %s %s", line, err, kind, uuid, status)
		}
	}
	next("PUT", made["uuid"].(string), "Creating")
	next("BOOKMARK", "", "")
	with := func(uuid, app string) *capsule.Capsule {
		return &capsule.Capsule{UUID: uuid, Project: "p1", Spec: capsule.Spec{Labels: map[string]string{"app": app}}}
	}
	w.events <- store.CapsuleEvent{Kind: store.Put, Capsule: with("a", "web"), Revision: 43}
	next("PUT", "a", "Creating")
	w.events <- store.CapsuleEvent{Kind: store.Put, Capsule: with("a", "db"), Revision: 44} // it leaves
	next("DELETE", "a", "Creating")
	w.events <- store.CapsuleEvent{Kind: store.Put, Capsule: with("a", "db"), Revision: 45} // nobody is told twice
	w.events <- store.CapsuleEvent{Kind: store.Delete, Capsule: with("a", "db"), Revision: 46}
	w.events <- store.CapsuleEvent{Kind: store.Put, Capsule: with("c", "db"), Revision: 46} // nor of others
	w.events <- store.CapsuleEvent{Kind: store.Put, Capsule: with("b", "web"), Revision: 47}
	next("PUT", "b", "Creating")

	list := w.get(200, "GET", "/v1/capsules?labels=app%3Dweb", "")
	if n := len(list["capsules"].([]any)); n != 1 {
		t.Errorf("%d capsules have the label", n)
	}
	if n := len(w.get(200, "GET", "/v1/capsules?labels=!app", "")["capsules"].([]any)); n != 1 {
		t.Errorf("%d capsules do not have the label", n)
	}
	w.get(400, "GET", "/v1/capsules?labels=%3D%3D", "")
	w.get(400, "GET", "/v1/capsules?watch=true&label=a%20in", "")
}

func TestWatchOfCompactedRevision(t *testing.T) {
	w := newWorld(t)
	w.events <- store.CapsuleEvent{Kind: store.Error, Err: fmt.Errorf("compacted: %w", errdefs.ErrOutOfRange)}
	w.get(410, "GET", "/v1/capsules?watch=true&since=1", "", "Accept", nativeType)
}

func TestLogs(t *testing.T) {
	w := newWorld(t)
	w.get(202, "POST", "/v1/capsules", named("c"))
	w.log = func(stdout, stderr io.Writer) error {
		_, err := fmt.Fprintln(stdout, "out")
		_, err2 := fmt.Fprintln(stderr, "err")
		return errors.Join(err, err2)
	}
	read := func(query string) string {
		t.Helper()
		resp := w.do("GET", "/v1/capsules/c/logs"+query, "")
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s, %v: %s", resp.Status, err, b)
		}
		return string(b)
	}
	if got := read(""); got != "out\nerr\n" || w.logCall != "c web previous=false follow=false timestamps=false tail=-1 since=0001-01-01T00:00:00Z until=0001-01-01T00:00:00Z stream=" {
		t.Errorf("%q by %s", got, w.logCall)
	}
	read("?container=web&previous=1&follow=true&timestamps=True&tail=0&since=60&until=2026-11-20T12:00:00Z")
	if w.logCall != "c web previous=true follow=true timestamps=true tail=0 since=1970-01-01T00:01:00Z until=2026-11-20T12:00:00Z stream=" {
		t.Error(w.logCall)
	}
	for query, stream := range map[string]string{"?stdout=1": "stdout", "?stderr=true": "stderr", "?stdout=1&stderr=1": "", "?stdout=0&stderr=1&tail=all": "stderr"} {
		if read(query); !strings.HasSuffix(w.logCall, " stream="+stream) {
			t.Errorf("%s: %s", query, w.logCall)
		}
	}
	for query, status := range map[string]int{"?container=x": 404, "?stderr=1&tail=1": 400, "?stdout=x": 400, "?tail=-1": 400, "?since=x": 400, "?follow=x": 400} {
		w.get(status, "GET", "/v1/capsules/c/logs"+query, "")
	}
	for err, status := range map[error]int{errdefs.ErrNotFound: 404, errdefs.ErrUnavailable: 503, io.ErrUnexpectedEOF: 500} {
		w.log = func(io.Writer, io.Writer) error { return fmt.Errorf("no log: %w", err) }
		w.get(status, "GET", "/v1/capsules/c/logs", "")
	}
	w.get(404, "GET", "/v1/capsules/c/logs", "", "X-Auth-Token", otherToken)
}

// A stream that breaks does not look complete, and output goes out before the log ends.
func TestLogsFlushAndBreak(t *testing.T) {
	w := newWorld(t)
	w.get(202, "POST", "/v1/capsules", named("c"))
	seen := make(chan struct{})
	w.log = func(stdout, _ io.Writer) error {
		if _, err := io.WriteString(stdout, "first"); err != nil {
			return err
		}
		<-seen
		return errors.New("engine died")
	}
	resp := w.do("GET", "/v1/capsules/c/logs?follow=1", "")
	first := make([]byte, 5)
	_, err := io.ReadFull(resp.Body, first)
	close(seen)
	if err != nil || string(first) != "first" {
		t.Fatalf("%q, %v", first, err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the broken stream ended as if it were complete")
	}
}

// The head of the answer does not wait for the first line.
func TestLogsFollowSilence(t *testing.T) {
	w := newWorld(t)
	w.get(202, "POST", "/v1/capsules", named("c"))
	release := make(chan struct{})
	w.log = func(io.Writer, io.Writer) error { <-release; return nil }
	resp := w.do("GET", "/v1/capsules/c/logs?follow=1", "")
	close(release)
	if rest, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || len(rest) > 0 || err != nil {
		t.Errorf("%s %q %v", resp.Status, rest, err)
	}
}
