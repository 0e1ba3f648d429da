package sockets_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// No frame ends within a character, for python-zunclient decodes them one by one; what is no text arrives nevertheless, and before
// more of it comes.
func TestCharacters(t *testing.T) {
	for _, c := range []struct{ name, says, frames string }{
		{"whole", "añb|€", "añb|€"},
		{"cut", "a\xc3|\xb1\xe2|\x82|\xac!", "a|ñ|€!"},
		{"four bytes", "\xf0\x9f\x98|\x80", "😀"},
		{"at the end", "a\xe2\x82", "a|\xe2\x82"},
		{"no text", "\xff\xfe|\x80\x80\x80\x80|a\xe9|b", "\xff\xfe|\x80\x80\x80\x80|a|\xe9b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.exec = func(_ context.Context, _ []string, s capsule.Session) (int, error) {
				for part := range strings.SplitSeq(c.says, "|") {
					_, _ = io.WriteString(s.Stdout, part)
				}
				return 0, nil
			}
			conn := w.join(w.ask("POST", "/v1/execute?command=sh&tty"))
			var frames []string
			for {
				_, b, err := conn.ReadMessage()
				if err != nil {
					break
				}
				frames = append(frames, string(b))
			}
			if got := strings.Join(frames, "|"); got != c.frames {
				t.Errorf("%q, want %q", got, c.frames)
			}
		})
	}
	w := newWorld(t)
	w.attach = func(_ context.Context, s capsule.Session) error {
		_, _ = io.WriteString(s.Stdout, "\xe9") // é in ISO 8859-1
		_, _ = s.Stdin.Read(make([]byte, 1))
		return nil
	}
	if _, b, err := w.join(w.ask("GET", "/v1/attach")).ReadMessage(); err != nil || string(b) != "\xe9" {
		t.Errorf("%q %v", b, err)
	}
}
