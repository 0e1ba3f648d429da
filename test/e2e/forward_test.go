package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/e2e"
)

// forward runs kubectl port-forward and returns the local address and what it says.
func forward(ctx context.Context, s *e2e.Scenario, protocol, port string) (address string, said *e2e.Output) {
	s.Helper()
	cmd := kubectlCommand(ctx, s, protocol, "port-forward", "pod/"+s.Namespace, ":"+port)
	said = &e2e.Output{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = cmd.Wait() })
	re := regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)
	s.Eventually("a local port is open", 20*time.Second, func() error {
		m := re.FindStringSubmatch(said.String())
		if m == nil {
			return errors.New(said.String())
		}
		address = m[1]
		return nil
	})
	return address, said
}

// kubectl port-forward reaches a port that listens on localhost alone.
func TestPortForward(t *testing.T) {
	s := shellPod(t)
	for protocol := range protocols {
		ctx, cancel := context.WithCancel(t.Context())
		address, _ := forward(ctx, s, protocol, "7777")
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				text := fmt.Sprint("connection ", i, strings.Repeat(" blah", 50_000*(i%2)))
				if got, err := ask(ctx, address, text); err != nil || got != "echo "+text {
					t.Errorf("%s: %.100q (%d bytes), %v", protocol, got, len(got), err)
				}
			})
		}
		all.Wait()
		_, said := forward(ctx, s, protocol, "9")
		nothing, _, _ := strings.Cut(said.String()[strings.Index(said.String(), "127.0.0.1:"):], " ")
		if got, err := ask(ctx, nothing, "x"); got != "" {
			t.Errorf("%s: nothing listens, and it answers %q, %v", protocol, got, err)
		}
		s.Eventually("kubectl says that nothing listens", 20*time.Second, func() error {
			if !strings.Contains(said.String(), "connection refused") {
				return errors.New(said.String())
			}
			return nil
		})
		cancel()
	}
	log, err := os.ReadFile(s.W.Server.Log())
	if err != nil {
		t.Fatal(err)
	}
	if line := regexp.MustCompile(`(?m)^[EWIF]\d{4} .*`).Find(log); line != nil {
		t.Errorf("a library writes into capsulet's log past it: %s", line)
	}
}

// ask sends text, closes its half, and returns the answer.
func ask(ctx context.Context, address, text string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	return string(b), err
}

// kubectl cp brings a tree there and back.
func TestCopy(t *testing.T) {
	s := shellPod(t)
	from := filepath.Join(t.TempDir(), "tree")
	content := make([]byte, 3<<20)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	for name, mode := range map[string]fs.FileMode{
		"plain": 0o644, "with spaces in it": 0o600, "run me": 0o755, "deep/er/ä file": 0o440, "empty": 0o644,
	} {
		path := filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		b := content
		if name == "empty" {
			b = nil
		}
		if err := os.WriteFile(path, b, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("plain", filepath.Join(from, "a link")); err != nil {
		t.Fatal(err)
	}
	for protocol := range protocols {
		back := filepath.Join(t.TempDir(), "back")
		there := s.Namespace + ":/there-" + protocol
		for _, args := range [][]string{{from, there}, {there, back}} {
			if got := kubectl(s, protocol, nil, "cp", "-c", "shell", args[0], args[1]); got.code != 0 {
				t.Fatalf("cp %v over %s: %+v", args, protocol, got)
			}
		}
		same(t, from, back)
		// On the way back kubectl itself does not keep modes and links.
		got := kubectl(s, protocol, nil, "exec", s.Namespace, "-c", "shell", "--", "bash", "-c", "cd '/there-"+protocol+
			"' && stat -c '%a %n' 'plain' 'with spaces in it' 'run me' 'deep/er/ä file' && [[ 'a link' -ef plain && -L 'a link' ]] && echo linked")
		if want := "644 plain\n600 with spaces in it\n755 run me\n440 deep/er/ä file\nlinked\n"; got.stdout != want {
			t.Errorf("over %s: %+v", protocol, got)
		}
	}
}

// same compares the files of two trees.
func same(t *testing.T, a, b string) {
	t.Helper()
	if err := filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		twin := b + strings.TrimPrefix(path, a)
		x, errX := os.ReadFile(path)
		y, errY := os.ReadFile(twin)
		if err := errors.Join(errX, errY); err != nil {
			return err
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s: %d bytes became %d others", path, len(x), len(y))
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
