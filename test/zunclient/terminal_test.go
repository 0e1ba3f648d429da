package zunclient

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

// terminal is a client's command at a terminal of its own, as a user has it: the clients put it into raw mode and ask for its size.
type terminal struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	pty  *os.File

	mu    sync.Mutex
	said  strings.Builder
	seen  int           // how much of it was looked at
	more  chan struct{} // closed when something was said
	over  bool          // nothing comes any more
	ended chan error
}

// at starts a command of the shell's tool at a terminal of 24 lines.
func (s *shell) at(args ...string) *terminal {
	s.t.Helper()
	s.notes(args)
	cmd := s.python(append(append([]string{"/usr/bin/" + s.tool}, s.login...), args...)...)
	cmd.Env = append(os.Environ(), "TERM=xterm")
	// A command inherits what is ignored, and tests that run under nohup ignore the signal of a terminal that closes.
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		s.t.Fatal(err)
	}
	r := &terminal{t: s.t, name: s.tool + " " + strings.Join(args, " "), cmd: cmd, pty: file, more: make(chan struct{}), ended: make(chan error, 1)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		r.listen()
	}()
	go func() {
		<-read // its end is that of the last process which has it open
		r.ended <- cmd.Wait()
		close(r.ended)
	}()
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-r.ended
		_ = file.Close()
	})
	return r
}

func (r *terminal) listen() {
	b := make([]byte, 4<<10)
	for {
		n, err := r.pty.Read(b)
		r.mu.Lock()
		r.said.Write(b[:n])
		r.over = err != nil // EIO: everybody has closed it
		close(r.more)
		r.more = make(chan struct{})
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// sees waits until something is on the screen, after what was seen before.
func (r *terminal) sees(want string) {
	r.t.Helper()
	re := regexp.MustCompile(want)
	timeout := time.NewTimer(slow)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		said, more, over := r.said.String()[r.seen:], r.more, r.over
		at := re.FindStringIndex(said)
		if at != nil {
			r.seen += at[1]
		}
		r.mu.Unlock()
		if at != nil {
			return
		}
		if over {
			r.t.Fatalf("%s ended and said %q, not %s", r.name, said, want)
		}
		select {
		case <-more:
		case <-timeout.C:
			r.t.Fatalf("%s says %q, and not %s in %s", r.name, said, want, slow)
		}
	}
}

// types presses keys; \r is the key Enter.
func (r *terminal) types(keys string) {
	r.t.Helper()
	if _, err := io.WriteString(r.pty, keys); err != nil {
		r.t.Fatalf("%s: %v", r.name, err)
	}
}

// becomes changes the size of the window.
func (r *terminal) becomes(rows, cols uint16) {
	r.t.Helper()
	if err := pty.Setsize(r.pty, &pty.Winsize{Rows: rows, Cols: cols}); err != nil {
		r.t.Fatal(err)
	}
}

// ends waits for the end of the client, and checks its exit code.
func (r *terminal) ends(want int) {
	r.t.Helper()
	select {
	case err := <-r.ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			r.t.Fatalf("%s: %v", r.name, err)
		}
		if got := r.cmd.ProcessState.ExitCode(); got != want {
			r.t.Errorf("%s: exit code %d, want %d; it said %q", r.name, got, want, r.said.String())
		}
	case <-time.After(slow):
		r.t.Fatalf("%s does not end; it said %q", r.name, r.said.String())
	}
}

// leaves is for the client what a closed window is.
func (r *terminal) leaves() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.ended:
	case <-time.After(slow):
		r.t.Fatalf("%s does not end with its terminal", r.name)
	}
}

// Terminals over Zun's WebSocket: what is typed arrives, what is answered is seen, windows have a size, and the end of the process
// is that of the client. (`~.`, with which the client says one may leave, does nothing: python-zunclient 4.5 compares it with bytes.)
func TestTerminals(t *testing.T) {
	s := admin(t)
	options := []string{"--image-pull-policy", "ifnotpresent", "--cpu", "0.1", "--memory", "64", "--restart", "no", runtimetest.ImageRef}
	s.openstack("box", append([]string{"appcontainer", "create", "--name", "box", "--interactive"}, append(options, "terminal")...)...)
	s.until("box", "Created")
	s.openstack("", "appcontainer", "start", "box")
	s.until("box", "Running")
	t.Run("exec", func(t *testing.T) {
		s := s.of(t)
		r := s.at("appcontainer", "exec", "--interactive", "box", runtimetest.Program, "terminal")
		r.sees("connected to box")
		r.sees("size 24 80\r\n") // what is typed before the client has made its terminal raw is lost, by its own doing
		r.types("hällo\r")
		r.sees("hällo\r\nanswer to hällo\r\n") // the echo is of the terminal inside
		r.becomes(40, 100)
		r.sees("size 40 100\r\n")
		r.types("exit 3\r")
		r.ends(0) // the protocol has no exit code, and the client asks for none
	})
	t.Run("characters of several bytes", func(t *testing.T) { characters(s.of(t)) })
	t.Run("attach", func(t *testing.T) { attach(s.of(t)) })
	t.Run("run", func(t *testing.T) {
		s := s.of(t)
		r := s.at(append([]string{"appcontainer", "run", "--interactive", "--name", "shell"}, append(options, "terminal")...)...)
		r.sees("size 24 80\r\n")
		r.types("hello\r")
		r.sees("answer to hello\r\n")
		r.types("exit 5\r")
		r.sees(`name +\| shell`) // the client shows the container at the end
		r.ends(0)
		s.until("shell", "Stopped")
	})
	t.Run("what is no terminal", func(t *testing.T) {
		s := s.of(t)
		s.openstack("mute", append([]string{"appcontainer", "run", "--name", "mute"}, options...)...)
		s.until("mute", "Running")
		s.refused("please check the interactive set properly", "appcontainer", "attach", "mute")
	})
	for _, name := range []string{"box", "shell", "mute"} {
		s.openstack("", "appcontainer", "delete", name, "--stop")
		s.until(name, "")
	}
}

// The same with TLS: the client finds the WebSocket, believes its certificate, and says where it comes from.
func TestTerminalWithTLS(t *testing.T) {
	web := server(t, func(*zunserver.Config) {}, func(h http.Handler) http.Handler { return h })
	web.StartTLS()
	authorities := filepath.Join(t.TempDir(), "authorities.pem")
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(authorities, own, 0o644); err != nil {
		t.Fatal(err)
	}
	s := trusting(t, authorities, "openstack", login(web.URL)...)
	s.openstack("box", "appcontainer", "run", "--name", "box", "--image-pull-policy", "ifnotpresent", "--cpu", "0.1", "--memory", "64",
		"--restart", "no", runtimetest.ImageRef)
	s.until("box", "Running")
	r := s.at("appcontainer", "exec", "--interactive", "box", runtimetest.Program, "terminal")
	r.sees("connected to box")
	r.sees("size 24 80\r\n")
	r.types("hello\r")
	r.sees("answer to hello\r\n")
	r.types("exit 3\r")
	r.ends(0)
	s.openstack("", "appcontainer", "delete", "box", "--stop")
	s.until("box", "")
}

// characters: the client decodes frame by frame, and dies of half a letter.
func characters(s *shell) {
	text := filepath.Join(s.t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("x"+strings.Repeat("é", 20_000)+"\nend\n"), 0o644); err != nil { // no chunk of a power of two ends well
		s.t.Fatal(err)
	}
	s.openstack("", "appcontainer", "cp", text, "box:/tmp")
	r := s.at("appcontainer", "exec", "--interactive", "box", runtimetest.Program, "cat", "/tmp/text")
	r.sees(strings.Repeat("é", 1000) + "\r\nend\r\n")
	r.ends(0)
	if got := strings.Count(r.said.String(), "é"); got != 20_000 {
		s.t.Errorf("%d of the letters came", got)
	}
}

// attach: who leaves leaves the process running, and may come again.
func attach(s *shell) {
	r := s.at("appcontainer", "attach", "box")
	r.sees("size 24 80\r\n")
	r.types("one\r")
	r.sees("answer to one\r\n")
	r.becomes(50, 132)
	r.sees("size 50 132\r\n")
	r.leaves()
	s.until("box", "Running")
	r = s.at("appcontainer", "attach", "box")
	r.sees("size 24 80\r\n")
	r.types("two\r")
	r.sees("answer to two\r\n")
	r.types("exit 4\r")
	r.ends(0)
	if c := s.until("box", "Stopped"); !strings.HasPrefix(c["status_detail"].(string), "Exited(4)") {
		s.t.Errorf("%v", c["status_detail"])
	}
	s.refused("Cannot attach container .* in Stopped state", "appcontainer", "attach", "box")
}
