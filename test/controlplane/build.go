package controlplane

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/capsulet/capsulet/test/controlplane/progress"
)

// Version is the version of Kubernetes that kube/go.mod pins; the programs say it when asked.
const Version = "v1.36.3"

// Programs is a directory with the built programs.
type Programs struct{ Dir string }

// Path is the path of one program: etcd, kube-apiserver, kube-controller-manager, kube-scheduler or kubectl.
func (p Programs) Path(name string) string { return filepath.Join(p.Dir, name) }

// The packages behind the programs. etcd's main package is called server; it is renamed after the build.
var packages = map[string]string{
	"etcd":                    "go.etcd.io/etcd/server/v3",
	"kube-apiserver":          "k8s.io/kubernetes/cmd/kube-apiserver",
	"kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
	"kube-scheduler":          "k8s.io/kubernetes/cmd/kube-scheduler",
	"kubectl":                 "k8s.io/kubernetes/cmd/kubectl",
}

// buildOrder puts the cheap ones last: whoever watches sees the long part first.
var buildOrder = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "etcd"}

// CacheDir is where built programs are kept: $CAPSULET_CACHE, or capsulet/ in the user's cache directory.
func CacheDir() (string, error) {
	if d := os.Getenv("CAPSULET_CACHE"); d != "" {
		return filepath.Abs(d)
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache directory (set CAPSULET_CACHE to choose one): %w", err)
	}
	return filepath.Join(d, "capsulet"), nil
}

// Build returns the programs, building them first when the cache lacks them; that takes minutes the first time and is
// shown on p (nil: silently). Several processes may call it at once: one builds, the others wait.
func Build(ctx context.Context, p *progress.Printer) (Programs, error) {
	if p == nil {
		p = progress.New(nil)
	}
	module, err := moduleDir()
	if err != nil {
		return Programs{}, err
	}
	sum, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return Programs{}, fmt.Errorf("read the checksums of the control plane's module: %w", err)
	}
	cache, err := CacheDir()
	if err != nil {
		return Programs{}, err
	}
	progs := Programs{Dir: filepath.Join(cache, fmt.Sprintf("kube-%s-%.8x", Version, sha256.Sum256(sum)))}
	if progs.complete() {
		return progs, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Programs{}, fmt.Errorf("make the cache directory: %w", err)
	}
	what := "build Kubernetes " + Version + " from Go modules (minutes the first time, kept in " + cache + ")"
	return progs, p.Step(ctx, what, func(ctx context.Context, note func(string)) error {
		unlock, err := lockFile(ctx, progs.Dir+".lock")
		if err != nil {
			return err
		}
		defer unlock()
		if progs.complete() { // another process built it while this one waited
			return nil
		}
		return build(ctx, module, progs.Dir, note)
	})
}

func (p Programs) complete() bool {
	for name := range packages {
		if fi, err := os.Stat(p.Path(name)); err != nil || fi.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// build fills a directory beside dir and renames it into place when it is whole: a reader never sees half a build.
func build(ctx context.Context, module, dir string, note func(string)) error {
	tmp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".tmp-")
	if err != nil {
		return fmt.Errorf("make a build directory: %w", err)
	}
	defer os.RemoveAll(tmp)
	for i, name := range buildOrder {
		note(fmt.Sprintf("%d of %d, %s", i+1, len(buildOrder), name))
		if err := buildOne(ctx, module, packages[name], filepath.Join(tmp, name)); err != nil {
			return err
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil { // what an earlier, incomplete cache left
		return err
	}
	return os.Rename(tmp, dir)
}

func buildOne(ctx context.Context, module, pkg, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", ldflags(), "-o", out, pkg)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	// Without a group of its own a cancelled build would leave compilers behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s in %s: %w\n%s", pkg, module, err, lastLines(stderr.Bytes(), 20))
	}
	return nil
}

// ldflags are constant so that the build cache is good for every run; without them the programs call themselves
// v0.0.0-master and refuse to work with their own kubectl.
func ldflags() string {
	v := strings.Split(strings.TrimPrefix(Version, "v"), ".")
	flags := []string{"-s", "-w"}
	for _, kv := range [][2]string{
		{"gitVersion", Version}, {"gitMajor", v[0]}, {"gitMinor", v[1]}, {"gitTreeState", "clean"},
		{"gitCommit", strings.Repeat("0", 40)}, {"buildDate", "2026-01-01T00:00:00Z"},
	} {
		flags = append(flags, "-X", "k8s.io/component-base/version."+kv[0]+"="+kv[1])
	}
	return strings.Join(flags, " ")
}

// moduleDir finds kube/ from any directory of the repository: it cannot be embedded, being a module of its own.
func moduleDir() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		kube := filepath.Join(dir, "test", "controlplane", "kube")
		if _, err := os.Stat(filepath.Join(kube, "go.mod")); err == nil {
			return kube, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no test/controlplane/kube above %s: run this inside capsulet's repository", wd)
		}
	}
}

// lockFile takes an exclusive lock that the kernel drops when this process ends, in whatever way.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if err := pause(ctx); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("wait for the lock %s, which another process holds: %w", path, err)
		}
	}
}
