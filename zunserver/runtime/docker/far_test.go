package docker_test

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/inside"
	"github.com/capsulet/capsulet/zunserver/network"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
	"github.com/capsulet/capsulet/zunserver/stats"
	"github.com/capsulet/capsulet/zunserver/volume"
	"github.com/capsulet/capsulet/zunserver/volume/volumetest"
)

// insideProgram is built once for each test binary.
var insideProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "capsulet-inside-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path, err := runtimetest.BuildInside(context.Background(), dir) //nolint:forbidigo // no test's end is the build's
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// far opens the engine as one whose machine is out of reach.
func far(t *testing.T, instance string) *docker.Host {
	t.Helper()
	content, err := insideProgram()
	program := filepath.Join(t.TempDir(), "inside")
	if err == nil {
		err = os.WriteFile(program, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	near := false
	h, err := docker.Open(t.Context(), docker.Config{Endpoint: endpoint(t), Instance: instance, Near: &near, Inside: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	if _, err := runtimetest.BuildImage(deadline(t), h); err != nil {
		t.Fatal(err)
	}
	return h
}

// volumeSubject is what both drivers are tested on: this machine's engine.
func volumeSubject(t *testing.T) volumetest.Subject {
	t.Helper()
	instance := "suite-" + uuid.NewString()[:8]
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return volumetest.Subject{
		Host: far(t, instance), Instance: instance, HostDir: dir, Engine: true, Limits: true,
		Made: func(path string) bool { info, err := os.Stat(path); return err == nil && info.IsDir() },
	}
}

func TestVolumesOfANearHost(t *testing.T) {
	volumetest.Run(t, func(t *testing.T) volumetest.Subject {
		s := volumeSubject(t)
		state, err := os.MkdirTemp("/run", "capsulet-suite-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = volume.RemoveTree(state) })
		s.Driver = volume.Near{StateDir: filepath.Join(state, "state"), RunDir: filepath.Join(state, "run")}
		return s
	})
}

func TestVolumesOfAFarHost(t *testing.T) {
	volumetest.Run(t, func(t *testing.T) volumetest.Subject {
		s := volumeSubject(t)
		s.Driver, s.Inside = volume.NewFar(s.Host), true
		return s
	})
}

// A port of a capsule and what it and its host use, through the engine alone.
func TestFarNetworkAndStatistics(t *testing.T) {
	instance := "suite-" + uuid.NewString()[:8]
	h := far(t, instance)
	sandbox, app := capsuleOn(t, h, instance)
	sandbox.Network, sandbox.Inside = "", true
	app.Image, app.Command = runtimetest.ImageRef, []string{runtimetest.Program, "serve", "8080"}
	id := run(t, h, sandbox)
	appID := run(t, h, app)
	dialer := network.NewFar(h)
	ctx := deadline(t)
	conn, err := dialer.Dial(ctx, network.Target{ID: id}, 8080)
	for err != nil { // until the app listens
		if ctx.Err() != nil || !strings.Contains(err.Error(), "refused") {
			t.Fatal(err)
		}
		conn, err = dialer.Dial(ctx, network.Target{ID: id}, 8080)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(conn); err != nil || !strings.Contains(string(b), "200 OK") {
		t.Errorf("%q, %v", b, err)
	}
	_ = conn.Close()

	abandon(t, h, id)
	meter := stats.NewFar(h)
	u, err := meter.Container(appID, 0)
	if err != nil || u.CPUNanos == 0 || u.WorkingSetBytes == 0 {
		t.Errorf("%+v, %v", u, err)
	}
	if n, err := meter.Network(id, 0); err != nil || len(n) != 1 || n[0].RxBytes == 0 {
		t.Errorf("%+v, %v", n, err)
	}
	near, err := (&stats.Near{}).Host()
	if err != nil {
		t.Fatal(err)
	}
	if s, err := meter.Host(); err != nil || s.MemoryBytes < near.MemoryBytes/2 || s.MemoryBytes > 2*near.MemoryBytes || !s.StartedAt.Equal(near.StartedAt) {
		t.Errorf("%+v, %v; from here %+v", s, err, near)
	}
}

// abandon demands that a capsulet that dies leaves no program behind in a sandbox: its input ends with the connection.
func abandon(t *testing.T, h *docker.Host, id string) {
	t.Helper()
	programs := func() (n int) {
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range all {
			line, _ := os.ReadFile(file)
			groups, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup"))
			if strings.HasPrefix(string(line), inside.Path+"\x00dial") && strings.Contains(string(groups), id) {
				n++
			}
		}
		return n
	}
	before := programs()
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	silent, input := io.Pipe()
	defer input.Close()
	left := make(chan error, 1)
	go func() {
		_, err := h.Exec(ctx, id, runtime.ExecConfig{Command: []string{inside.Path, "dial"}, Stdin: silent})
		left <- err
	}()
	for programs() <= before {
		if ctx.Err() != nil {
			t.Fatal("the program does not start")
		}
	}
	cancel()
	<-left //nolint:errcheck // it was cancelled
	for end := deadline(t); programs() > before; {
		if end.Err() != nil {
			t.Fatal("the program goes on")
		}
	}
}

// Who follows the log of a far container gets every line of it, also while it is rotated faster than it is read.
func TestFarLogAcrossRotations(t *testing.T) {
	h := far(t, "test-far-log")
	app := standing(t, h, "test-far-log")
	const lines = 350_000 // as much as the engine keeps, in five files
	app.Command = []string{runtimetest.Program, "flood", strconv.Itoa(lines)}
	id := run(t, h, app)
	r, w := io.Pipe()
	go func() {
		_ = w.CloseWithError(cmp.Or(h.Logs(deadline(t), id, capsule.LogOptions{Follow: true, Tail: -1}, w, w), io.EOF))
	}()
	n := 0
	in := bufio.NewScanner(r)
	for ; in.Scan(); n++ {
		if number, _, _ := strings.Cut(in.Text(), " "); number != strconv.Itoa(n) {
			t.Fatalf("line %d is %.20q", n, in.Text())
		}
	}
	if n != lines || in.Err() != nil {
		t.Errorf("%d of %d lines, %v", n, lines, in.Err())
	}
}
