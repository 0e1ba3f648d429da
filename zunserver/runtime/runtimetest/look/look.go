// Package look is the part of testprog that looks at files. Fakes run it too, so that a test of volumes reads the same on a
// host in memory and on an engine.
package look

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Usage is one line for each command.
const Usage = `testprog fs stat PATH          type, mode, user and group of what PATH leads to
testprog fs read PATH          its content
testprog fs link PATH          where a link points to
testprog fs list DIR           names, sorted, on one line
testprog fs write PATH TEXT    write a file
testprog fs fill PATH BYTES    write a file of so many bytes
testprog fs symlink TO PATH    make a link
testprog fs memory DIR         whether it is on a tmpfs, and its size
`

// Env says where paths are. The zero value is the container itself.
type Env struct {
	// Place turns a path of the container into one of this process.
	Place func(path string) (place string, readOnly bool)
}

// Run runs one command, which is without "fs".
func (e Env) Run(args []string, out io.Writer) error {
	if len(args) < 2 {
		return fmt.Errorf("what to do?\n%s", Usage)
	}
	path := args[1]
	if args[0] == "symlink" && len(args) == 3 {
		path = args[2]
	}
	readOnly := false
	if e.Place != nil {
		path, readOnly = e.Place(path)
	}
	switch command := args[0]; {
	case readOnly && (command == "write" || command == "fill" || command == "symlink"):
		return &os.PathError{Op: command, Path: path, Err: syscall.EROFS}
	case command == "stat":
		return stat(path, out)
	case command == "read":
		b, err := os.ReadFile(path)
		if err == nil {
			_, err = out.Write(b)
		}
		return err
	case command == "link":
		to, err := os.Readlink(path)
		_, _ = io.WriteString(out, to)
		return err
	case command == "list":
		return list(path, out)
	case command == "write" && len(args) == 3:
		return os.WriteFile(path, []byte(args[2]), 0o644) //nolint:gosec // a test
	case command == "fill" && len(args) == 3:
		n, err := strconv.Atoi(args[2])
		if err == nil {
			err = os.WriteFile(path, make([]byte, n), 0o644) //nolint:gosec // a test
		}
		return err
	case command == "symlink" && len(args) == 3:
		return os.Symlink(args[1], path)
	case command == "memory":
		return memory(path, out)
	}
	return fmt.Errorf("there is no command %q", args)
}

func stat(path string, out io.Writer) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	s := info.Sys().(*syscall.Stat_t)
	kind := "file"
	if info.IsDir() {
		kind = "dir"
	}
	_, err = fmt.Fprintf(out, "%s %04o %d %d", kind, s.Mode&0o7777, s.Uid, s.Gid)
	return err
}

func list(path string, out io.Writer) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		names = append(names, filepath.Base(e.Name()))
	}
	_, err = io.WriteString(out, strings.Join(names, " "))
	return err
}

func memory(path string, out io.Writer) error {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%t %d", s.Type == unix.TMPFS_MAGIC, int64(s.Blocks)*s.Bsize)
	return err
}
