package inside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/capsulet/capsulet/zunserver/volume/layout"
)

// Exit codes of [Env.Run] besides 0.
const (
	ExitFailed = 1
	// ExitMissing: a subPath was not there and could not be made.
	ExitMissing = 3
)

// Env is where the program runs. The zero value is a sandbox.
type Env struct {
	// Place turns a path of the sandbox into one of this process, where they differ.
	Place func(string) string
}

func (e Env) at(path string) string {
	if e.Place == nil {
		return path
	}
	return e.Place(path)
}

// Run is the program: args are without its name. What fails is said on stderr, for people.
func (e Env) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := e.run(ctx, args, stdin, stdout)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, err)
	if errors.Is(err, layout.ErrMissing) {
		return ExitMissing
	}
	return ExitFailed
}

func (e Env) run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	command := strings.Join(args[:min(1, len(args))], "")
	rest := args[min(1, len(args)):]
	switch {
	case command == "fill" && len(rest) == 0:
		return e.fill(stdin)
	case command == "dial" && len(rest) == 0:
		return serve(ctx, stdin, stdout)
	case command == "subpath" && len(rest) == 2:
		path, err := layout.Resolve(e.at(rest[0]), rest[1])
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(path)
	case command == "usage":
		return e.usage(rest, stdout)
	case command == "signal" && len(rest) == 3:
		return signal(rest[0], rest[1], rest[2])
	case command == "read":
		return e.read(rest, stdout)
	default:
		return fmt.Errorf("there is no command %q", args)
	}
}

// usage prints what directories take of the disk.
func (e Env) usage(dirs []string, stdout io.Writer) error {
	sizes := make([]int64, 0, len(dirs))
	for _, d := range dirs {
		n, err := layout.Usage(e.at(d))
		if err != nil {
			return err
		}
		sizes = append(sizes, n)
	}
	return json.NewEncoder(stdout).Encode(sizes)
}

// read prints files of /proc, by name.
func (e Env) read(paths []string, stdout io.Writer) error {
	files := map[string][]byte{}
	for _, p := range paths {
		if p = filepath.Clean(p); !strings.HasPrefix(p, "/proc/") {
			return fmt.Errorf("%s is not in /proc", p)
		}
		b, err := os.ReadFile(e.at(p))
		if err != nil {
			return err
		}
		files[p] = b
	}
	return json.NewEncoder(stdout).Encode(files)
}
