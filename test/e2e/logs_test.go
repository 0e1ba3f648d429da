package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/e2e"
)

// talkers is a Pod whose containers have said different things; it fails, because one container has no image.
func talkers(t *testing.T) *e2e.Scenario {
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
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  initContainers:
    - {name: first, image: ` + image + `, imagePullPolicy: Never, command: [bash, -c, "echo from first"]}
    - {name: beside, restartPolicy: Always, image: ` + image + `, imagePullPolicy: Never, command: [bash, -c, "echo from beside; sleep infinity"]}
  containers:
    - {name: words, image: ` + image + `, imagePullPolicy: Never, command: [bash, -c, "echo one; echo two; sleep 1; echo bad >&2; sleep 1; echo three; sleep infinity"]}
    - {name: done, image: ` + image + `, imagePullPolicy: Never, command: [bash, -c, "echo last words"]}
    - {name: bytes, image: ` + image + `, imagePullPolicy: Never, command: [bash, -c, "printf '\\377\\376\\000x\\n'; printf '%*s\\n' 3000000 ''"]}
    - {name: lost, image: "capsulet/none:none", imagePullPolicy: Never}
`)
	s.Prints("all has been said", time.Minute, "^three$", "logs", s.Namespace, "-c", "words", "--tail=1")
	s.Prints("and one has ended", time.Minute, "Completed", "get", "pod", s.Namespace, "-o",
		`jsonpath={.status.containerStatuses[?(@.name=="bytes")].state.terminated.reason}`)
	return s
}

// kubectl logs shows the part that is asked for, of every kind of container, running or ended.
func TestLogs(t *testing.T) {
	s := talkers(t)
	for intent, c := range map[string]struct {
		args []string
		want string // a regular expression
	}{
		"all":                 {[]string{"-c", "words"}, `^one\ntwo\nbad\nthree\n$`},
		"no lines":            {[]string{"-c", "words", "--tail=0"}, `^$`},
		"the last lines":      {[]string{"-c", "words", "--tail=2"}, `^bad\nthree\n$`},
		"so many bytes":       {[]string{"-c", "words", "--limit-bytes=5"}, `^one\nt$`},
		"since an hour ago":   {[]string{"-c", "words", "--since=1h"}, `^one\ntwo\nbad\nthree\n$`},
		"since the future":    {[]string{"-c", "words", "--since-time=2222-01-01T00:00:00Z"}, `^$`},
		"since the beginning": {[]string{"-c", "words", "--since-time=1999-01-01T00:00:00Z"}, `^one\ntwo\nbad\nthree\n$`},
		"with times":          {[]string{"-c", "words", "--timestamps", "--tail=1"}, `^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three\n$`},
		"of an init one":      {[]string{"-c", "first"}, `^from first\n$`},
		"of a sidecar":        {[]string{"-c", "beside"}, `^from beside\n$`},
		"of one that ended":   {[]string{"-c", "done"}, `^last words\n$`},
		"followed to its end": {[]string{"-c", "done", "-f"}, `^last words\n$`},
	} {
		got := kubectl(s, "WebSocket", nil, append([]string{"logs", s.Namespace}, c.args...)...)
		if got.code != 0 || !regexp.MustCompile(c.want).MatchString(got.stdout) {
			t.Errorf("%s: %+v, want %s", intent, got, c.want)
		}
	}
	if got := kubectl(s, "WebSocket", nil, "logs", s.Namespace, "-c", "bytes", "--limit-bytes=5"); got.stdout != "\xff\xfe\x00x\n" {
		t.Errorf("bytes that are no text: %q, %+v", got.stdout, got)
	}
	long := kubectl(s, "WebSocket", nil, "logs", s.Namespace, "-c", "bytes", "--timestamps")
	lines := strings.SplitAfter(long.stdout, "\n")
	if len(lines) != 3 || len(lines[1]) != len("2006-01-02T15:04:05.000000000Z ")+3_000_001 || strings.Count(long.stdout, "Z ") != 2 {
		t.Errorf("a line of three megabytes: %d lines, %d bytes", len(lines), len(long.stdout))
	}
	all := kubectl(s, "WebSocket", nil, "logs", s.Namespace, "--all-containers", "--prefix", "--ignore-errors", "--limit-bytes=100")
	for _, want := range []string{"/first] from first", "/beside] from beside", "/words] three", "/done] last words"} {
		if !strings.Contains(all.stdout, want) {
			t.Errorf("of all containers: %q is not in %q", want, all.stdout)
		}
	}
}

// What cannot be shown is refused in the kubelet's words.
func TestLogsRefused(t *testing.T) {
	s := talkers(t)
	for want, args := range map[string][]string{
		fmt.Sprintf(`container "lost" in pod %q is waiting to start: ErrImageNeverPull`, s.Namespace): {"-c", "lost"},
		fmt.Sprintf(`previous terminated container "words" in pod %q not found`, s.Namespace):         {"-c", "words", "-p"},
		fmt.Sprintf(`container none is not valid for pod %s`, s.Namespace):                            {"-c", "none"},
	} {
		if got := kubectl(s, "WebSocket", nil, append([]string{"logs", s.Namespace}, args...)...); got.code == 0 || !strings.Contains(got.stderr, want) {
			t.Errorf("%v: %+v, want %q", args, got, want)
		}
	}
}

// One of the two outputs can be had alone, from the kubelet's endpoint: the API server does not offer it by default yet.
func TestLogsOfOneStream(t *testing.T) {
	s := talkers(t)
	kubelet := readNode(s)
	base := "/containerLogs/" + s.Namespace + "/" + s.Namespace + "/words"
	for query, want := range map[string]string{
		"":               "one\ntwo\nbad\nthree\n",
		"?stream=All":    "one\ntwo\nbad\nthree\n",
		"?stream=Stdout": "one\ntwo\nthree\n",
		"?stream=Stderr": "bad\n",
	} {
		if got := kubectl(s, "WebSocket", nil, append(kubelet, base+query)...); got.stdout != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
	want := "`tailLines` and specific `stream` are mutually exclusive for now"
	if got := kubectl(s, "WebSocket", nil, append(kubelet, base+"?stream=Stderr&tailLines=1")...); got.code == 0 || !strings.Contains(got.stderr, want) {
		t.Errorf("the last lines of one stream: %+v", got)
	}
}

// readNode is a kubectl command that takes a path of the node's endpoint and has every right there. It goes past the API
// server, which is no proxy to an address of its own machine.
func readNode(s *e2e.Scenario) []string {
	s.Helper()
	s.Must("create", "serviceaccount", "reader")
	s.Must("create", "clusterrolebinding", s.Namespace, "--clusterrole=system:kubelet-api-admin", "--serviceaccount="+s.Namespace+":reader")
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), time.Minute)
		defer cancel()
		if _, err := s.W.Kubectl(ctx, "delete", "clusterrolebinding", s.Namespace); err != nil {
			s.Error(err)
		}
	})
	return []string{"--kubeconfig=/dev/null", fmt.Sprintf("--server=https://127.0.0.1:%d", s.W.Server.KubeletPort),
		"--insecure-skip-tls-verify", "--token=" + s.Must("create", "token", "reader"), "get", "--raw"}
}

// The log of the attempt before is there when a container has been started again.
func TestLogsOfRestarted(t *testing.T) {
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
  volumes: [{name: count, emptyDir: {}}]
  containers:
    - name: app
      image: ` + image + `
      imagePullPolicy: Never
      volumeMounts: [{name: count, mountPath: /count}]
      command: [bash, -c, "if [ -e /count/once ]; then echo second; sleep infinity; fi; echo >/count/once; echo first; exit 3"]
`)
	s.Prints("it was started again", time.Minute, "^1 true$", "get", "pod", s.Namespace, "-o",
		"jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}")
	s.Prints("it says so", time.Minute, "^second$", "logs", s.Namespace)
	if got := kubectl(s, "WebSocket", nil, "logs", s.Namespace, "-p"); got.stdout != "first\n" {
		t.Errorf("the attempt before: %+v", got)
	}
}

// Who follows gets every line, also when the log is longer than one file of it, and is let go when the container has ended.
func TestLogsFollowed(t *testing.T) {
	s := begin(t)
	image, err := shellImage()
	if err != nil {
		t.Fatal(err)
	}
	const lines = 250_000
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: {{.Name}}}
spec:
  {{pod 2}}
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
    - name: app
      image: ` + image + `
      imagePullPolicy: Never
      command: [bash, -c, "for ((i = 0; i < ` + fmt.Sprint(lines) + `; i++)); do printf '%d %90s\\n' $i .; done"]
`)
	s.Wait("it runs", time.Minute, "pod/"+s.Namespace, "jsonpath={.status.containerStatuses[0].state.running}")
	got := kubectl(s, "WebSocket", nil, "logs", "-f", s.Namespace)
	n := 0
	for line := range strings.Lines(got.stdout) {
		if number, _, _ := strings.Cut(line, " "); number != fmt.Sprint(n) {
			t.Fatalf("line %d is %q", n, line)
		}
		n++
	}
	if n != lines || got.code != 0 {
		t.Errorf("%d of %d lines, exit code %d, %q", n, lines, got.code, got.stderr)
	}
	s.Wait("the Pod is over", time.Minute, "pod/"+s.Namespace, "jsonpath={.status.phase}=Succeeded")
	s.Prints("and its log is still there", 20*time.Second, fmt.Sprintf(`^%d +\.$`, lines-1), "logs", s.Namespace, "--tail=1")
}

// A command that neither reads nor writes does not outlive its user either.
func TestExecHangUpOfSilent(t *testing.T) {
	s := shellPod(t)
	runs := func() bool {
		return strings.Contains(kubectl(s, "SPDY", nil, "exec", s.Namespace, "-c", "shell", "--", "bash", "-c",
			`for p in /proc/[0-9]*/cmdline; do while IFS= read -r -d '' w; do printf '%s ' "$w"; done <$p; echo; done 2>/dev/null`).stdout, "sleep 4321 ")
	}
	for protocol := range protocols {
		cmd := kubectlCommand(t.Context(), s, protocol, "exec", s.Namespace, "-c", "shell", "--", "sleep", "4321")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.Eventually("the command runs", 20*time.Second, func() error {
			if !runs() {
				return errors.New("it does not run")
			}
			return nil
		})
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		s.Eventually("the command ends with its user, over "+protocol, 20*time.Second, func() error {
			if runs() {
				return errors.New("it runs")
			}
			return nil
		})
	}
}

// With stdinOnce the end of the first user is the end of the input.
func TestAttachHangUp(t *testing.T) {
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
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
    - name: shell
      image: ` + image + `
      imagePullPolicy: Never
      stdin: true
      stdinOnce: true
      command: [bash, -c, "cat; exit 4"]
`)
	s.Wait("it runs", time.Minute, "pod/"+s.Namespace, "condition=Ready")
	cmd := kubectlCommand(t.Context(), s, "WebSocket", "attach", "-i", s.Namespace)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said := &e2e.Output{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := input.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	s.Prints("it hears its user", 20*time.Second, "^hello$", "logs", s.Namespace)
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	s.Prints("its input has ended", time.Minute, "^4$", "get", "pod", s.Namespace, "-o",
		"jsonpath={.status.containerStatuses[0].state.terminated.exitCode}")
}
