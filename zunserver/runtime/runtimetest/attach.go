package runtimetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// attachment is one that goes on.
type attachment struct {
	input  *io.PipeWriter
	output *lines
	done   chan error
}

func (b *bench) attach(ctx context.Context, id string) *attachment {
	r, w := io.Pipe()
	a := &attachment{w, newLines(), make(chan error, 1)}
	go func() { a.done <- b.Host.Attach(ctx, id, capsule.Session{Stdin: r, Stdout: a.output}) }()
	return a
}

// says writes a line and waits until it comes back.
func (a *attachment) says(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(a.input, line+"\n"); err != nil {
		t.Fatal(err)
	}
	a.hears(t, line)
}

// hears waits for a line.
func (a *attachment) hears(t *testing.T, line string) {
	t.Helper()
	for !strings.Contains(a.output.String(), line) {
		select {
		case <-a.output.written:
		case err := <-a.done:
			t.Fatalf("the attachment ended: %v", err)
		}
	}
}

func testAttach(t *testing.T, b *bench) {
	b.sandbox(t)
	cfg := b.config("app", b.Cat...)
	cfg.Stdin, cfg.StdinOnce = true, true
	once := b.running(t, cfg)
	a := b.attach(b.context(t), once)
	a.says(t, "one")
	a.says(t, "two")
	if err := a.input.Close(); err != nil { // the end of the input is the end of cat
		t.Fatal(err)
	}
	if err := <-a.done; err != nil || a.output.String() != "one\ntwo\n" {
		t.Errorf("attached until its end: %v, %q", err, a.output.String())
	}
	if c := b.ended(t, once); c.ExitCode != 0 {
		t.Errorf("ended with %d", c.ExitCode)
	}
	is(t, "after its end", b.Host.Attach(b.context(t), once, capsule.Session{}), errdefs.ErrFailedPrecondition)

	cfg = b.config("many", b.Cat...)
	cfg.Stdin = true
	many := b.running(t, cfg)
	for range 2 { // the second finds it as the first left it
		ctx, cancel := context.WithCancel(b.context(t))
		a := b.attach(ctx, many)
		a.says(t, "hello")
		cancel()
		if err := <-a.done; !errors.Is(err, context.Canceled) {
			t.Errorf("detached: %v", err)
		}
		_ = a.input.Close()
	}
	// The end of one's input is not the end of what one hears.
	first, second := b.attach(b.context(t), many), b.attach(b.context(t), many)
	first.says(t, "my last words")
	if err := first.input.Close(); err != nil {
		t.Fatal(err)
	}
	second.says(t, "go on")
	first.hears(t, "go on")
	if c := b.inspect(t, many); c.State != capsule.StateRunning {
		t.Errorf("after two attachments: %s", c.State)
	}
	is(t, "of nothing", b.Host.Attach(b.context(t), "no-such-container", capsule.Session{}), errdefs.ErrNotFound)
}
