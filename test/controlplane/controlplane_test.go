package controlplane_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/controlplane"
	"github.com/capsulet/capsulet/test/controlplane/progress"
)

func kubectl(t *testing.T, c *controlplane.ControlPlane, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), c.Kubectl, append([]string{"--kubeconfig", c.Kubeconfig}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func pids(t *testing.T, dir string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "controlplane.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s struct{ PIDs map[string]int }
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s.PIDs
}

// The whole life of a detached control plane in one start: it is adopted, healed, and stopped by its directory.
func TestLife(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Kubernetes control plane")
	}
	dir := t.TempDir()
	cfg := controlplane.Config{Dir: dir, Detached: true, Progress: progress.New(os.Stderr)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := controlplane.StopDir(ctx, dir); err != nil {
			t.Error(err)
		}
	})
	c, err := controlplane.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if v := kubectl(t, c, "version"); !strings.Contains(v, "Server Version: "+controlplane.Version) {
		t.Errorf("kubectl version says:\n%s", v)
	}
	kubectl(t, c, "run", "p", "--image=none", "--dry-run=server")
	before := pids(t, dir)

	again, err := controlplane.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for part, pid := range pids(t, dir) {
		if pid != before[part] {
			t.Errorf("a second Start replaced %s", part)
		}
	}
	if again.URL != c.URL || again.Kubeconfig != c.Kubeconfig {
		t.Errorf("a second Start answers %s %s, want %s %s", again.URL, again.Kubeconfig, c.URL, c.Kubeconfig)
	}

	if err := syscall.Kill(before["kube-scheduler"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for syscall.Kill(before["kube-scheduler"], 0) == nil { // our own child: gone once it is reaped
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := controlplane.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for part, pid := range pids(t, dir) {
		if (pid != before[part]) != (part == "kube-scheduler") {
			t.Errorf("after the scheduler was killed: %s had process %d, has %d", part, before[part], pid)
		}
	}

	if err := controlplane.StopDir(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for part, pid := range before {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s (process %d) is still there: %v", part, pid, err)
		}
	}
}

// The metrics server's API is part of the cluster's while it runs, and not a moment longer: an API group that does not answer
// holds up the end of every namespace.
func TestMetricsServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Kubernetes control plane")
	}
	c, err := controlplane.Start(t.Context(), controlplane.Config{Dir: t.TempDir(), Progress: progress.New(os.Stderr)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	m, err := c.StartMetricsServer(t.Context(), progress.New(os.Stderr))
	if err != nil {
		t.Fatal(err)
	}
	if got := kubectl(t, c, "api-resources", "--api-group=metrics.k8s.io", "-o", "name"); got != "nodes.metrics.k8s.io\npods.metrics.k8s.io\n" {
		t.Errorf("its resources are %q", got)
	}
	kubectl(t, c, "create", "namespace", "short")
	if err := m.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	kubectl(t, c, "delete", "namespace", "short", "--timeout=30s")
	if got := kubectl(t, c, "get", "apiservices", "-o", "name"); strings.Contains(got, "metrics") {
		t.Errorf("it is still announced: %s", got)
	}
}
