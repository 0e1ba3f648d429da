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

// Version is the version of Kubernetes that kube/go.mod pins; the programs say it when asked. MetricsVersion is that of the
// metrics server in metrics/go.mod.
const (
	Version        = "v1.36.3"
	MetricsVersion = "v0.9.0"
)

// Programs is a directory with the built programs.
type Programs struct{ Dir string }

// Path is the path of one program: etcd, kube-apiserver, kube-controller-manager, kube-scheduler or kubectl; of a suite
// e2e.test, ginkgo or agnhost.
func (p Programs) Path(name string) string { return filepath.Join(p.Dir, name) }

// set is what is built and kept together. Of its programs the cheap ones come last: whoever watches sees the long part
// first.
type set struct {
	what, prefix    string
	module, version string // a directory beside this file, and what it pins
	programs        []program
}

type program struct {
	name, pkg string
	test      bool   // a test binary
	ldflags   string // beside those of all
}

// etcd's main package is called server; it is renamed after the build.
var plane = set{what: "Kubernetes", prefix: "kube", module: "kube", version: Version, programs: []program{
	{name: "kube-apiserver", pkg: "k8s.io/kubernetes/cmd/kube-apiserver"},
	{name: "kube-controller-manager", pkg: "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{name: "kube-scheduler", pkg: "k8s.io/kubernetes/cmd/kube-scheduler"},
	{name: "kubectl", pkg: "k8s.io/kubernetes/cmd/kubectl"},
	{name: "etcd", pkg: "go.etcd.io/etcd/server/v3"},
}}

var suite = set{what: "the conformance suite of Kubernetes", prefix: "suite", module: "kube", version: Version, programs: []program{
	{name: "e2e.test", pkg: "k8s.io/kubernetes/test/e2e", test: true},
	{name: "agnhost", pkg: "k8s.io/kubernetes/test/images/agnhost", ldflags: "-X main.Version=" + AgnhostVersion},
	{name: "ginkgo", pkg: "github.com/onsi/ginkgo/v2/ginkgo"},
}}

var metrics = set{what: "the metrics server", prefix: "metrics", module: "metrics", version: MetricsVersion, programs: []program{
	{name: "metrics-server", pkg: "sigs.k8s.io/metrics-server/cmd/metrics-server"},
}}

// AgnhostVersion is the version of agnhost that the suite of [Version] asks for.
const AgnhostVersion = "2.63.0"

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
	return buildSet(ctx, p, plane)
}

// BuildSuite does the same for the conformance suite: e2e.test, ginkgo, which runs it, and agnhost, which its pods run.
func BuildSuite(ctx context.Context, p *progress.Printer) (Programs, error) {
	return buildSet(ctx, p, suite)
}

func buildSet(ctx context.Context, p *progress.Printer, s set) (Programs, error) {
	if p == nil {
		p = progress.New(nil)
	}
	module, err := moduleDir(s.module)
	if err != nil {
		return Programs{}, err
	}
	sum, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return Programs{}, fmt.Errorf("read the checksums of the module of %s: %w", s.what, err)
	}
	cache, err := CacheDir()
	if err != nil {
		return Programs{}, err
	}
	progs := Programs{Dir: filepath.Join(cache, fmt.Sprintf("%s-%s-%.8x", s.prefix, s.version, sha256.Sum256(sum)))}
	if progs.complete(s) {
		return progs, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Programs{}, fmt.Errorf("make the cache directory: %w", err)
	}
	what := "build " + s.what + " " + s.version + " from Go modules (minutes the first time, kept in " + cache + ")"
	return progs, p.Step(ctx, what, func(ctx context.Context, note func(string)) error {
		unlock, err := lockFile(ctx, progs.Dir+".lock")
		if err != nil {
			return err
		}
		defer unlock()
		if progs.complete(s) { // another process built it while this one waited
			return nil
		}
		return build(ctx, module, progs.Dir, s, note)
	})
}

func (p Programs) complete(s set) bool {
	for _, prog := range s.programs {
		if fi, err := os.Stat(p.Path(prog.name)); err != nil || fi.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// build fills a directory beside dir and renames it into place when it is whole: a reader never sees half a build.
func build(ctx context.Context, module, dir string, s set, note func(string)) error {
	tmp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".tmp-")
	if err != nil {
		return fmt.Errorf("make a build directory: %w", err)
	}
	defer os.RemoveAll(tmp)
	for i, prog := range s.programs {
		note(fmt.Sprintf("%d of %d, %s", i+1, len(s.programs), prog.name))
		if err := buildOne(ctx, module, prog, filepath.Join(tmp, prog.name)); err != nil {
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

func buildOne(ctx context.Context, module string, prog program, out string) error {
	args := []string{"build"}
	if prog.test {
		args = []string{"test", "-c"}
	}
	args = append(args, "-trimpath", "-ldflags", ldflags()+" "+prog.ldflags, "-o", out, prog.pkg)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	// Without a group of its own a cancelled build would leave compilers behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s %s in %s: %w\n%s", args[0], prog.pkg, module, err, lastLines(stderr.Bytes(), 20))
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

// moduleDir finds a module of this directory from any directory of the repository: it cannot be embedded, being a module of
// its own.
func moduleDir(name string) (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		module := filepath.Join(dir, "test", "controlplane", name)
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			return module, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no test/controlplane/%s above %s: run this inside capsulet's repository", name, wd)
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
