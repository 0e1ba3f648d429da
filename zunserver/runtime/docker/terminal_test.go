package docker_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

// At a terminal every key goes to the program at once, also those that `docker attach` is left with.
func TestKeysAtATerminal(t *testing.T) {
	h := open(t, "test-keys")
	app := standing(t, h, "test-keys")
	app.Command, app.Stdin, app.TTY = []string{runtimetest.Program, "cat"}, true, true
	id := run(t, h, app)
	for name, open := range map[string]func(context.Context, io.Reader, io.Writer) error{
		"exec": func(ctx context.Context, in io.Reader, out io.Writer) error {
			_, err := h.Exec(ctx, id, runtime.ExecConfig{Command: app.Command, TTY: true, Stdin: in, Stdout: out})
			return err
		},
		"attach": func(ctx context.Context, in io.Reader, out io.Writer) error {
			return h.Attach(ctx, id, capsule.Session{TTY: true, Stdin: in, Stdout: out})
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(deadline(t))
			defer cancel()
			in, keys := io.Pipe()
			screen, out := io.Pipe()
			go func() { _ = out.CloseWithError(fmt.Errorf("the session ended: %w", open(ctx, in, out))) }()
			typing := func(what, shows string) {
				t.Helper()
				if _, err := io.WriteString(keys, what); err != nil {
					t.Fatal(err)
				}
				seen, b := "", make([]byte, 64)
				for !strings.Contains(seen, shows) {
					n, err := screen.Read(b)
					if seen += string(b[:n]); err != nil {
						t.Fatalf("after %q the screen shows %q: %v", what, seen, err)
					}
				}
			}
			typing("\x10", "^P")
			if _, err := io.WriteString(keys, "\x11"); err != nil { // ctrl-q shows nothing: it has the screen go on
				t.Fatal(err)
			}
			typing("still here\n", "still here\r\n\x10still here\r\n")
		})
	}
}
