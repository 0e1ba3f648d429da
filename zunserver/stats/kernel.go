package stats

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// buffer is room for one file of the kernel. What is read into it is there until the next one is.
type buffer struct{ data []byte }

var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 16<<10)} }}

// once reads a file of which the kernel gives everything at once, if there is room.
func (b *buffer) once(path string) ([]byte, error) { return b.read(path, false) }

// all reads a file that the kernel may give in parts.
func (b *buffer) all(path string) ([]byte, error) { return b.read(path, true) }

// read reads without package os, which would have the runtime try to wait for the file and ask how long it is: that costs as
// much again as reading it, and there are hundreds of them.
func (b *buffer) read(path string, toEnd bool) ([]byte, error) {
	var fd int
	err := again(func() (err error) { fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); return err })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	for have := 0; ; {
		if have == len(b.data) {
			b.data = slices.Grow(b.data, len(b.data))[:2*len(b.data)]
		}
		var n int
		err := again(func() (err error) { n, err = unix.Read(fd, b.data[have:]); return err })
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		have += n
		if n == 0 || !toEnd && have < len(b.data) {
			return b.data[:have], nil
		}
	}
}

// again repeats what a signal interrupted.
func again(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// number reads a file of one number.
func (b *buffer) number(path string) (uint64, error) {
	data, err := b.once(path)
	if err != nil {
		return 0, err
	}
	n, ok := digits(bytes.TrimSpace(data))
	if !ok {
		return 0, fmt.Errorf("%s has no number but %.32q", path, data)
	}
	return n, nil
}

// digits is a decimal number of nothing else.
func digits(text []byte) (n uint64, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' || n > (1<<64-1-9)/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, len(text) > 0
}

// value is a number that may not be there.
type value struct {
	n  uint64
	ok bool
}

// table finds the numbers of these names, eight at most, in lines of a name and a number. It does not look at what nobody asks
// for: it is most of such a file, and there are many files.
func table(data []byte, names ...string) (values [8]value) {
	for left := len(names); left > 0 && len(data) > 0; {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		name, rest, _ := bytes.Cut(line, []byte(" "))
		i := slices.IndexFunc(names, func(n string) bool { return n == string(name) })
		if i < 0 || values[i].ok {
			continue
		}
		number, _, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(" "))
		if values[i].n, values[i].ok = digits(number); values[i].ok {
			left--
		}
	}
	return values
}

// failed gives the end of a process its class.
func failed(what string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%s: %w: %w", what, err, errdefs.ErrNotFound)
	}
	return fmt.Errorf("%s: %w", what, err)
}
