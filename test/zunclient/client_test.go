package zunclient

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// slow is how long one command may take on a loaded machine, with the start of its libraries.
const slow = 2 * time.Minute

// shell runs commands of Zun's clients in one Python interpreter.
type shell struct {
	t     *testing.T
	in    io.WriteCloser
	out   *bufio.Reader
	tool  string
	login []string
	trust string // a file of certificate authorities in place of the system's, if there is one
}

// answer is what a command left.
type answer struct {
	Code     int
	Out, Err string
}

// python is the interpreter that Debian's packages are for.
const python = "/usr/bin/python3"

func newShell(t *testing.T, tool string, login ...string) *shell {
	t.Helper()
	return trusting(t, "", tool, login...)
}

// trusting is newShell with other certificate authorities than the system's.
func trusting(t *testing.T, authorities, tool string, login ...string) *shell {
	t.Helper()
	s := &shell{t: t, tool: tool, login: login, trust: authorities}
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import zunclient, openstackclient").CombinedOutput(); err != nil {
		t.Fatalf("Zun's clients are not installed (make tools): %v\n%s", err, out)
	}
	cmd := s.python("driver.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	s.in, s.out = in, bufio.NewReader(out)
	return s
}

// systemAuthorities is what the clients' WebSockets go by, whatever one tells them.
const systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"

// python is a program of Python, which sees the shell's authorities in the system's place.
func (s *shell) python(args ...string) *exec.Cmd {
	argv := append([]string{python, "-W", "ignore"}, args...)
	if s.trust != "" {
		argv = append([]string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" ` + systemAuthorities + ` && exec "$@"`, s.trust}, argv...)
	}
	return exec.CommandContext(s.t.Context(), argv[0], argv[1:]...)
}

// of is the same shell for a part of the test.
func (s *shell) of(t *testing.T) *shell {
	twin := *s
	twin.t = t
	return &twin
}

// run runs one command.
func (s *shell) run(args ...string) answer {
	s.t.Helper()
	s.notes(args)
	line, err := json.Marshal(map[string]any{"tool": s.tool, "argv": append(append([]string{}, s.login...), args...)})
	if err != nil {
		s.t.Fatal(err)
	}
	watchdog := time.AfterFunc(slow, func() { _ = s.in.Close() }) // ends the interpreter
	defer watchdog.Stop()
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		s.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	reply, err := s.out.ReadBytes('\n')
	if err != nil {
		s.t.Fatalf("%s: the interpreter is gone: %v", strings.Join(args, " "), err)
	}
	var a answer
	if err := json.Unmarshal(reply, &a); err != nil {
		s.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, reply)
	}
	return a
}

// notes keeps in mind which commands of the plugin were tried.
func (s *shell) notes(args []string) {
	if s.tool != "openstack" {
		return
	}
	if len(args) > 1 && strings.HasPrefix(args[0], "--os-") {
		args = args[2:]
	}
	try(strings.Join(args, " "))
}

// openstack runs a command that has to work, and checks what it prints.
func (s *shell) openstack(want string, args ...string) string {
	s.t.Helper()
	a := s.run(args...)
	if a.Code != 0 || strings.Contains(a.Out, "has failed") { // the client says so and exits with 0
		s.t.Errorf("openstack %s: exit code %d\n%s\n%s", strings.Join(args, " "), a.Code, a.Out, a.Err)
	} else if !regexp.MustCompile(want).MatchString(a.Out) {
		s.t.Errorf("openstack %s printed\n%s\nwant %s", strings.Join(args, " "), a.Out, want)
	}
	return a.Out
}

// comes runs a command again and again until it prints what is wanted: it was only asked for.
func (s *shell) comes(want string, args ...string) {
	s.t.Helper()
	for deadline := time.Now().Add(slow); ; {
		a := s.run(args...)
		if a.Code == 0 && regexp.MustCompile(want).MatchString(a.Out) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("openstack %s prints\n%s%s\nwant %s", strings.Join(args, " "), a.Out, a.Err, want)
		}
	}
}

// refused runs a command that has to fail, and checks why.
func (s *shell) refused(want string, args ...string) {
	s.t.Helper()
	a := s.run(args...)
	if said := a.Out + a.Err; a.Code == 0 && !strings.Contains(said, "failed") || !regexp.MustCompile(want).MatchString(said) {
		s.t.Errorf("openstack %s: exit code %d\n%s\nwant a failure that says %s", strings.Join(args, " "), a.Code, said, want)
	}
}

// show is the JSON of a container.
func (s *shell) show(name string) map[string]any {
	s.t.Helper()
	a := s.run("appcontainer", "show", name, "-f", "json")
	m := map[string]any{}
	if a.Code == 0 {
		if err := json.Unmarshal([]byte(a.Out), &m); err != nil {
			s.t.Fatalf("show %s: %v\n%s", name, err, a.Out)
		}
	}
	return m
}

// until shows a container until its status is the one wanted and nothing is being done with it.
func (s *shell) until(name, status string) map[string]any {
	s.t.Helper()
	deadline := time.Now().Add(slow)
	for {
		m := s.show(name)
		if m["status"] == status && m["task_state"] == nil || status == "" && m["uuid"] == nil {
			return m
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("container %s is %v (%v), want %q", name, m["status"], m["status_reason"], status)
		}
	}
}
