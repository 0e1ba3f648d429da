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
)

// CopyFrames copies what the engine sends of a log of two streams. With stamps each frame has one, and only that at the
// beginning of a line is kept: the engine cuts long lines in parts.
func CopyFrames(from io.Reader, stamps bool, stdout, stderr io.Writer) error {
	in := bufio.NewReaderSize(from, readLength)
	out := newOutput(stdout, stderr, false)
	var frame []byte
	head := make([]byte, headLength)
	for {
		if in.Buffered() < headLength { // it may be long until more comes
			if err := out.flush(); err != nil {
				return err
			}
		}
		if _, err := io.ReadFull(in, head); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return errors.Join(err, out.flush())
		}
		size := int(binary.BigEndian.Uint32(head[lengthOffset:]))
		if size > maxFrame {
			return errors.Join(fmt.Errorf("a frame of %d bytes", size), out.flush())
		}
		if cap(frame) < size {
			frame = make([]byte, size)
		}
		frame = frame[:size]
		if in.Buffered() < size {
			if err := out.flush(); err != nil {
				return err
			}
		}
		if _, err := io.ReadFull(in, frame); err != nil {
			return errors.Join(io.ErrUnexpectedEOF, err, out.flush())
		}
		stream := 0
		switch head[0] {
		case stdoutFrame:
		case stderrFrame:
			stream = 1
		case systemFrame:
			return errors.Join(fmt.Errorf("the engine says: %s", bytes.TrimSpace(frame)), out.flush())
		default:
			return errors.Join(fmt.Errorf("a frame of the unknown stream %d", head[0]), out.flush())
		}
		text := frame
		if stamps && out.within[stream] {
			_, text, _ = bytes.Cut(text, []byte{' '})
		}
		out.within[stream] = !bytes.HasSuffix(text, []byte{'\n'})
		if err := out.text(stream, text); err != nil {
			return err
		}
	}
}
