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
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/plugins/logdriver"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// ErrElsewhere says that there are no log files where they are looked for.
var ErrElsewhere = errors.New("the log is not kept in these files")

const (
	current = "container.log"
	// oldest is the highest number that a rotated file is looked for with.
	oldest = 100
	// shortest and longest are how long a follower waits before it looks again.
	shortest, longest = 10 * time.Millisecond, 200 * time.Millisecond
)

// Path is the file that an engine writes the log of a container to that has the driver "local". Rotated ones are beside it, with
// a number behind their name.
func Path(engineRoot, id string) string {
	return filepath.Join(engineRoot, "containers", id, "local-logs", current)
}

// CopyFiles copies the log of which that is the file. With Follow it goes on until ended is closed and everything is copied.
func CopyFiles(ctx context.Context, path string, opts capsule.LogOptions, ended <-chan struct{}, stdout, stderr io.Writer) error {
	dir := filepath.Dir(path)
	files, err := generations(dir)
	if err != nil {
		return err
	}
	c := copier{dir: dir, opts: opts, out: newOutput(stdout, stderr, opts.Timestamps)}
	defer func() { closeAll(files) }()
	starts, sizes, err := begin(files, opts)
	if err != nil {
		return err
	}
	for i, f := range files {
		newest := i == len(files)-1
		if newest && opts.Follow {
			files = nil // follow closes it
			return c.follow(ctx, f, starts[i], ended)
		}
		if starts[i] >= sizes[i] {
			continue
		}
		if err := c.drain(ctx, scan(f, starts[i], sizes[i])); err != nil {
			return err
		}
	}
	return nil
}

// generations opens the files of a log, oldest first.
func generations(dir string) ([]*os.File, error) {
	for {
		var files []*os.File
		for n := range oldest {
			f, err := os.Open(generation(dir, n))
			if err != nil && n == 0 {
				return nil, fmt.Errorf("%w: %w", ErrElsewhere, err)
			}
			if err != nil {
				break
			}
			files = append([]*os.File{f}, files...)
		}
		newest := files[len(files)-1]
		if same(newest, generation(dir, 0)) { // else they were rotated meanwhile
			return files, nil
		}
		closeAll(files)
	}
}

// generation is the path of a file; 0 is the one that is written to.
func generation(dir string, n int) string {
	if n == 0 {
		return filepath.Join(dir, current)
	}
	return filepath.Join(dir, current+"."+strconv.Itoa(n))
}

func same(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // it was only read
	}
}

// begin is where to begin in each file, and where each ends now.
func begin(files []*os.File, opts capsule.LogOptions) (starts, sizes []int64, err error) {
	starts, sizes = make([]int64, len(files)), make([]int64, len(files))
	lines, found := opts.Tail, opts.Tail < 0
	for i := len(files) - 1; i >= 0; i-- {
		info, err := files[i].Stat()
		if err != nil {
			return nil, nil, fmt.Errorf("look at a log file: %w", err)
		}
		sizes[i] = info.Size()
		newest := i == len(files)-1
		if newest && !found {
			if sizes[i], err = complete(files[i], sizes[i]); err != nil {
				return nil, nil, err
			}
		}
		switch {
		case opts.Tail < 0:
		case found:
			starts[i] = sizes[i]
		default:
			if starts[i], lines, found, err = tail(files[i], sizes[i], lines, newest); err != nil {
				return nil, nil, err
			}
		}
	}
	return starts, sizes, nil
}

// copier copies entries to where they belong.
type copier struct {
	dir  string
	opts capsule.LogOptions
	out  *output
}

// drain copies what is there.
func (c *copier) drain(ctx context.Context, s *scanner) error {
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		entry, err := s.next()
		if errors.Is(err, io.EOF) {
			return c.out.flush()
		}
		if err != nil {
			return errors.Join(err, c.out.flush())
		}
		if err := c.add(entry); err != nil {
			return err
		}
	}
}

func (c *copier) add(e *logdriver.LogEntry) error {
	stream := 0
	if e.Source == "stderr" {
		stream = 1
	}
	at := time.Unix(0, e.TimeNano)
	if at.Before(c.opts.Since) || !c.opts.Until.IsZero() && at.After(c.opts.Until) {
		return nil
	}
	return c.out.add(stream, at, e.Line, ends(e))
}

// follow copies from offset on, from file to file, and closes f.
func (c *copier) follow(ctx context.Context, f *os.File, offset int64, ended <-chan struct{}) error {
	s := scan(f, offset, 0)
	defer func() { _ = s.file.Close() }() // it was only read
	for pause := shortest; ; pause = min(2*pause, longest) {
		// What is asked before the file is read to its end is still true of all that was read.
		over, rotated, before := closed(ended), !same(s.file, generation(c.dir, 0)), s.at()
		over = over || !c.opts.Until.IsZero() && time.Now().After(c.opts.Until)
		if err := c.drain(ctx, s); err != nil {
			return err
		}
		if rotated {
			next, err := c.successor(s.file)
			if err != nil {
				return err
			}
			if next != nil {
				_ = s.file.Close() // it was only read
				s, pause = scan(next, 0, 0), shortest
				continue
			}
		}
		if over {
			return nil
		}
		if s.at() != before {
			pause = shortest
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
		case <-time.After(pause):
		}
	}
}

// successor opens the file that was written after f; the oldest if f was rotated out of sight, nil while there is none.
func (c *copier) successor(f *os.File) (next *os.File, err error) {
	files, err := generations(c.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // in the middle of a rotation, or with the container
	}
	if err != nil {
		return nil, fmt.Errorf("follow a rotated log: %w", err)
	}
	at := slices.IndexFunc(files, func(one *os.File) bool { return sameFile(one, f) }) + 1
	for i, one := range files {
		if i == at {
			next = one
		} else {
			_ = one.Close() // it was only read
		}
	}
	return next, nil
}

func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// complete is where the last entry that is there completely ends: the engine may be writing.
func complete(f *os.File, size int64) (int64, error) {
	length, again := make([]byte, sizeLength), make([]byte, sizeLength)
	if size >= 2*sizeLength {
		if _, err := f.ReadAt(length, size-sizeLength); err != nil {
			return 0, fmt.Errorf("look at a log file: %w", err)
		}
		if begin := size - int64(binary.BigEndian.Uint32(length)) - 2*sizeLength; begin >= 0 {
			if _, err := f.ReadAt(again, begin); err == nil && bytes.Equal(length, again) {
				return size, nil
			}
		}
	}
	s := scan(f, 0, size)
	for {
		if _, err := s.next(); errors.Is(err, io.EOF) {
			return s.at(), nil
		} else if err != nil {
			return 0, err
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
