package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/capsulet/capsulet/test/child"
)

// Server is one `capsulet run`: where its files are and what it is told. The zero value of a field leaves the choice to
// capsulet's defaults unless said otherwise.
type Server struct {
	// Program is the path of the capsulet binary, Dir the directory of its state, configuration, log and process id.
	// Both absolute.
	Program, Dir string
	Instance     string
	// NodeName and Kubeconfig are required; NodeAddress is where the API server finds the node.
	NodeName, Kubeconfig, NodeAddress string
	// APIPort and KubeletPort are ports on loopback.
	APIPort, KubeletPort int
	// Engine is a Docker endpoint.
	Engine string
	// CA, Cert and Key are files for mutual TLS with it.
	CA, Cert, Key string
	LogLevel      string
	// NoTaint makes the node one for every pod.
	NoTaint bool
	// Detached lets it survive this process; otherwise it dies with it.
	Detached bool
}

// URL is the capsule API's.
func (s *Server) URL() string { return "http://127.0.0.1:" + strconv.Itoa(s.APIPort) }

// Log is the path of its log.
func (s *Server) Log() string { return filepath.Join(s.Dir, "capsulet.log") }

// RunDir is where it keeps secrets; on tmpfs where /run is one.
func (s *Server) RunDir() string { return "/run/capsulet-" + s.Instance }

func (s *Server) config() string    { return filepath.Join(s.Dir, "capsulet.yaml") }
func (s *Server) pidFile() string   { return filepath.Join(s.Dir, "capsulet.pid") }
func (s *Server) tokenFile() string { return filepath.Join(s.Dir, "state", "admin.token") }

// Token reads the token that the server made at its first start.
func (s *Server) Token() (string, error) {
	b, err := os.ReadFile(s.tokenFile())
	if err != nil {
		return "", fmt.Errorf("read the API token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// WriteConfig writes the configuration file and says whether it differs from what was there.
func (s *Server) WriteConfig() (changed bool, err error) {
	type object map[string]any
	node := object{
		"name": s.NodeName, "kubeconfig": s.Kubeconfig, "kubeletPort": s.KubeletPort,
		"labels": object{"type": "virtual-kubelet"},
	}
	if s.NoTaint {
		node["noTaint"] = true
	}
	if s.NodeAddress != "" {
		node["address"] = s.NodeAddress
		node["kubeletListen"] = s.NodeAddress
	}
	host := object{"name": "local", "endpoint": s.Engine}
	if s.CA != "" {
		host["tls"] = object{"ca": s.CA, "cert": s.Cert, "key": s.Key}
	}
	doc := object{
		"instance":   s.Instance,
		"stateDir":   filepath.Join(s.Dir, "state"),
		"runDir":     s.RunDir(),
		"seccompDir": filepath.Join(s.Dir, "seccomp"),
		"log":        object{"level": s.LogLevel},
		"api":        object{"listen": "127.0.0.1:" + strconv.Itoa(s.APIPort), "tokenFile": s.tokenFile()},
		"hosts":      []object{host},
		"node":       node,
	}
	b, err := yaml.Marshal(doc)
	if err != nil {
		return false, err
	}
	b = append([]byte("# Written by test/dev/stage; changes are overwritten.\n"), b...)
	if old, err := os.ReadFile(s.config()); err == nil && bytes.Equal(old, b) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Join(s.Dir, "state"), 0o700); err != nil {
		return false, err
	}
	return true, os.WriteFile(s.config(), b, 0o600)
}

// PID is the process that runs, 0 when none does. A recorded id counts only while it runs our program with our
// configuration: ids are recycled.
func (s *Server) PID() int {
	b, err := os.ReadFile(s.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 0 {
		return 0
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	exe, err := os.Readlink(filepath.Join(proc, "exe"))
	if err != nil || strings.TrimSuffix(exe, " (deleted)") != s.Program {
		return 0
	}
	// A zombie has no exe; no arguments means that the kernel has not finished the exec.
	for range 1000 {
		args, err := os.ReadFile(filepath.Join(proc, "cmdline"))
		if err != nil || len(args) > 0 {
			if err == nil && bytes.Contains(args, []byte(s.config())) {
				return pid
			}
			return 0
		}
		time.Sleep(time.Millisecond)
	}
	return 0
}

// Start starts it; it does not wait until it serves. The log is appended to.
func (s *Server) Start() error {
	out, err := os.OpenFile(s.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(s.Program, "run", "--config", s.config())
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !s.Detached {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if _, err := child.Start(cmd); err != nil { // PID tells whether it lives
		return fmt.Errorf("start %s run: %w", s.Program, err)
	}
	return os.WriteFile(s.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600)
}

// Stop ends it with TERM, and with KILL after grace; nothing running is no error. Containers stay.
func (s *Server) Stop(ctx context.Context, grace time.Duration) error {
	return s.end(ctx, syscall.SIGTERM, grace)
}

// Kill ends it with KILL, as a crash would.
func (s *Server) Kill(ctx context.Context) error { return s.end(ctx, syscall.SIGKILL, 0) }

func (s *Server) end(ctx context.Context, sig syscall.Signal, grace time.Duration) error {
	deadline := time.Now().Add(grace)
	signalled, late := false, false
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		pid := s.PID()
		if pid == 0 {
			break
		}
		if late = late || signalled && time.Now().After(deadline); late {
			sig = syscall.SIGKILL
		}
		if !signalled || late {
			if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end capsulet (process %d): %w", pid, err)
			}
			signalled = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of capsulet (process %d): %w", pid, context.Cause(ctx))
		case <-tick.C:
		}
	}
	if late && grace > 0 {
		return fmt.Errorf("capsulet did not end within %s of TERM and was killed; see %s", grace, s.Log())
	}
	return nil
}

// Tail is the end of the log.
func (s *Server) Tail(lines int) string {
	b, err := os.ReadFile(s.Log())
	if err != nil {
		return "(" + err.Error() + ")"
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Await waits until up returns nil. It fails early, with the end of the log, when the server ends.
func (s *Server) Await(ctx context.Context, what string, up func(context.Context) error) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		err := up(ctx)
		if err == nil {
			return nil
		}
		if s.PID() == 0 {
			return fmt.Errorf("capsulet ended; the end of %s:\n%s", s.Log(), s.Tail(20))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (last: %w); the end of %s:\n%s", what, context.Cause(ctx), err, s.Log(), s.Tail(20))
		case <-tick.C:
		}
	}
}
