package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/docker/docker/api/types/plugins/logdriver"
)

const (
	// sizeLength is the length of an entry's length, which stands before and behind it.
	sizeLength = 4
	// maxEntry is the largest entry that the engine itself reads.
	maxEntry = 1_000_000
	// readLength is how much is read at once.
	readLength = 128 << 10
)

// scanner reads the entries of a file that may grow. What is not there completely is not there yet.
type scanner struct {
	file *os.File
	// offset is where to read on, limit where to stop; 0 is no limit.
	offset, limit int64
	ahead         []byte // read and not used
	buffer        []byte
	entry         logdriver.LogEntry
}

func scan(f *os.File, offset, limit int64) *scanner {
	return &scanner{file: f, offset: offset, limit: limit}
}

// next returns the next entry, which is good until the next call; io.EOF when there is none (yet).
func (s *scanner) next() (*logdriver.LogEntry, error) {
	for {
		need := sizeLength
		if len(s.ahead) >= need {
			size := int(binary.BigEndian.Uint32(s.ahead))
			if size > maxEntry {
				return nil, s.damaged()
			}
			if need = size + 2*sizeLength; len(s.ahead) >= need {
				if int(binary.BigEndian.Uint32(s.ahead[need-sizeLength:])) != size {
					return nil, s.damaged()
				}
				reset(&s.entry)
				if err := s.entry.Unmarshal(s.ahead[sizeLength : sizeLength+size]); err != nil {
					return nil, errors.Join(s.damaged(), err)
				}
				s.ahead = s.ahead[need:]
				return &s.entry, nil
			}
		}
		if err := s.read(need); err != nil {
			return nil, err
		}
	}
}

// read brings more; need is how much there has to be room for.
func (s *scanner) read(need int) error {
	if want := max(need, readLength); cap(s.buffer) < want {
		s.buffer = make([]byte, want)
	}
	kept := copy(s.buffer, s.ahead)
	free := s.buffer[kept:]
	if s.limit > 0 && int64(len(free)) > s.limit-s.offset {
		free = free[:max(s.limit-s.offset, 0)]
	}
	n, err := s.file.ReadAt(free, s.offset)
	s.offset += int64(n)
	s.ahead = s.buffer[:kept+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.EOF // the limit
	}
	return err
}

// at is where the next entry begins.
func (s *scanner) at() int64 { return s.offset - int64(len(s.ahead)) }

func (s *scanner) damaged() error {
	return fmt.Errorf("the log file %s is damaged at %d", s.file.Name(), s.at())
}

// reset empties an entry and keeps its memory.
func reset(e *logdriver.LogEntry) {
	line := e.Line[:0]
	*e = logdriver.LogEntry{Line: line}
}

// ends says whether the entry is the end of a line, or all of it.
func ends(e *logdriver.LogEntry) bool {
	return !e.Partial || e.PartialLogMetadata == nil || e.PartialLogMetadata.Last
}

// tail finds where the last lines of a file begin. Newest: an end of the file inside a line counts as the end of that line.
// When there are not so many in it, found is false, and lines is how many are still to be found in older files.
func tail(f *os.File, size, lines int64, newest bool) (offset, missing int64, found bool, err error) {
	length := make([]byte, sizeLength)
	s := scan(f, 0, 0)
	for offset = size; offset > 0; {
		if _, err := f.ReadAt(length, offset-sizeLength); err != nil {
			return 0, 0, false, fmt.Errorf("find the last lines: %w", err)
		}
		before := offset - int64(binary.BigEndian.Uint32(length)) - 2*sizeLength
		s.offset, s.limit, s.ahead = max(before, 0), offset, nil
		if before < 0 {
			return 0, 0, false, s.damaged()
		}
		entry, err := s.next()
		if err != nil {
			return 0, 0, false, fmt.Errorf("find the last lines: %w", err)
		}
		if ends(entry) || newest && offset == size {
			if lines == 0 {
				return offset, 0, true, nil
			}
			lines--
		}
		offset = before
	}
	return 0, lines, false, nil
}
