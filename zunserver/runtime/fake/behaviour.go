package fake

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Behaviour is what a process does. The zero value runs for ever and ends with 0 at once on its stop signal.
type Behaviour struct {
	// Exits: it ends by itself, After its start, with Code.
	Exits bool
	After time.Duration
	Code  int
	// OOM makes the end by itself a kill for memory: exit code 137 whatever Code says.
	OOM bool

	// IgnoreTERM: only SIGKILL ends it.
	IgnoreTERM bool
	// StopAfter is how long it takes to end after its stop signal, StopCode what it ends with.
	StopAfter time.Duration
	StopCode  int

	// StartError, when set, is the engine's reason for refusing to start it, such as "exec: not found"; StartCode is
	// the exit code shown then, 127 when 0.
	StartError string
	StartCode  int

	// Stdout and Stderr are lines printed right after the start.
	Stdout, Stderr []string

	// Echo: it prints the lines of its input, and ends with it when it has StdinOnce.
	Echo bool

	// Exec answers a command run in the container; nil always succeeds with 0.
	Exec func(ctx context.Context, cfg runtime.ExecConfig) int
}

// Program chooses the behaviour of a container from its configuration: its command, its name, its attempt. It is called
// once, at the start, with the image's ENTRYPOINT and CMD filled in where the configuration left them out: Command is
// the ENTRYPOINT and Args the CMD.
type Program func(cfg runtime.ContainerConfig) Behaviour

// TestprogPath is where the program of runtimetest's image lies.
const TestprogPath = "/testprog"

// Testprog behaves as the program of runtimetest's image does: the commands sleep, exit N [after], bytes, print LINE…,
// print-err LINE…, ignore-term, cat, serve PORT and alloc MB. It is what imported images run here. Another program than
// TestprogPath is not found.
func Testprog(cfg runtime.ContainerConfig) Behaviour {
	line := append(append([]string(nil), cfg.Command...), cfg.Args...)
	if len(line) == 0 || line[0] != TestprogPath {
		return Behaviour{StartError: fmt.Sprintf("exec: %q: executable file not found", first(line))}
	}
	b := testprog(cfg, line[1:])
	b.Exec = func(_ context.Context, x runtime.ExecConfig) int { return testprogExec(x) }
	return b
}

func testprog(cfg runtime.ContainerConfig, args []string) Behaviour {
	rest := []string(nil)
	if len(args) > 1 {
		rest = args[1:]
	}
	switch first(args) {
	case "sleep":
		return Behaviour{Stdout: []string{"sleeping"}}
	case "serve":
		return Behaviour{}
	case "cat":
		return Behaviour{Echo: true}
	case "exit":
		b := Behaviour{Exits: true, Code: number(rest, 0)}
		if len(rest) > 1 {
			b.After, _ = time.ParseDuration(rest[1])
		}
		return b
	case "bytes":
		return Behaviour{Exits: true, Stdout: []string{everyByte()}}
	case "print":
		return Behaviour{Exits: true, Stdout: rest}
	case "print-err":
		return Behaviour{Exits: true, Stderr: rest}
	case "ignore-term":
		return Behaviour{IgnoreTERM: true, Stdout: []string{"ignoring"}}
	case "alloc":
		limit := cfg.Resources.MemoryBytes
		if limit > 0 && int64(number(rest, 0))<<20 > limit {
			return Behaviour{Exits: true, OOM: true}
		}
		return Behaviour{}
	default:
		return Behaviour{Exits: true, Code: 64}
	}
}

// everyByte is a line of every byte but the end of a line.
func everyByte() string {
	var line []byte
	for b := range 256 {
		if b != '\n' {
			line = append(line, byte(b))
		}
	}
	return string(line)
}

func testprogExec(x runtime.ExecConfig) int {
	if first(x.Command) != TestprogPath {
		return 127
	}
	if len(x.Command) == 2 && x.Command[1] == "cat" {
		if x.Stdin != nil && x.Stdout != nil {
			_, _ = io.Copy(x.Stdout, x.Stdin)
		}
		return 0
	}
	b := testprog(runtime.ContainerConfig{}, x.Command[1:])
	writeLines(x.Stdout, b.Stdout)
	writeLines(x.Stderr, b.Stderr)
	return b.Code
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

func number(s []string, def int) int {
	n, err := strconv.Atoi(first(s))
	if err != nil {
		return def
	}
	return n
}
