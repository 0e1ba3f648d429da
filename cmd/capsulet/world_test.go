package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/translate/manifest"
	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/store"
)

const (
	adminToken = "a-token-of-the-administrator"
	userToken  = "a-token-of-a-user-of-p"
	patience   = 60 * time.Second
)

// world is a capsule server with a host in memory and a shell in front of it.
type world struct {
	*testing.T
	host *fake.Host
	url  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	for _, name := range []string{"CAPSULET_ENDPOINT", "CAPSULET_URL", "CAPSULET_TOKEN", "CAPSULET_TOKEN_FILE", "OS_CLOUD", "OS_AUTH_URL", "OS_TOKEN"} {
		t.Setenv(name, "")
	}
	w := &world{T: t, host: fake.New(fake.Config{Name: "h1", Instance: "test", VolumeDir: t.TempDir()})}
	w.host.AddImage("app", fake.Behaviour{Stdout: []string{"hello", "world"}})
	w.host.AddImage("job", fake.Behaviour{Exits: true, Code: 3})
	tokens, err := auth.NewTokens(map[string]auth.Identity{
		adminToken: auth.Administrator(), userToken: {User: "u", Project: "p"},
	})
	if err != nil {
		t.Fatal(err)
	}
	log, dir := logrus.New(), t.TempDir()
	log.SetOutput(io.Discard)
	srv, err := zunserver.New(t.Context(), zunserver.Config{
		Instance: "test", StateDir: dir, RunDir: filepath.Join(dir, "run"), Auth: tokens, Log: logrus.NewEntry(log),
		FromPod: manifest.Capsule, UpgradeSettle: 50 * time.Millisecond,
		Store: store.Config{DataDir: filepath.Join(dir, "etcd"), SealKey: make([]byte, 32), DetectChanges: true},
		Hosts: []zunserver.HostConfig{{Name: "h1", Address: "192.0.2.1"}},
		Open:  func(context.Context, zunserver.HostConfig) (runtime.Host, error) { return w.host, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // ends in Cleanup, after t's context
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	web := httptest.NewServer(srv.Handler())
	w.url = web.URL
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		cancel()
		if err := errors.Join(<-ended, srv.Close()); err != nil {
			t.Errorf("the server ended with: %v", err)
		}
	})
	t.Setenv("CAPSULET_ENDPOINT", w.url)
	t.Setenv("CAPSULET_TOKEN", userToken)
	return w
}

// ran is what a command printed and how it ended.
type ran struct {
	out, err string
	code     int
}

// run runs a command line, whose words have spaces between, or single quotes around; input is its input.
func (w *world) run(input, line string) ran {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	return w.runWith(ctx, strings.NewReader(input), line)
}

func (w *world) runWith(ctx context.Context, input io.Reader, line string) ran {
	w.Helper()
	root := newRoot()
	var out, errOut bytes.Buffer
	root.SetIn(input)
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs(split(line))
	c, err := root.ExecuteContextC(ctx)
	message, code := client.Tell(c, err)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		w.Fatalf("capsulet %s did not end", line)
	}
	return ran{out.String(), errOut.String() + message, code}
}

func split(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// ok runs a command line that has to succeed and returns what it printed.
func (w *world) ok(input, line string) string {
	w.Helper()
	r := w.run(input, line)
	if r.code != 0 {
		w.Fatalf("capsulet %s: exit code %d\n%s%s", line, r.code, r.out, r.err)
	}
	return r.out
}

// prints compares what a command line prints, apart from what differs from day to day.
func (w *world) prints(want, line string) {
	w.Helper()
	if d := cmp.Diff(strings.TrimPrefix(want, "\n"), usual(w.ok("", line))); d != "" {
		w.Errorf("capsulet %s (-want +got):\n%s", line, d)
	}
}

// fails runs a command line that has to end with the code, and tells each of the words.
func (w *world) fails(code int, input, line string, words ...string) {
	w.Helper()
	r := w.run(input, line)
	if r.code != code {
		w.Errorf("capsulet %s: exit code %d, want %d: %s%s", line, r.code, code, r.out, r.err)
	}
	for _, word := range words {
		if !strings.Contains(r.err, word) {
			w.Errorf("capsulet %s: %q does not say %q", line, r.err, word)
		}
	}
}

var unusual = []struct {
	pattern *regexp.Regexp
	usual   string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "DATE"},
	{regexp.MustCompile(`\b\d+(ms|s)\b`), "0s"},
	{regexp.MustCompile(`172\.\d+\.\d+\.\d+`), "ADDRESS"},
	{regexp.MustCompile(` +`), " "},
}

// usual replaces what differs from day to day.
func usual(text string) string {
	for _, u := range unusual {
		text = u.pattern.ReplaceAllString(text, u.usual)
	}
	return text
}

func template(name, image string) string {
	return fmt.Sprintf("kind: capsule\nmetadata: {name: %s, labels: {app: %[1]s, image: %[2]s}}\nspec:\n"+
		"  restartPolicy: Never\n  containers:\n  - {name: main, image: %[2]s, imagePullPolicy: Never, resources: {requests: {cpu: 0.1, memory: 64}}}\n", name, image)
}
