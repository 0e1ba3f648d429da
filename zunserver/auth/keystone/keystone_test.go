package keystone

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/capsulet/capsulet/zunserver/auth"
)

// identity is a Keystone that knows what it is told.
type identity struct {
	*testing.T
	mu        sync.Mutex
	tokens    map[string]string // a token and what is said of it; a number is a status
	service   string            // the service user's token that is good now
	password  string
	logins    int
	questions atomic.Int32
	down      bool
	asked     chan struct{} // each question says so here and waits until hold is closed
	hold      chan struct{}
}

func (s *identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v3/auth/tokens" {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"password":"`+s.password+`"`) {
			http.Error(w, `{"error":{"code":401}}`, http.StatusUnauthorized)
			return
		}
		s.logins++
		s.service = fmt.Sprint("service-", s.logins)
		w.Header().Set("X-Subject-Token", s.service)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"token":{"expires_at":"2030-01-01T00:00:00.000000Z"}}`)
		return
	}
	if r.Header.Get("X-Auth-Token") != s.service || s.service == "" {
		http.Error(w, `{"error":{"code":401}}`, http.StatusUnauthorized)
		return
	}
	s.questions.Add(1)
	if s.hold != nil {
		s.mu.Unlock()
		s.asked <- struct{}{}
		<-s.hold
		s.mu.Lock()
	}
	said, ok := s.tokens[r.Header.Get("X-Subject-Token")]
	switch {
	case !ok:
		http.Error(w, "the token "+r.Header.Get("X-Subject-Token")+" is not known", http.StatusNotFound)
	case said[0] != '{':
		w.WriteHeader(map[string]int{"500": 500, "403": 403}[said])
		_, _ = io.WriteString(w, "about "+r.Header.Get("X-Subject-Token"))
	default:
		w.Header().Set("X-Subject-Token", r.Header.Get("X-Subject-Token"))
		_, _ = io.WriteString(w, `{"token":`+said+`}`)
	}
}

func (s *identity) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func token(expires time.Time, project string, roles ...string) string {
	named := []map[string]string{}
	for _, r := range roles {
		named = append(named, map[string]string{"id": r + "-id", "name": r})
	}
	t := map[string]any{"expires_at": expires.UTC().Format("2006-01-02T15:04:05.000000Z"), "user": map[string]string{"id": "u-id", "name": "u"}, "roles": named}
	if project != "" {
		t["project"] = map[string]string{"id": project, "name": project + "-name"}
	}
	b, _ := json.Marshal(t)
	return string(b)
}

// world is the authenticator, the Keystone behind it, the clock and the log.
type world struct {
	*identity
	k      *Keystone
	server *httptest.Server
	clock  time.Time
	log    *test.Hook
	file   string
}

func newWorld(t *testing.T) *world {
	logger, log := test.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	w := &world{identity: &identity{T: t, tokens: map[string]string{}, password: "service-password"}, clock: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), log: log}
	w.server = httptest.NewServer(w.identity)
	t.Cleanup(w.server.Close)
	w.file = filepath.Join(t.TempDir(), "password")
	w.writePassword("service-password")
	k, err := New(Config{URL: w.server.URL + "/v3", Username: "capsulet", UserDomain: "Default", PasswordFile: w.file, Project: "service",
		ProjectDomain: "Default", CacheTTL: time.Minute, Questions: auth.NewBudgets(1e-9, 50), Log: logrus.NewEntry(logger)})
	if err != nil {
		t.Fatal(err)
	}
	k.now = func() time.Time { return w.clock }
	w.k = k
	for name, said := range map[string]string{
		"good-token-of-a-user": token(w.clock.Add(time.Hour), "p1", "member", "reader"), "short": token(w.clock.Add(10*time.Second), "p1"),
		"expired": token(w.clock.Add(-time.Second), "p1"), "unscoped": token(w.clock.Add(time.Hour), ""), "broken": "500", "forbidden": "403",
	} {
		w.tokens[name] = said
	}
	return w
}

func (w *world) writePassword(password string) {
	if err := os.WriteFile(w.file, []byte(password+"\n"), 0o600); err != nil {
		w.Fatal(err)
	}
}

func (w *world) ask(token string) (auth.Identity, error) {
	r := httptest.NewRequest(http.MethodGet, "/v1/capsules", nil)
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	return w.k.Authenticate(r)
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		token string
		class func(error) bool
	}{
		{"good-token-of-a-user", nil},
		{"", errdefs.IsUnauthorized},
		{"unknown-token-of-a-stranger", errdefs.IsUnauthorized},
		{"expired", errdefs.IsUnauthorized},
		{"unscoped", errdefs.IsPermissionDenied},
		{"broken", errdefs.IsUnavailable},
		{"forbidden", errdefs.IsUnavailable},
	} {
		id, err := w.ask(tc.token)
		if (err == nil) != (tc.class == nil) || err != nil && (!tc.class(err) || id.User != "") {
			t.Errorf("%q: %+v, %v", tc.token, id, err)
		}
		if err != nil && tc.token != "" && strings.Contains(err.Error(), tc.token) && len(tc.token) > 10 {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
	id, err := w.ask("good-token-of-a-user")
	if err != nil || id.User != "u-id" || id.Project != "p1" || fmt.Sprint(id.Roles) != "[member reader]" || id.Admin {
		t.Errorf("%+v, %v", id, err)
	}
	if w.logins != 1 {
		t.Errorf("%d logins", w.logins)
	}
	for _, line := range w.log.AllEntries() {
		if text, _ := line.String(); strings.Contains(text, "token-of") || strings.Contains(text, "password") || strings.Contains(text, "about") {
			t.Errorf("a secret is logged: %s", text)
		}
	}
}

// TestAnswersAreBelievedForAWhile: one question in a minute for a good token, one in ten seconds for a bad one.
func TestAnswersAreBelievedForAWhile(t *testing.T) {
	w := newWorld(t)
	asked := func(token string) int32 {
		before := w.questions.Load()
		_, _ = w.ask(token)
		return w.questions.Load() - before
	}
	for _, step := range []struct {
		after time.Duration
		token string
		want  int32
	}{
		{0, "good-token-of-a-user", 1}, {59 * time.Second, "good-token-of-a-user", 0}, {time.Second, "good-token-of-a-user", 1},
		{0, "stranger", 1}, {9 * time.Second, "stranger", 0}, {time.Second, "stranger", 1},
	} {
		w.clock = w.clock.Add(step.after)
		if got := asked(step.token); got != step.want {
			t.Errorf("%s after %s: %d questions, want %d", step.token, step.after, got, step.want)
		}
	}
	w = newWorld(t)
	if _, err := w.ask("short"); err != nil {
		t.Fatal(err)
	}
	w.clock = w.clock.Add(10 * time.Second)
	if _, err := w.ask("short"); !errdefs.IsUnauthorized(err) {
		t.Errorf("a token that expired within the minute: %v", err)
	}
	w.change(func() { delete(w.tokens, "good-token-of-a-user") }) // revoked
	if _, err := w.ask("good-token-of-a-user"); !errdefs.IsUnauthorized(err) {
		t.Errorf("revoked before it was seen: %v", err)
	}
}

// TestKeystoneDown: who is known stays so for its minute, then nobody is let in, and all are when it is back.
func TestKeystoneDown(t *testing.T) {
	w := newWorld(t)
	if _, err := w.ask("good-token-of-a-user"); err != nil {
		t.Fatal(err)
	}
	w.change(func() { w.down = true })
	if _, err := w.ask("good-token-of-a-user"); err != nil {
		t.Errorf("known a moment ago: %v", err)
	}
	w.clock = w.clock.Add(time.Minute)
	for range 3 {
		if id, err := w.ask("good-token-of-a-user"); !errdefs.IsUnavailable(err) || id.User != "" {
			t.Errorf("after the minute: %+v, %v", id, err)
		}
	}
	if n := len(w.log.AllEntries()); n != 1 {
		t.Errorf("%d lines say so", n)
	}
	w.change(func() { w.down = false })
	if _, err := w.ask("good-token-of-a-user"); err != nil {
		t.Errorf("back again: %v", err)
	}
}

// TestServiceUser: its token may end and its password change, and nobody notices.
func TestServiceUser(t *testing.T) {
	w := newWorld(t)
	if _, err := w.ask("good-token-of-a-user"); err != nil {
		t.Fatal(err)
	}
	w.change(func() { w.service, w.password = "", "another-password" })
	w.clock = w.clock.Add(time.Minute)
	if _, err := w.ask("good-token-of-a-user"); !errdefs.IsUnavailable(err) {
		t.Errorf("with the old password: %v", err)
	}
	w.writePassword("another-password")
	if _, err := w.ask("good-token-of-a-user"); err != nil || w.logins != 2 {
		t.Errorf("with the new one: %v, %d logins", err, w.logins)
	}
}

// TestOneQuestionForAll: many requests with one token that come together cost one question.
func TestOneQuestionForAll(t *testing.T) {
	w := newWorld(t)
	if _, err := w.ask("short"); err != nil { // logs in
		t.Fatal(err)
	}
	w.change(func() { w.hold, w.asked = make(chan struct{}), make(chan struct{}) })
	before := w.questions.Load()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := w.ask("good-token-of-a-user"); err != nil {
				t.Error(err)
			}
		})
	}
	select {
	case <-w.asked:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody asks")
	}
	close(w.hold)
	all.Wait()
	if got := w.questions.Load() - before; got != 1 {
		t.Errorf("%d questions", got)
	}
}

// TestGuesses: who tries many tokens is told to wait, without a question to Keystone; who is known is not.
func TestGuesses(t *testing.T) {
	w := newWorld(t)
	if _, err := w.ask("good-token-of-a-user"); err != nil {
		t.Fatal(err)
	}
	exhausted := 0
	for i := range 60 {
		if _, err := w.ask(fmt.Sprint("guess-", i)); errdefs.IsResourceExhausted(err) {
			exhausted++
		}
	}
	if _, err := w.ask("good-token-of-a-user"); err != nil || exhausted != 11 || w.questions.Load() != 50 {
		t.Errorf("known: %v; %d refused, %d questions", err, exhausted, w.questions.Load())
	}
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte("x"), 0o644); err != nil { //nolint:gosec // that is the point
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"password that everybody reads": func(c *Config) { c.PasswordFile = open },
		"no password":                   func(c *Config) { c.PasswordFile = "/nope" },
		"no CA":                         func(c *Config) { c.CAFile = "/nope" },
		"CA that is none":               func(c *Config) { c.CAFile = w.file },
	} {
		cfg := w.k.cfg
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
