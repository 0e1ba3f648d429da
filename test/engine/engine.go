package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config says what kind of engine.
type Config struct {
	// LiveRestore keeps containers running while dockerd is away.
	LiveRestore bool
	// TLS makes it listen on a TCP port too, for clients that have a certificate.
	TLS bool
	// Unrouted leaves out the route to the addresses of its containers: they are reached through the engine only.
	Unrouted bool
	// DataDir is the directory beneath which images and containers are kept, on a fast local disk; /var/tmp when empty.
	DataDir string
}

// Engine is a private engine. Its methods are for one goroutine at a time.
type Engine struct {
	// Endpoint is what a Docker client takes: unix:///run/….
	Endpoint string
	// Address is how the engine's machine is reached from this network namespace.
	Address string
	// TCP is tcp://address:port of an engine with TLS; TLS are the files of its clients.
	TCP string
	TLS TLS

	cfg        Config
	net        network
	ns         *namespaces
	run        string // sockets, logs, process state
	data       string
	unlock     func()
	containerd *daemon
	dockerd    *daemon
}

// daemon is one running program.
type daemon struct {
	cmd   *exec.Cmd
	ended <-chan struct{}
}

func (d *daemon) alive() bool {
	if d == nil {
		return false
	}
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

const (
	firstNumber, lastNumber = 1, 60
	answerTimeout           = time.Minute
	stopTimeout             = 45 * time.Second
)

// Start makes an engine and returns when it answers. The caller must Remove it.
func Start(ctx context.Context, cfg Config) (_ *Engine, err error) {
	for _, name := range []string{"dockerd", "containerd", "ip", "iptables"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("a private engine needs %s (apt-get install docker.io iproute2 iptables): %w", name, err)
		}
	}
	if cfg.DataDir == "" {
		cfg.DataDir = "/var/tmp"
	}
	e := &Engine{cfg: cfg}
	if err := e.takeNumber(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			cleanCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			err = errors.Join(err, e.Remove(cleanCtx))
		}
	}()
	if err := e.sweep(); err != nil { // what a killed test left under this number
		return nil, fmt.Errorf("sweep the leftovers of engine %d: %w", e.net.n, err)
	}
	if err := os.MkdirAll(e.run, 0o700); err != nil {
		return nil, err
	}
	if cfg.TLS {
		e.TCP = "tcp://" + net.JoinHostPort(e.Address, port)
		if err := e.certify(); err != nil {
			return nil, err
		}
	}
	if e.ns, err = newNamespaces(); err != nil {
		return nil, err
	}
	if err := e.net.up(e.ns); err != nil {
		return nil, fmt.Errorf("join engine %d to this network: %w", e.net.n, err)
	}
	if err := e.startContainerd(ctx); err != nil {
		return nil, err
	}
	return e, e.Run(ctx)
}

// takeNumber finds a number that no other process has.
func (e *Engine) takeNumber() error {
	for n := firstNumber; n <= lastNumber; n++ {
		run := fmt.Sprintf("/run/capsulet-engine-%d", n)
		f, err := os.OpenFile(run+".lock", os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
		if err != nil {
			return fmt.Errorf("take a number for a private engine: %w", err)
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			_ = f.Close()
			continue
		}
		e.net, e.run = network{n, e.cfg.Unrouted}, run
		e.data = filepath.Join(e.cfg.DataDir, filepath.Base(run))
		e.Endpoint, e.Address = "unix://"+e.socket(), e.net.engine()
		e.unlock = func() { _ = f.Close() }
		return nil
	}
	return fmt.Errorf("all %d private engines are in use (locks in /run/capsulet-engine-*.lock)", lastNumber)
}

func (e *Engine) socket() string           { return e.run + "/docker.sock" }
func (e *Engine) containerdSocket() string { return e.run + "/containerd.sock" }
func (e *Engine) cgroup() string           { return filepath.Base(e.run) }

func (e *Engine) startContainerd(ctx context.Context) error {
	config := e.run + "/containerd.toml"
	// The CRI plugin would look for a CNI set-up and take the streaming port of another containerd.
	if err := os.WriteFile(config, []byte("version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"), 0o600); err != nil {
		return err
	}
	d, err := e.spawn("containerd", "--config", config, "--root", e.data+"/containerd",
		"--state", e.run+"/containerd", "--address", e.containerdSocket(), "--log-level", "warn")
	if err != nil {
		return err
	}
	e.containerd = d
	return e.await(ctx, d, "containerd", func(ctx context.Context) error {
		var dialer net.Dialer
		c, err := dialer.DialContext(ctx, "unix", e.containerdSocket())
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// Run starts dockerd, after Stop or Kill too, and returns when it answers. It does nothing while dockerd runs.
func (e *Engine) Run(ctx context.Context) error {
	if e.dockerd.alive() {
		return nil
	}
	config := e.run + "/daemon.json" // the machine's own settings are not ours
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		return err
	}
	var listen []string
	if e.cfg.TLS {
		listen = []string{"--host", e.TCP, "--tlsverify", "--tlscacert", e.pem("ca"), "--tlscert", e.pem("server"), "--tlskey", e.pem("server-key")}
	}
	d, err := e.spawn("dockerd", append(listen, "--config-file", config, "--host", e.Endpoint,
		"--data-root", e.data+"/docker", "--exec-root", e.run+"/docker", "--pidfile", e.run+"/docker.pid",
		"--containerd", e.containerdSocket(), "--bip", e.net.bip(), "--cgroup-parent", "/"+e.cgroup(),
		"--live-restore="+strconv.FormatBool(e.cfg.LiveRestore), "--log-level", "warn")...)
	if err != nil {
		return err
	}
	e.dockerd = d
	if err := e.await(ctx, d, "dockerd", e.Ping); err != nil {
		return err
	}
	return e.net.admit(e.ns)
}

func (e *Engine) spawn(name string, args ...string) (*daemon, error) {
	out, err := os.OpenFile(e.run+"/"+name+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = "/"
	ended, err := e.ns.start(cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return &daemon{cmd, ended}, nil
}

// Ping asks the engine whether it answers.
func (e *Engine) Ping(ctx context.Context) error {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", e.socket())
	}}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return err
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(io.LimitReader(res.Body, 64)); res.StatusCode != http.StatusOK || string(body) != "OK" {
		return fmt.Errorf("ping: %s: %s", res.Status, body)
	}
	return nil
}

func (e *Engine) await(ctx context.Context, d *daemon, name string, up func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := up(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-d.ended:
			return fmt.Errorf("%s ended at start: %s\n%s", name, d.cmd.ProcessState, e.Log(name, 15))
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (last: %w)\n%s", name, ctx.Err(), err, e.Log(name, 15))
		case <-tick.C:
		}
	}
}

// Log is the last lines of dockerd's or containerd's log.
func (e *Engine) Log(name string, lines int) string {
	b, err := os.ReadFile(e.run + "/" + name + ".log")
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Stop ends dockerd with TERM, which stops its containers unless LiveRestore is set.
func (e *Engine) Stop(ctx context.Context) error { return e.dockerd.signal(ctx, syscall.SIGTERM) }

// Kill ends dockerd with KILL; its containers go on.
func (e *Engine) Kill(ctx context.Context) error { return e.dockerd.signal(ctx, syscall.SIGKILL) }

// Restart is Stop and Run.
func (e *Engine) Restart(ctx context.Context) error {
	if err := e.Stop(ctx); err != nil {
		return err
	}
	return e.Run(ctx)
}

// Pause freezes dockerd: connections are accepted by the kernel and nobody answers. Continue thaws it.
func (e *Engine) Pause() error {
	p := e.dockerd.cmd.Process
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); !stopped(p.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("process %d does not stop", p.Pid)
		}
	}
	return nil
}

// stopped says whether every thread of a process has taken its stop: one on another CPU goes on for a moment.
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, file := range threads {
		stat, err := os.ReadFile(file)
		_, state, _ := strings.Cut(string(stat), ") ")
		if err == nil && !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// Continue ends a Pause.
func (e *Engine) Continue() error { return e.dockerd.cmd.Process.Signal(syscall.SIGCONT) }

// Partition drops every packet between this network and the engine's; Heal ends it.
func (e *Engine) Partition() error { return e.net.partition(true) }

// Heal ends a Partition.
func (e *Engine) Heal() error { return e.net.partition(false) }

// signal ends a daemon and waits until it is gone; one that hears nothing is killed.
func (d *daemon) signal(ctx context.Context, sig syscall.Signal) error {
	if !d.alive() {
		return nil
	}
	if err := d.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	select {
	case <-d.ended:
		return nil
	case <-ctx.Done():
		_ = d.cmd.Process.Kill()
		<-d.ended
		return fmt.Errorf("%s did not end on %s: killed: %w", filepath.Base(d.cmd.Path), sig, ctx.Err())
	}
}
