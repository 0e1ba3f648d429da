package notify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/notify"
)

// receiver is an HTTP server that remembers what it has accepted.
type receiver struct {
	t      *testing.T
	url    string
	mu     sync.Mutex
	got    []notify.Message
	tries  int
	answer func(try int) int // nil: 200
	more   chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{t: t, more: make(chan struct{}, 1)}
	s := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var m notify.Message
	if err != nil || json.Unmarshal(body, &m) != nil {
		r.t.Errorf("no notification: %s, %v", body, err)
	}
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write(body)
	if req.Header.Get("X-Capsulet-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) || req.Header.Get("X-Capsulet-Event") != m.EventType ||
		req.Header.Get("X-Capsulet-Delivery") != m.MessageID || strings.Contains(string(body), "top secret") {
		r.t.Errorf("headers %v, body %s", req.Header, body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	status := http.StatusOK
	if r.answer != nil {
		status = r.answer(r.tries)
	}
	if r.tries++; status == http.StatusOK {
		r.got = append(r.got, m)
	}
	w.WriteHeader(status)
	select {
	case r.more <- struct{}{}:
	default: // until has not looked since the one before
	}
}

// until waits for a try after which ok.
func (r *receiver) until(what string, ok func(got []notify.Message, tries int) bool) []notify.Message {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		got, tries := slices.Clone(r.got), r.tries
		r.mu.Unlock()
		if ok(got, tries) {
			return got
		}
		select {
		case <-r.more:
		case <-deadline:
			r.t.Fatalf("never: %s; got %s", what, types(got))
		}
	}
}

func (r *receiver) last(eventType string) []notify.Message {
	r.t.Helper()
	return r.until(eventType, func(got []notify.Message, _ int) bool {
		return len(got) > 0 && got[len(got)-1].EventType == eventType
	})
}

func types(got []notify.Message) string {
	var list []string
	for _, m := range got {
		list = append(list, m.EventType)
	}
	return strings.Join(list, " ")
}

func (r *receiver) target() notify.Target { return notify.Target{URL: r.url, Secret: []byte("s3cret")} }
