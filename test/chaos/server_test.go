package chaos_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"sigs.k8s.io/yaml"

	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/test/child"
	"github.com/capsulet/capsulet/test/dev/stage"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// server is one `capsulet serve`, started again and again on the same state.
type server struct {
	t        *testing.T
	instance string
	dir      string
	client   *zun.Client
	program  string

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended <-chan struct{}
}

// newServer writes a configuration; nothing runs yet.
func newServer(t *testing.T, endpoint string) *server {
	t.Helper()
	if testing.Short() || os.Getenv("CAPSULET_TEST_DOCKER") == "skip" {
		t.Skip("needs a Docker engine")
	}
	p, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, instance: "chaos-" + uuid.NewString()[:8], dir: t.TempDir(), program: p}
	address, token := freeAddress(t), rand.Text()
	doc := map[string]any{
		"instance": s.instance, "stateDir": s.state(), "runDir": filepath.Join(s.dir, "run"),
		"log":   map[string]any{"level": "debug"},
		"api":   map[string]any{"listen": address, "tokenFile": filepath.Join(s.dir, "token")},
		"hosts": []map[string]any{{"name": "local", "endpoint": endpoint, "address": "127.0.0.1"}},
	}
	b, err := yaml.Marshal(doc)
	if err == nil {
		err = errors.Join(os.WriteFile(s.config(), b, 0o600), os.WriteFile(filepath.Join(s.dir, "token"), []byte(token), 0o600))
	}
	if err == nil {
		s.client, err = zun.New(zun.Config{Endpoint: "http://" + address, Token: token})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cleanUp)
	return s
}

func (s *server) config() string { return filepath.Join(s.dir, "capsulet.yaml") }
func (s *server) state() string  { return filepath.Join(s.dir, "state") }
func (s *server) log() string    { return filepath.Join(s.dir, "capsulet.log") }

// start starts the process and does not wait until it answers.
func (s *server) start() {
	s.t.Helper()
	out, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close() // the process has its own
	cmd := exec.Command(s.program, "serve", "--config", s.config())
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	ended, err := child.Start(cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.cmd, s.ended = cmd, ended
	s.mu.Unlock()
}

// kill ends the process as a crash would and returns when it is gone.
func (s *server) kill() {
	s.mu.Lock()
	cmd, ended := s.cmd, s.ended
	s.cmd = nil
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-ended
}

// died says whether the process ended although nobody killed it.
func (s *server) died() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// answers returns when the API does.
func (s *server) answers(ctx context.Context) error {
	for {
		_, err := s.client.Hosts(ctx)
		if err == nil {
			return nil
		}
		if s.died() {
			return fmt.Errorf("the server ended by itself; the end of its log:\n%s", s.tail())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w; the end of its log:\n%s", err, s.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// cleanUp ends the server and removes all that it made on the machine's engine; a private engine goes as a whole.
func (s *server) cleanUp() {
	s.kill()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), time.Minute)
	defer cancel()
	if err := stage.RemoveInstance(ctx, s.instance); err != nil {
		s.t.Error(err)
	}
	if !s.t.Failed() && !*keep {
		return
	}
	kept := filepath.Join(os.TempDir(), s.instance+".log")
	if b, err := os.ReadFile(s.log()); err == nil && os.WriteFile(kept, b, 0o600) == nil {
		s.t.Logf("the server's log is kept in %s", kept)
	}
}

// tail is the end of the log.
func (s *server) tail() string {
	b, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// running says whether all of a capsule runs.
func running(c *capsule.Capsule) bool {
	if c == nil || !c.Facts.Sandbox.Ready {
		return false
	}
	for i := range c.Spec.Containers {
		if cf := c.Facts.Container(c.Spec.Containers[i].Name); cf == nil || cf.Run.State() != capsule.StateRunning {
			return false
		}
	}
	return true
}

// describe is what a failed test says of a capsule.
func describe(c *capsule.Capsule) string {
	if c == nil {
		return "no record"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s on %q, %s (%s), deletion %+v, sandbox %+v, failure %+v", c.Spec.Name, c.UUID, c.Claim.Host, c.Status(),
		c.StatusReason(), c.Deletion, c.Facts.Sandbox, c.Facts.Failure)
	for i := range c.Facts.Containers {
		cf := &c.Facts.Containers[i]
		fmt.Fprintf(&b, "\n    %s: run %+v, last %+v, failure %+v", cf.Name, cf.Run, cf.Last, cf.Failure)
	}
	return b.String()
}
