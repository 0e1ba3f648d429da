package runtimetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// lines is a writer that can be read while it is written to, and tells when it was.
type lines struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written chan struct{} // holds one token after a write
}

func newLines() *lines { return &lines{written: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.written <- struct{}{}:
	default:
	}
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// awaitLine waits until a container has printed something.
func (b *bench) awaitLine(t *testing.T, id string) {
	t.Helper()
	ctx, cancel := context.WithCancel(b.context(t))
	defer cancel()
	out, done := newLines(), make(chan error, 1)
	go func() { done <- b.Host.Logs(ctx, id, capsule.LogOptions{Follow: true, Tail: -1}, out, out) }()
	select {
	case <-out.written:
	case err := <-done:
		t.Fatalf("it printed nothing: %v", err)
	}
	cancel()
	<-done //nolint:errcheck // it was cancelled
}

func (b *bench) logs(t *testing.T, id string, opts capsule.LogOptions) (stdout, stderr string) {
	t.Helper()
	var o, e strings.Builder
	if err := b.Host.Logs(b.context(t), id, opts, &o, &e); err != nil {
		t.Fatal(err)
	}
	return o.String(), e.String()
}

func testLogs(t *testing.T, b *bench) {
	b.sandbox(t)
	out := b.running(t, b.config("out", b.Print("one", "two", "three")...))
	bad := b.running(t, b.config("err", b.PrintErr("oops")...))
	c := b.ended(t, out)
	b.ended(t, bad)

	tests := map[string]struct {
		opts capsule.LogOptions
		want string
	}{
		"all":         {capsule.LogOptions{Tail: -1}, "one\ntwo\nthree\n"},
		"tail":        {capsule.LogOptions{Tail: 2}, "two\nthree\n"},
		"tail 0":      {capsule.LogOptions{}, ""},
		"long tail":   {capsule.LogOptions{Tail: 100}, "one\ntwo\nthree\n"},
		"since start": {capsule.LogOptions{Tail: -1, Since: c.CreatedAt}, "one\ntwo\nthree\n"},
		"since later": {capsule.LogOptions{Tail: -1, Since: c.FinishedAt.Add(time.Hour)}, ""},
		"until":       {capsule.LogOptions{Tail: -1, Until: c.CreatedAt.Add(-time.Hour)}, ""},
		"follow":      {capsule.LogOptions{Tail: -1, Follow: true}, "one\ntwo\nthree\n"},
	}
	for name, tt := range tests {
		if got, stderr := b.logs(t, out, tt.opts); got != tt.want || stderr != "" {
			t.Errorf("%s: %q and %q, want %q", name, got, stderr, tt.want)
		}
	}
	for stream, want := range map[capsule.Stream][2]string{"": {"", "oops\n"}, capsule.Stderr: {"", "oops\n"}, capsule.Stdout: {}} {
		if stdout, stderr := b.logs(t, bad, capsule.LogOptions{Tail: -1, Stream: stream}); [2]string{stdout, stderr} != want {
			t.Errorf("stderr, asked for %q: %q and %q", stream, stdout, stderr)
		}
	}
	stamped, _ := b.logs(t, out, capsule.LogOptions{Tail: 1, Timestamps: true})
	stamp, line, _ := strings.Cut(stamped, " ")
	if _, err := time.Parse(time.RFC3339Nano, stamp); err != nil || line != "three\n" {
		t.Errorf("timestamps: %q, %v", stamped, err)
	}
}

// testLogsBytes: what was printed is what is read, whatever it is.
func testLogsBytes(t *testing.T, b *bench) {
	b.sandbox(t)
	every := ""
	for n := range 256 {
		if n != '\n' {
			every += string([]byte{byte(n)})
		}
	}
	binary := b.running(t, b.config("binary", Program, "bytes"))
	b.ended(t, binary)
	if got, _ := b.logs(t, binary, capsule.LogOptions{Tail: -1}); got != every+"\n" {
		t.Errorf("every byte: %q", got)
	}
	long := strings.Repeat("0123456789", 10_000)
	id := b.running(t, b.config("app", b.Print("begin", long, "end")...))
	b.ended(t, id)
	if got, _ := b.logs(t, id, capsule.LogOptions{Tail: -1}); got != "begin\n"+long+"\nend\n" {
		t.Errorf("%d bytes: %.100q", len(got), got)
	}
	got, _ := b.logs(t, id, capsule.LogOptions{Tail: 2, Timestamps: true})
	stamps := regexp.MustCompile(`(?m)^[0-9-]+T[0-9:.]+Z `)
	if bare := stamps.ReplaceAllString(got, ""); bare != long+"\nend\n" || strings.Count(got, "Z ") != 2 {
		t.Errorf("with stamps: %d bytes, %.100q", len(got), got)
	}
}

// testLogsRotated: who follows gets every line of a log that is longer than what the engine keeps.
func testLogsRotated(t *testing.T, b *bench) {
	if !b.Engine {
		t.Skip("it has no files")
	}
	b.sandbox(t)
	const lines = 700_000 // of 100 bytes; an engine keeps 50 MB
	id := b.created(t, b.config("app", Program, "flood", itoa(lines)))
	ctx := b.context(t)
	if err := b.Host.Start(ctx, id); err != nil {
		t.Fatal(err)
	}
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := b.Host.Logs(ctx, id, capsule.LogOptions{Tail: -1, Follow: true}, out, out)
		_ = out.CloseWithError(err)
		done <- err
	}()
	n := 0
	for text := bufio.NewScanner(in); text.Scan(); n++ {
		if number, _, _ := strings.Cut(text.Text(), " "); number != itoa(n) {
			t.Errorf("line %d is %.40q", n, text.Text())
			break
		}
	}
	_ = in.Close()
	if err := <-done; n != lines || err != nil {
		t.Errorf("%d of %d lines, %v", n, lines, err)
	}
}

func testLogsFollow(t *testing.T, b *bench) {
	b.sandbox(t)
	id := b.running(t, b.config("app", b.Sleep...))
	follow := capsule.LogOptions{Tail: -1, Follow: true}

	done := make(chan error, 1)
	go func() { done <- b.Host.Logs(b.context(t), id, follow, io.Discard, io.Discard) }()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := b.Host.Logs(ctx, id, follow, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("followed until the context ended: %v", err)
	}
	select {
	case err := <-done:
		t.Fatalf("ended before the container: %v", err)
	default:
	}
	if err := b.Host.Stop(b.context(t), id, 0); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("followed until the container ended: %v", err)
		}
	case <-time.After(patience):
		t.Error("does not end with the container")
	}
}
