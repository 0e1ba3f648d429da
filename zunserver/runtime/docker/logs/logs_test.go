package logs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/plugins/logdriver"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

var zero = time.Date(2026, 11, 20, 12, 0, 0, 5, time.UTC)

// writer writes a log as the engine does.
type writer struct {
	t    *testing.T
	dir  string
	n    int // entries
	part int // in parts of that many bytes; 0 is the engine's
}

func newWriter(t *testing.T) *writer {
	w := &writer{t: t, dir: t.TempDir(), part: 16 << 10}
	w.append(nil)
	return w
}

func (w *writer) append(b []byte) {
	w.t.Helper()
	f, err := os.OpenFile(generation(w.dir, 0), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(b)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *writer) encode(e *logdriver.LogEntry) []byte {
	w.t.Helper()
	b, err := e.Marshal()
	if err != nil {
		w.t.Fatal(err)
	}
	size := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	return append(append(bytes.Clone(size), b...), size...)
}

// line adds a line, a second after the one before.
func (w *writer) line(source, text string) {
	w.t.Helper()
	at := zero.Add(time.Duration(w.n) * time.Second).UnixNano()
	w.n++
	if len(text) <= w.part {
		w.append(w.encode(&logdriver.LogEntry{Source: source, TimeNano: at, Line: []byte(text)}))
		return
	}
	for i := 0; i < len(text); i += w.part {
		end := min(i+w.part, len(text))
		w.append(w.encode(&logdriver.LogEntry{Source: source, TimeNano: at, Line: []byte(text[i:end]), Partial: true,
			PartialLogMetadata: &logdriver.PartialLogEntryMetadata{Id: "x", Ordinal: int32(i / w.part), Last: end == len(text)}}))
	}
}

// rotate begins a new file and keeps that many.
func (w *writer) rotate(keep int) {
	w.t.Helper()
	for n := keep - 1; n > 0; n-- {
		if err := os.Rename(generation(w.dir, n-1), generation(w.dir, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.t.Fatal(err)
		}
	}
	w.append(nil)
}

func (w *writer) read(o capsule.LogOptions) (stdout, stderr string, err error) {
	var out, errs strings.Builder
	err = CopyFiles(w.t.Context(), generation(w.dir, 0), o, nil, &out, &errs)
	return out.String(), errs.String(), err
}

var all = capsule.LogOptions{Tail: -1}

func TestFiles(t *testing.T) {
	long := strings.Repeat("0123456789", 5000)
	base := func(w *writer) {
		w.line("stdout", "one")
		w.line("stderr", "two")
		w.rotate(5)
		w.line("stdout", long)
		w.rotate(5)
		w.line("stdout", "\xff\xfe\x00binary")
		w.line("stdout", "")
	}
	stamp := func(n int) string {
		return zero.Add(time.Duration(n)*time.Second).Format("2006-01-02T15:04:05.000000000Z") + " "
	}
	for name, c := range map[string]struct {
		opts           func(*capsule.LogOptions)
		stdout, stderr string
	}{
		"all":            {func(*capsule.LogOptions) {}, "one\n" + long + "\n\xff\xfe\x00binary\n\n", "two\n"},
		"none":           {func(o *capsule.LogOptions) { o.Tail = 0 }, "", ""},
		"last":           {func(o *capsule.LogOptions) { o.Tail = 1 }, "\n", ""},
		"last two":       {func(o *capsule.LogOptions) { o.Tail = 2 }, "\xff\xfe\x00binary\n\n", ""},
		"parts are one":  {func(o *capsule.LogOptions) { o.Tail = 3 }, long + "\n\xff\xfe\x00binary\n\n", ""},
		"of three files": {func(o *capsule.LogOptions) { o.Tail = 4 }, long + "\n\xff\xfe\x00binary\n\n", "two\n"},
		"more than all":  {func(o *capsule.LogOptions) { o.Tail = 9 }, "one\n" + long + "\n\xff\xfe\x00binary\n\n", "two\n"},
		"since":          {func(o *capsule.LogOptions) { o.Since = zero.Add(3 * time.Second) }, "\xff\xfe\x00binary\n\n", ""},
		"until":          {func(o *capsule.LogOptions) { o.Until = zero.Add(time.Second) }, "one\n", "two\n"},
		"one stamp a line": {func(o *capsule.LogOptions) { o.Timestamps, o.Tail = true, 4 },
			stamp(2) + long + "\n" + stamp(3) + "\xff\xfe\x00binary\n" + stamp(4) + "\n", stamp(1) + "two\n"},
	} {
		w := newWriter(t)
		base(w)
		o := all
		c.opts(&o)
		if stdout, stderr, err := w.read(o); err != nil || stdout != c.stdout || stderr != c.stderr {
			t.Errorf("%s: %.200q, %q, %v", name, stdout, stderr, err)
		}
	}
}

// A line whose parts lie in two files is one.
func TestLineAcrossFiles(t *testing.T) {
	w := newWriter(t)
	w.part = 4
	w.line("stdout", "before")
	entry := func(text string, last bool) {
		w.append(w.encode(&logdriver.LogEntry{Source: "stdout", Line: []byte(text), Partial: true,
			PartialLogMetadata: &logdriver.PartialLogEntryMetadata{Last: last}}))
	}
	entry("half ", false)
	w.rotate(3)
	entry("line", true)
	if stdout, _, err := w.read(capsule.LogOptions{Tail: 1}); err != nil || stdout != "half line\n" {
		t.Errorf("%q, %v", stdout, err)
	}
	entry("no end yet", false)
	if stdout, _, err := w.read(capsule.LogOptions{Tail: 1}); err != nil || stdout != "no end yet" {
		t.Errorf("%q, %v", stdout, err)
	}
}

// What the engine is writing is not there yet; what is no entry is an error and not an end.
func TestTornAndDamaged(t *testing.T) {
	w := newWriter(t)
	w.line("stdout", "whole")
	torn := w.encode(&logdriver.LogEntry{Source: "stdout", Line: []byte("torn")})
	w.append(torn[:len(torn)-3])
	for _, o := range []capsule.LogOptions{all, {Tail: 1}} {
		if stdout, _, err := w.read(o); err != nil || stdout != "whole\n" {
			t.Errorf("torn, %+v: %q, %v", o, stdout, err)
		}
	}
	w.append(torn[len(torn)-3:])
	w.append([]byte("this is no entry"))
	if stdout, _, err := w.read(all); err == nil || stdout != "whole\ntorn\n" {
		t.Errorf("damaged: %q, %v", stdout, err)
	}
	if _, _, err := (&writer{t: t, dir: filepath.Join(w.dir, "none")}).read(all); !errors.Is(err, ErrElsewhere) {
		t.Errorf("no files: %v", err)
	}
}

// gathered is what a follower got; it can be waited for.
type gathered struct {
	read    chan string
	allowed chan struct{} // nil admits every write
}

func (g *gathered) Write(b []byte) (int, error) {
	if g.allowed != nil {
		<-g.allowed
	}
	g.read <- string(b)
	return len(b), nil
}

// expect reads until all of want was read.
func (g *gathered) expect(t *testing.T, want string) {
	t.Helper()
	got := ""
	for len(got) < len(want) {
		select {
		case s := <-g.read:
			got += s
		case <-time.After(30 * time.Second):
			t.Fatalf("waits for %.300q, got %.300q", want, got)
		}
	}
	if got != want {
		t.Fatalf("got %.300q, want %.300q", got, want)
	}
}

func follow(t *testing.T, w *writer, g *gathered, tail int64) (end func() error) {
	ended, done := make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	go func() {
		done <- CopyFiles(ctx, generation(w.dir, 0), capsule.LogOptions{Tail: tail, Follow: true}, ended, g, g)
	}()
	return func() error { defer cancel(); close(ended); return <-done }
}

// A follower goes from file to file and loses nothing, not even of files that were rotated while it was not looking.
func TestFollow(t *testing.T) {
	w, g := newWriter(t), &gathered{read: make(chan string, 100)}
	w.line("stdout", "old")
	w.line("stdout", "last")
	end := follow(t, w, g, 1)
	g.expect(t, "last\n")
	w.line("stderr", "more")
	g.expect(t, "more\n")
	w.rotate(5)
	w.line("stdout", "in the next file")
	g.expect(t, "in the next file\n")
	w.rotate(5)
	w.line("stdout", "in a file")
	w.rotate(5)
	w.line("stdout", "in another")
	w.rotate(5)
	w.line("stdout", "last words")
	if err := end(); err != nil {
		t.Error(err)
	}
	g.expect(t, "in a file\nin another\nlast words\n")
}

// A reader that does not read holds the follower up, and the follower reads no further ahead.
func TestFollowSlowReader(t *testing.T) {
	w, g := newWriter(t), &gathered{read: make(chan string), allowed: make(chan struct{})}
	line := strings.Repeat("x", 16<<10)
	const lines = 1000
	for range lines {
		w.line("stdout", line)
	}
	end := follow(t, w, g, -1)
	total, largest, writes := 0, 0, 0
	for total < lines*(len(line)+1) {
		g.allowed <- struct{}{}
		s := <-g.read
		total, largest, writes = total+len(s), max(largest, len(s)), writes+1
	}
	if err := end(); err != nil || largest > 2*writeLength || writes < total/(2*writeLength) {
		t.Errorf("%v: at most %d bytes at once in %d writes", err, largest, writes)
	}
}

// A writer that fails ends the copy.
func TestWriteError(t *testing.T) {
	w := newWriter(t)
	w.line("stdout", "x")
	full := errors.New("full")
	if err := CopyFiles(t.Context(), generation(w.dir, 0), all, nil, failing{full}, nil); !errors.Is(err, full) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestFrames(t *testing.T) {
	var sent bytes.Buffer
	stdout, stderr := stdcopy.NewStdWriter(&sent, stdcopy.Stdout), stdcopy.NewStdWriter(&sent, stdcopy.Stderr)
	part := strings.Repeat("long ", partLength)[:partLength]
	for _, frame := range []struct {
		to   io.Writer
		text string
	}{{stdout, "T1 " + part}, {stderr, "T2 err\n"}, {stdout, "T3 line\n"}, {stdout, "T4 \xff\n"}, // the end of the line is told, and next it is not:
		{stdout, "T5 " + part}, {stdout, "T6 rest"}, {stdout, "T7 " + part}, {stdout, "T8 "}, {stdout, "T9 last\n"}} {
		fmt.Fprint(frame.to, frame.text)
	}
	for name, c := range map[string]struct {
		stamps         bool
		stdout, stderr string
	}{
		"stamps at the beginnings": {true, "T1 " + part + "line\nT4 \xff\nT5 " + part + "rest\nT7 " + part + "\nT9 last\n", "T2 err\n"},
	} {
		var out, errs strings.Builder
		err := CopyFrames(bytes.NewReader(sent.Bytes()), c.stamps, &out, &errs)
		if err != nil || out.String() != c.stdout || errs.String() != c.stderr {
			t.Errorf("%s: %q, %q, %v", name, out.String(), errs.String(), err)
		}
	}
	sent.Reset()
	for _, text := range []string{part, "line\n", "\xff\n", part, "rest", part, "", "last\n"} {
		head := make([]byte, headLength)
		head[0] = stdoutFrame
		binary.BigEndian.PutUint32(head[lengthOffset:], uint32(len(text)))
		sent.Write(append(head, text...))
	}
	var plain strings.Builder
	if err := CopyFrames(&sent, false, &plain, nil); err != nil || plain.String() != part+"line\n\xff\n"+part+"rest\n"+part+"\nlast\n" {
		t.Errorf("as it is: %d bytes, %v", plain.Len(), err)
	}
	for _, frame := range []string{"one\n", "two\n", "three\n"} {
		fmt.Fprint(stdout, frame)
	}
	var out strings.Builder
	if err := CopyFrames(bytes.NewReader(sent.Bytes()[:sent.Len()-2]), false, &out, nil); !errors.Is(err, io.ErrUnexpectedEOF) ||
		out.String() != "one\ntwo\n" {
		t.Errorf("cut off: %q, %v", out.String(), err)
	}
	sent.Reset()
	fmt.Fprint(stdcopy.NewStdWriter(&sent, stdcopy.Systemerr), "no such file")
	if err := CopyFrames(&sent, false, &out, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("the engine's error: %v", err)
	}
}
