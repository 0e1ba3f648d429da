package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/dev/stage"
	"github.com/capsulet/capsulet/test/e2e"
)

// protocols are the two that kubectl speaks, each by itself.
var protocols = map[string][]string{
	"WebSocket": {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true", "KUBECTL_PORT_FORWARD_WEBSOCKETS=true"},
	"SPDY":      {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false", "KUBECTL_PORT_FORWARD_WEBSOCKETS=false"},
}

var shells struct {
	sync.Mutex
	of map[*e2e.World]error
}

// shellImage has a shell and tar. All scenarios of a world share it.
func shellImage() (string, error) {
	shells.Lock()
	defer shells.Unlock()
	ref := strings.Replace(world.Image, "/e2e-", "/shell-", 1)
	err, there := shells.of[world]
	if !there {
		err = stage.Programs(context.Background(), ref, world.Instance, //nolint:forbidigo // shared by all tests
			"bash", "tar", "cat", "sleep", "stty", "tty", "sha256sum", "stat", "ln", "readlink")
		if shells.of == nil {
			shells.of = map[*e2e.World]error{}
		}
		shells.of[world] = err
	}
	return ref, err
}

// typed is what kubectl did.
type typed struct {
	stdout, stderr string
	code           int
}

// kubectl types a command in a scenario's namespace.
func kubectl(s *e2e.Scenario, protocol string, stdin io.Reader, args ...string) typed {
	s.Helper()
	var stdout, stderr strings.Builder
	cmd := kubectlCommand(s.Context(), s, protocol, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.Fatal(err)
	}
	return typed{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func kubectlCommand(ctx context.Context, s *e2e.Scenario, protocol string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.W.ControlPlane.Kubectl,
		append([]string{"--kubeconfig", s.W.ControlPlane.Kubeconfig, "-n", s.Namespace}, args...)...)
	cmd.Env = append(os.Environ(), protocols[protocol]...)
	return cmd
}

// shellPod runs a shell that waits, in a Pod called like the scenario.
func shellPod(t *testing.T) *e2e.Scenario {
	s := begin(t)
	image, err := shellImage()
	if err != nil {
		t.Fatal(err)
	}
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  terminationGracePeriodSeconds: 0
  containers:
    - name: shell
      image: ` + image + `
      imagePullPolicy: Never
      command: [bash, -c, "sleep infinity"]
    - name: app
      image: {{.Image}}
      imagePullPolicy: Never
      args: [echo, "127.0.0.1:7777"]
`)
	s.Wait("it runs", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	return s
}

// kubectl exec runs a command as if it were here: its input and end, its outputs, its words and its exit code.
func TestExec(t *testing.T) {
	s := shellPod(t)
	in := []string{"exec", "-i", s.Namespace, "-c", "shell", "--"}
	type step struct {
		stdin string
		args  []string
		want  typed
	}
	big := strings.Repeat("0123456789abcdef\n", 100_000)
	for protocol := range protocols {
		for intent, c := range map[string]step{
			"exit code": {"", []string{"bash", "-c", "exit 7"}, typed{"", "command terminated with exit code 7\n", 7}},
			"words": {"", []string{"bash", "-c", `printf '[%s]' "$@"`, "-", "two words", "", "$HOME", `"'\`, "ä\n&x=1"},
				typed{"[two words][][$HOME][\"'\\][ä\n&x=1]", "", 0}},
			"outputs":             {"", []string{"bash", "-c", "echo out; echo err >&2"}, typed{"out\n", "err\n", 0}},
			"end of input":        {big, []string{"bash", "-c", "sha256sum; echo over"}, typed{sha256Line(big) + "over\n", "", 0}},
			"input that is left":  {big, []string{"bash", "-c", "read line; echo $line"}, typed{"0123456789abcdef\n", "", 0}},
			"much input back":     {big, []string{"cat"}, typed{big, "", 0}},
			"other exit than one": {"", []string{"bash", "-c", "kill -9 $$"}, typed{"", "command terminated with exit code 137\n", 137}},
		} {
			if got := kubectl(s, protocol, strings.NewReader(c.stdin), append(in, c.args...)...); got != c.want {
				t.Errorf("%s over %s: %d bytes %.200q, %.500q, %d", intent, protocol, len(got.stdout), got.stdout, got.stderr, got.code)
			}
		}
		if got := kubectl(s, protocol, nil, append(in, "/no/such/program")...); got.code != 126 && got.code != 127 {
			t.Errorf("a program that is not there over %s: %+v", protocol, got)
		}
	}
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			word := fmt.Sprintf("session %d", i)
			if got := kubectl(s, "WebSocket", strings.NewReader(word), append(in, "cat")...); got.stdout != word {
				t.Errorf("%d of many sessions: %+v", i, got)
			}
		})
	}
	all.Wait()
}

func sha256Line(text string) string {
	cmd := exec.Command("sha256sum")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		panic(err)
	}
	return string(out)
}

// A terminal is one, with the size of the user's.
func TestExecTerminal(t *testing.T) {
	s := shellPod(t)
	for protocol := range protocols {
		line := fmt.Sprintf(`stty rows 43 cols 132; %s --kubeconfig %s -n %s exec -it %s -c shell -- bash -c 'tty; while [ "$(stty size)" = "0 0" ]; do sleep 0.1; done; stty size; echo err >&2; exit 5'`,
			s.W.ControlPlane.Kubectl, s.W.ControlPlane.Kubeconfig, s.Namespace, s.Namespace)
		cmd := exec.CommandContext(t.Context(), "script", "-qec", line, "/dev/null")
		cmd.Env = append(os.Environ(), protocols[protocol]...)
		out, err := cmd.CombinedOutput()
		out = bytes.ReplaceAll(out, []byte("^@"), nil) // script's own end of input, echoed whenever it comes
		if err == nil || cmd.ProcessState.ExitCode() != 5 || !regexp.MustCompile(`/dev/pts/\d+\r\n43 132\r\nerr\r\n`).Match(out) {
			t.Errorf("%s: %v, %q", protocol, err, out)
		}
	}
}

// A terminal follows the user's when that is made larger.
func TestExecResize(t *testing.T) {
	s := shellPod(t)
	for protocol := range protocols {
		line := fmt.Sprintf(`stty rows 43 cols 132; (sleep 3; stty rows 50 cols 99 </dev/tty) & %s --kubeconfig %s -n %s exec -it %s -c shell -- bash -c 'until [ "$(stty size)" = "43 132" ]; do sleep 0.1; done; echo before; until [ "$(stty size)" = "50 99" ]; do sleep 0.1; done; echo after'`,
			s.W.ControlPlane.Kubectl, s.W.ControlPlane.Kubeconfig, s.Namespace, s.Namespace)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		cmd := exec.CommandContext(ctx, "script", "-qec", line, "/dev/null")
		cmd.Env = append(os.Environ(), protocols[protocol]...)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "before\r\nafter\r\n") {
			t.Errorf("%s: %v, %q", protocol, err, out)
		}
		cancel()
	}
}

// A user who goes away takes the command's input and output along.
func TestExecHangUp(t *testing.T) {
	s := shellPod(t)
	processes := func() string {
		return kubectl(s, "SPDY", nil, "exec", s.Namespace, "-c", "shell", "--", "bash", "-c",
			`for p in /proc/[0-9]*/cmdline; do tr=$(cat $p 2>/dev/null | while IFS= read -r -d '' w; do printf '%s ' "$w"; done); echo "$tr"; done`).stdout
	}
	for protocol := range protocols {
		cmd := kubectlCommand(t.Context(), s, protocol, "exec", "-i", s.Namespace, "-c", "shell", "--", "cat", "-", "/dev/null")
		input, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.Eventually("the command runs", 20*time.Second, func() error {
			if !strings.Contains(processes(), "cat - /dev/null") {
				return errors.New(processes())
			}
			return nil
		})
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		s.Eventually("the command ends with its user", 20*time.Second, func() error {
			if strings.Contains(processes(), "cat - /dev/null") {
				return errors.New("cat runs")
			}
			return nil
		})
		_ = input.Close()
	}
}

// What does not run has nothing to run in: the words are the kubelet's.
func TestExecNotRunning(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
    - {name: done, image: {{.Image}}, imagePullPolicy: Never, args: [exit, "0"]}
    - {name: lost, image: "capsulet/none:none", imagePullPolicy: Never}
    - {name: app, image: {{.Image}}, imagePullPolicy: Never, args: [tick, 1s]}
`)
	s.Prints("one has ended", time.Minute, "Completed", "get", "pod", s.Namespace, "-o",
		`jsonpath={.status.containerStatuses[?(@.name=="done")].state.terminated.reason}`)
	for protocol := range protocols {
		for _, c := range []struct{ command, container, want string }{
			{"exec", "done", `container not found ("done")`},
			{"exec", "lost", `container not found ("lost")`},
			{"attach", "done", "container done not found in pod"},
		} {
			args := []string{c.command, s.Namespace, "-c", c.container}
			if c.command == "exec" {
				args = append(args, "--", "/app")
			}
			if got := kubectl(s, protocol, nil, args...); got.code != 1 || !strings.Contains(got.stderr, c.want) {
				t.Errorf("%s %s over %s: %+v", c.command, c.container, protocol, got)
			}
		}
	}
}

// kubectl attach talks to the process itself, and ends with it.
func TestAttach(t *testing.T) {
	s := begin(t)
	image, err := shellImage()
	if err != nil {
		t.Fatal(err)
	}
	for protocol := range protocols {
		name := s.Namespace + "-" + strings.ToLower(protocol)
		s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: ` + name + `}
spec:
  {{pod 2}}
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
    - name: shell
      image: ` + image + `
      imagePullPolicy: Never
      stdin: true
      stdinOnce: true
      command: [bash, -c, "while read line; do echo got $line; done; echo over; exit 3"]
`)
		s.Wait("it runs", time.Minute, "pod/"+name, "condition=Ready")
		got := kubectl(s, protocol, strings.NewReader("one\ntwo\n"), "attach", "-i", name)
		if !strings.HasSuffix(got.stdout, "got one\ngot two\nover\n") {
			t.Errorf("over %s: %+v", protocol, got)
		}
		s.Prints("the end of the input was the end of the process", time.Minute, "^3$", "get", "pod", name, "-o",
			"jsonpath={.status.containerStatuses[0].state.terminated.exitCode}")
	}
}

// Who uses the capsule API has the same streams: capsulet exec, attach and port-forward.
func TestCapsuleStreams(t *testing.T) {
	s := shellPod(t)
	uid := s.Get("pod/"+s.Namespace, "{.metadata.uid}")
	token, err := s.W.Server.Token()
	if err != nil {
		t.Fatal(err)
	}
	command := func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, s.W.Server.Program, append([]string{"capsule"}, args...)...)
		cmd.Env = append(os.Environ(), "CAPSULET_URL="+s.W.Server.URL(), "CAPSULET_TOKEN="+token)
		return cmd
	}
	cmd := command(t.Context(), "exec", "-i", "-c", "shell", uid, "--", "bash", "-c", "cat; echo err >&2; exit 9")
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("in"), &stdout, &stderr
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 9 || stdout.String() != "in" || stderr.String() != "err\n" {
		t.Errorf("exec: %v, %q, %q", err, stdout.String(), stderr.String())
	}
	line := "stty rows 43 cols 132; " + strings.Join(command(t.Context(), "exec", "-it", "-c", "shell", uid, "--").Args, " ") +
		` bash -c 'while [ "$(stty size)" = "0 0" ]; do sleep 0.1; done; stty size'`
	cmd = exec.CommandContext(t.Context(), "script", "-qec", line, "/dev/null")
	cmd.Env = append(os.Environ(), "CAPSULET_URL="+s.W.Server.URL(), "CAPSULET_TOKEN="+token)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "43 132\r\n") {
		t.Errorf("exec -it: %v, %q", err, out)
	}
	if out, err := command(t.Context(), "exec", uid, "--", "bash", "-c", "true").CombinedOutput(); err != nil || !strings.Contains(string(out), "choose another one") {
		t.Errorf("exec without a container: %v, %q", err, out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said := &e2e.Output{}
	cmd = command(ctx, "port-forward", uid, ":7777")
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	re := regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)
	s.Eventually("a local port is open", 20*time.Second, func() error {
		if !re.MatchString(said.String()) {
			return errors.New(said.String())
		}
		return nil
	})
	if got, err := ask(ctx, re.FindStringSubmatch(said.String())[1], "hello"); err != nil || got != "echo hello" {
		t.Errorf("port-forward: %q, %v", got, err)
	}
}

// kubectl debug brings a container of its own into a Pod that runs, among the processes of its target, and is attached to it.
func TestDebugAttached(t *testing.T) {
	s := shellPod(t)
	image, err := shellImage()
	if err != nil {
		t.Fatal(err)
	}
	got := kubectl(s, "WebSocket", strings.NewReader("hello\n"), "debug", "-i", s.Namespace, "-c", "visitor", "--image="+image,
		"--image-pull-policy=Never", "--target=shell", "--", "bash", "-c", "read x; echo got $x; cat /proc/[0-9]*/cmdline")
	if got.code != 0 || !strings.Contains(got.stdout, "got hello\n") || !strings.Contains(got.stdout, "sleep\x00infinity\x00") {
		t.Errorf("%+v", got)
	}
}
