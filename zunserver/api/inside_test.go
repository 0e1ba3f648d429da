package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// pair is a capsule of the user with two containers, of which web runs.
func (w *world) pair() (id string) {
	w.Helper()
	body := strings.Replace(small, `}]}}}`, `},{"name":"db","image":"db:1"}]}}}`, 1)
	id = w.get(http.StatusAccepted, "POST", "/v1/capsules", body)["uuid"].(string)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[id].Facts.Containers = []capsule.ContainerFacts{{Name: "web", Run: &capsule.Run{ID: "r", StartedAt: time.Unix(1, 0)}}, {Name: "db"}}
	return id
}

// Files of the containers of capsules go as Docker has them: a tar, and a header for what it is.
func TestCapsuleArchive(t *testing.T) {
	w := newWorld(t)
	id := w.pair()
	at := "/v1/capsules/" + id + "/archive?container=web&path="
	tar := strings.Repeat("no tar, but nobody here looks", 10_000) // more than a body of JSON may have
	if resp := w.do("PUT", at+"/tmp", tar, "Content-Type", "application/x-tar"); resp.StatusCode != http.StatusOK || string(w.archived) != tar {
		t.Errorf("%s, %d bytes came", resp.Status, len(w.archived))
	}
	for _, method := range []string{"GET", "HEAD"} {
		resp := w.do(method, at+"tmp", "") // as the engine takes it
		b, err := io.ReadAll(resp.Body)
		var stat capsule.PathStat
		words, err2 := base64.StdEncoding.DecodeString(resp.Header.Get("X-Docker-Container-Path-Stat"))
		if err2 == nil {
			err2 = json.Unmarshal(words, &stat)
		}
		if err != nil || err2 != nil || resp.StatusCode != http.StatusOK || stat.Name != "tmp" || stat.Size != 3 || resp.Header.Get("Content-Type") != "application/x-tar" {
			t.Errorf("%s: %s %v, %v %v %+v", method, resp.Status, resp.Header, err, err2, stat)
		}
		if want := map[string]string{"GET": tar, "HEAD": ""}[method]; string(b) != want {
			t.Errorf("%s: %d bytes", method, len(b))
		}
	}
	for _, try := range []struct {
		method, path, token string
		status              int
	}{
		{"GET", at + "/none", userToken, 404}, {"HEAD", at + "/none", userToken, 404}, {"PUT", at + "/none", userToken, 404},
		{"GET", at, userToken, 400}, {"PUT", at + strings.Repeat("x", 5000), userToken, 400},
		{"GET", "/v1/capsules/" + id + "/archive?path=/tmp", userToken, 400}, // of which container?
		{"GET", "/v1/capsules/" + id + "/archive?container=cache&path=/tmp", userToken, 404},
		{"GET", at + "/tmp", otherToken, 404}, {"PUT", at + "/tmp", otherToken, 404}, {"GET", at + "/tmp", "wrong", 401},
		{"POST", at + "/tmp", userToken, 405},
	} {
		if resp := w.do(try.method, try.path, "", "X-Auth-Token", try.token); resp.StatusCode != try.status {
			t.Errorf("%s %.80s: %s, want %d", try.method, try.path, resp.Status, try.status)
		}
	}
}

func TestCapsuleTop(t *testing.T) {
	w := newWorld(t)
	id := w.pair()
	if got := fmt.Sprint(w.get(200, "GET", "/v1/capsules/"+id+"/top?container=web&ps_args=aux", "", "Accept", nativeType)); got != "map[Processes:[[1]] Titles:[PID]]" || w.control[0] != `top web "aux"` {
		t.Errorf("%s, %q", got, w.control)
	}
	w.get(400, "GET", "/v1/capsules/web/top", "")
	w.get(404, "GET", "/v1/capsules/"+id+"/top?container=web", "", "X-Auth-Token", otherToken)
}

func TestCapsuleStats(t *testing.T) {
	w := newWorld(t)
	id := w.pair()
	w.stats = []capsule.Stats{{UUID: id, Usage: capsule.Usage{MemoryBytes: 7}, Containers: []capsule.ContainerStats{{Name: "web"}, {Name: "sidecar"}}}}
	if got := w.get(200, "GET", "/v1/capsules/web/stats", ""); got["memoryBytes"] != 7.0 || len(got["containers"].([]any)) != 2 {
		t.Errorf("%v", got)
	}
	got := w.get(200, "GET", "/v1/capsules/"+id+"/stats?container=web", "", "Accept", nativeType)["containers"].([]any)
	if len(got) != 1 || got[0].(map[string]any)["name"] != "web" {
		t.Errorf("%v", got)
	}
	w.get(409, "GET", "/v1/capsules/web/stats?container=db", "")
	w.get(404, "GET", "/v1/capsules/web/stats?container=cache", "")
	w.get(404, "GET", "/v1/capsules/web/stats", "", "X-Auth-Token", otherToken)
	w.stats[0].UUID = "another"
	w.get(503, "GET", "/v1/capsules/web/stats", "")
	w.all[id].Facts.Containers = nil
	w.get(409, "GET", "/v1/capsules/web/stats", "")
}
