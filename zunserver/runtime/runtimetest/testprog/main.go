// Command testprog is the only program of the test image. It is small and behaves as its arguments say, so that one
// image serves every test of containers.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest/look"
)

const usage = `testprog sleep                 print a line; until SIGTERM or SIGINT, then exit 0
testprog ignore-term           print a line; until SIGKILL
testprog exit N [AFTER]        with code N after a duration
testprog print LINE…           to stdout
testprog print-err LINE…       to stderr
testprog bytes                 a line of every byte but the end of a line
testprog flood N               numbered lines of 100 bytes
testprog env                   print the environment, sorted
testprog hostname              print the host name
testprog cat [FILE]            copy a file, or stdin, to stdout
testprog write FILE TEXT       write a file
testprog terminal              print the size of the terminal, at first and at each change; answer lines; "exit N" ends it
testprog serve PORT            HTTP: / answers "ok", /env/NAME a variable
testprog pour PORT MB          TCP: so many megabytes to everybody who connects
testprog get URL               print the body; exit 1 unless the status is 200
testprog alloc MB              use that much memory, then sleep
testprog orphan                leave a child to PID 1 that ends at once, and print its PID
testprog zombies               print how many zombies there are in /proc
`

func main() {
	command, args := "", []string(nil)
	if len(os.Args) > 1 {
		command, args = os.Args[1], os.Args[2:]
	}
	code, err := run(command, args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testprog:", err)
	}
	os.Exit(code)
}

func run(command string, args []string) (code int, err error) {
	switch command {
	case "sleep":
		sleep()
		return 0, nil
	case "ignore-term":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		fmt.Println("ignoring")
		for {
			time.Sleep(time.Hour)
		}
	case "exit":
		return exit(args)
	case "print":
		return show(os.Stdout, args)
	case "print-err":
		return show(os.Stderr, args)
	case "bytes":
		return done(nil, everyByte())
	case "flood":
		if len(args) == 1 {
			return flood(args[0])
		}
	case "env":
		return show(os.Stdout, slices.Sorted(slices.Values(os.Environ())))
	case "hostname":
		name, err := os.Hostname()
		return done(err, name)
	case "cat":
		return cat(args)
	case "write":
		if len(args) == 2 {
			return done(os.WriteFile(args[0], []byte(args[1]), 0o644))
		}
	case "terminal":
		return terminal()
	case "serve":
		if len(args) == 1 {
			return serve(args[0])
		}
	case "pour":
		if len(args) == 2 {
			return pour(args[0], args[1])
		}
	case "get":
		if len(args) == 1 {
			return get(args[0])
		}
	case "fs":
		return done(look.Env{}.Run(args, os.Stdout))
	case "alloc":
		return alloc(args)
	case "orphan":
		return orphan(args)
	case "zombies":
		return zombies()
	}
	fmt.Fprint(os.Stderr, usage, look.Usage)
	return 64, nil
}

func everyByte() string {
	var line []byte
	for b := range 256 {
		if b != '\n' {
			line = append(line, byte(b))
		}
	}
	return string(line)
}

func flood(count string) (int, error) {
	n, err := strconv.Atoi(count)
	if err != nil {
		return 64, err
	}
	const width = 100
	out, line := bufio.NewWriterSize(os.Stdout, 64<<10), make([]byte, 0, width)
	for i := range n {
		line = append(strconv.AppendInt(line[:0], int64(i), 10), ' ')
		for len(line) < width-1 {
			line = append(line, '.')
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return 1, err
		}
	}
	return done(out.Flush())
}

func pour(port, megabytes string) (int, error) {
	n, err := strconv.Atoi(megabytes)
	if err != nil {
		return 64, err
	}
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return 1, err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return 1, err
		}
		go func() {
			for b, i := make([]byte, 1<<20), 0; i < n && err == nil; i++ {
				_, err = conn.Write(b)
			}
			_ = conn.Close()
		}()
	}
}

func done(err error, lines ...string) (int, error) {
	if err != nil {
		return 1, err
	}
	return show(os.Stdout, lines)
}

func sleep() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	fmt.Println("sleeping") // from here on a signal ends it with 0
	<-c
}

func exit(args []string) (int, error) {
	if len(args) == 0 {
		return 0, nil
	}
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return 64, err
	}
	if len(args) > 1 {
		d, err := time.ParseDuration(args[1])
		if err != nil {
			return 64, err
		}
		time.Sleep(d)
	}
	return code, nil
}

func show(w io.Writer, lines []string) (int, error) {
	b := bufio.NewWriter(w)
	for _, l := range lines {
		fmt.Fprintln(b, l)
	}
	if err := b.Flush(); err != nil {
		return 1, err
	}
	return 0, nil
}

func cat(args []string) (int, error) {
	in := os.Stdin
	if len(args) > 0 {
		f, err := os.Open(args[0])
		if err != nil {
			return 1, err
		}
		in = f
	}
	_, err := io.Copy(os.Stdout, in)
	return done(err)
}

// terminal says "size ROWS COLUMNS" and answers what is typed.
func terminal() (int, error) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
	}()
	for {
		size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			return 1, err
		}
		fmt.Printf("size %d %d\n", size.Row, size.Col)
	typing:
		for {
			select {
			case <-changes:
				break typing
			case line, more := <-lines:
				if !more {
					return 0, nil
				}
				if code, ends := strings.CutPrefix(line, "exit "); ends {
					return exit([]string{code})
				}
				fmt.Printf("answer to %s\n", line)
			}
		}
	}
}

func serve(port string) (int, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/env/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, os.Getenv(r.PathValue("name")))
	})
	failed := make(chan error, 1)
	go func() { failed <- http.ListenAndServe(":"+port, mux) }()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-failed:
		return 1, err
	case <-stop:
		return 0, nil
	}
}

// get tries for a few seconds: what it asks may only be starting.
func get(url string) (int, error) {
	var resp *http.Response
	var err error
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if resp, err = http.Get(url); err == nil {
			break
		}
	}
	if err != nil {
		return 1, err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		return 1, err
	}
	if resp.StatusCode != http.StatusOK {
		return 1, fmt.Errorf("status %s", resp.Status)
	}
	return 0, nil
}

func alloc(args []string) (int, error) {
	if len(args) == 0 {
		return 64, nil
	}
	mb, err := strconv.Atoi(args[0])
	if err != nil {
		return 64, err
	}
	b := make([]byte, mb<<20)
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 1
	}
	fmt.Println("allocated")
	sleep()
	runtime.KeepAlive(b)
	return 0, nil
}

// orphan starts itself twice: the first child starts the second and ends, so that the second belongs to PID 1. The
// second ends on its own a moment later.
func orphan(args []string) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	if len(args) > 0 && args[0] == "middle" {
		leaf := exec.Command(self, "exit", "0", "100ms")
		if err := leaf.Start(); err != nil {
			return 1, err
		}
		return done(nil, strconv.Itoa(leaf.Process.Pid))
	}
	middle := exec.Command(self, "orphan", "middle")
	middle.Stdout, middle.Stderr = os.Stdout, os.Stderr
	return done(middle.Run())
}

func zombies() (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 1, err
	}
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // ended since
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if strings.HasPrefix(rest, "Z") {
			n++
		}
	}
	return done(nil, strconv.Itoa(n))
}
