package logs

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The head of a frame: the stream, three zeroes, the length (Docker's API, "Stream format").
const (
	headLength   = 8
	stdoutFrame  = 1
	stderrFrame  = 2
	systemFrame  = 3
	lengthOffset = 4
	// maxFrame is far more than an entry: who sends it does not speak this.
	maxFrame = 64 << 20
	// partLength is how long the parts are that an engine cuts a line in, all but the last (moby: daemon/logger/copier.go).
	partLength = 16 << 10
)

// CopyFrames copies what the engine sends of a log of two streams. With stamps each frame has one, and only that at the
// beginning of a line is kept: the engine cuts long lines in parts. After the last part of one it forgets the end of the line,
// with the log driver local (seen with 20.10).
func CopyFrames(from io.Reader, stamps bool, stdout, stderr io.Writer) error {
	out := newOutput(stdout, stderr, false)
	f := frames{in: bufio.NewReaderSize(from, readLength), out: out}
	for {
		stream, text, err := f.next()
		if errors.Is(err, io.EOF) {
			return out.flush()
		}
		if err != nil {
			return errors.Join(err, out.flush())
		}
		if err := out.frame(stream, text, stamps, stamps); err != nil {
			return err
		}
	}
}

// frame takes one of the engine's, which may be changed. It has a stamp with stamped, and shall show that with show.
func (o *output) frame(stream int, text []byte, stamped, show bool) error {
	part := text
	if stamped {
		_, part, _ = bytes.Cut(text, []byte{' '})
	}
	if o.within[stream] || !show {
		text = part
	}
	ends := bytes.HasSuffix(part, []byte{'\n'})
	if !ends && len(part) < partLength {
		text, ends = append(text, '\n'), true
	}
	o.within[stream] = !ends
	return o.text(stream, text)
}

// frames are read one after another.
type frames struct {
	in     *bufio.Reader
	out    *output
	buffer []byte
}

// next returns a frame, which is good until the next call; io.EOF at the end.
func (f *frames) next() (stream int, text []byte, err error) {
	head, err := f.read(headLength)
	if err != nil {
		return 0, nil, err
	}
	kind, size := head[0], int(binary.BigEndian.Uint32(head[lengthOffset:]))
	if size > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes", size)
	}
	if text, err = f.read(size); errors.Is(err, io.EOF) {
		return 0, nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return 0, nil, err
	}
	switch kind {
	case stdoutFrame:
		return 0, text, nil
	case stderrFrame:
		return 1, text, nil
	case systemFrame:
		return 0, nil, fmt.Errorf("the engine says: %s", bytes.TrimSpace(text))
	default:
		return 0, nil, fmt.Errorf("a frame of the unknown stream %d", kind)
	}
}

// read returns the next n bytes. It may be long until they are there, so what waits to be written is written before.
func (f *frames) read(n int) ([]byte, error) {
	if f.in.Buffered() < n {
		if err := f.out.flush(); err != nil {
			return nil, err
		}
	}
	if cap(f.buffer) < n {
		f.buffer = make([]byte, n)
	}
	_, err := io.ReadFull(f.in, f.buffer[:n])
	return f.buffer[:n], err
}
