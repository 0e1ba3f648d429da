package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/capsulet/capsulet/test/dev/stage"
)

func answers(ctx context.Context) error {
	_, err := stage.Docker(ctx, "version", "--format", "{{.Server.Version}}")
	return err
}

// ensureEngine uses the engine that is there; a machine without one gets the distribution's.
func (w *world) ensureEngine(ctx context.Context) error {
	if answers(ctx) == nil {
		return nil
	}
	if os.Getenv("DOCKER_HOST") != "" {
		return fmt.Errorf("the engine of DOCKER_HOST does not answer: %w", answers(ctx))
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		w.out.Line("  there is no Docker Engine here: installing the distribution's (apt-get install docker.io)")
		if err := w.step(ctx, "install docker.io", 15*time.Minute, func(ctx context.Context, note func(string)) error {
			return install(ctx, note, "docker.io", "iproute2", "iptables")
		}); err != nil {
			return fmt.Errorf("%w\ninstall a Docker Engine yourself, or point DOCKER_HOST at one", err)
		}
		if answers(ctx) == nil {
			return nil
		}
	}
	return w.step(ctx, "start the Docker Engine", 2*time.Minute, func(ctx context.Context, _ func(string)) error {
		return w.startEngine(ctx)
	})
}

// needed are the programs that the tests run, and the Debian packages that bring them.
var needed = []struct{ program, pkg string }{
	{"docker", "docker.io"}, {"dockerd", "docker.io"}, {"containerd", "containerd"},
	{"ip", "iproute2"}, {"iptables", "iptables"}, {"tar", "tar"}, {"curl", "curl"},
	{"hexdump", "bsdextrautils"}, {"sysctl", "procps"},
}

// openStack are those of OpenStack; the service of keystone is not to run, the tests run their own.
var openStack = []struct{ program, pkg string }{
	{"keystone-manage", "keystone"}, {"uwsgi", "uwsgi-plugin-python3"}, {"sqlite3", "sqlite3"}, {"openstack", "python3-openstackclient"}, {"zun", "python3-zunclient"},
	{"heat-manage", "heat-common"}, // which brings python3-heat
}

func missing(of []struct{ program, pkg string }) (packages []string) {
	for _, n := range of {
		if _, err := exec.LookPath(n.program); err != nil && !slices.Contains(packages, n.pkg) {
			packages = append(packages, n.pkg)
		}
	}
	return packages
}

// tools installs what the tests need and starts the engine.
func (w *world) tools(ctx context.Context) error {
	for _, one := range []struct {
		packages []string
		install  func(ctx context.Context, note func(string), packages ...string) error
	}{{missing(needed), install}, {missing(openStack), installQuietly}} {
		if len(one.packages) == 0 {
			continue
		}
		what := "install what the tests need: apt-get install " + strings.Join(one.packages, " ")
		if err := w.step(ctx, what, 15*time.Minute, func(ctx context.Context, note func(string)) error {
			return one.install(ctx, note, one.packages...)
		}); err != nil {
			return err
		}
	}
	if answers(ctx) == nil {
		return nil
	}
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return err
	}
	return w.ensureEngine(ctx)
}

// images is `make image`.
func (w *world) images(ctx context.Context) error {
	for ref, pkg := range map[string]string{image: "./examples/web", selfImage: "./cmd/capsulet"} {
		if err := w.step(ctx, "build and import "+ref, 20*time.Minute, func(ctx context.Context, _ func(string)) error {
			return stage.Image(ctx, w.root, pkg, ref, instance)
		}); err != nil {
			return err
		}
	}
	return nil
}

func install(ctx context.Context, note func(string), packages ...string) error {
	for _, args := range [][]string{
		{"apt-get", "update", "-qq"},
		append([]string{"apt-get", "install", "-qq", "-y", "--no-install-recommends"}, packages...),
	} {
		note(strings.Join(args, " "))
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// installQuietly starts no service of the packages: Debian's invoke-rc.d asks policy-rc.d, and a machine that has one keeps it.
func installQuietly(ctx context.Context, note func(string), packages ...string) error {
	const policy = "/usr/sbin/policy-rc.d"
	f, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // a program
	if err == nil {
		defer os.Remove(policy)
		_, err = f.WriteString("#!/bin/sh\nexit 101\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep services from starting: %w", err)
	}
	return install(ctx, note, packages...)
}

// startEngine asks systemd where there is one, and else runs dockerd itself; only the latter is ours to stop.
func (w *world) startEngine(ctx context.Context) error {
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		if out, err := exec.CommandContext(ctx, "systemctl", "start", "docker").CombinedOutput(); err != nil {
			return fmt.Errorf("systemctl start docker: %w\n%s", err, out)
		}
		return answers(ctx)
	}
	log := w.path("dockerd.log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command("dockerd")
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start dockerd: %w", err)
	}
	if err := os.WriteFile(w.path("dockerd.pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if answers(ctx) == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("dockerd ended (%w); its log is %s", err, log)
		case <-ctx.Done():
			return fmt.Errorf("dockerd does not answer: %w; its log is %s", context.Cause(ctx), log)
		case <-tick.C:
		}
	}
}

// stopEngine stops the dockerd that startEngine started, if it did and that one still runs.
func (w *world) stopEngine(ctx context.Context) error {
	b, err := os.ReadFile(w.path("dockerd.pid"))
	if err != nil {
		return nil
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		return nil
	}
	isDockerd := func() bool {
		exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
		return err == nil && filepath.Base(exe) == "dockerd"
	}
	if !isDockerd() {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop dockerd (process %d): %w", pid, err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for isDockerd() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("dockerd (process %d) does not end: %w", pid, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}
