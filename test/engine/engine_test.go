package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/engine"
)

func docker(t *testing.T, e *engine.Engine, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", append([]string{"-H", e.Endpoint}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s\n%s", strings.Join(args, " "), err, out, e.Log("dockerd", 10))
	}
	return strings.TrimSpace(string(out))
}

// importWeb puts the example workload on the engine as image web.
func importWeb(t *testing.T, e *engine.Engine) {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "web"), "github.com/capsulet/capsulet/examples/web")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build examples/web: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "tar", "-C", dir, "-cf", dir+"/web.tar", "web").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	docker(t, e, "import", "-c", `ENTRYPOINT ["/web"]`, dir+"/web.tar", "web")
}

func running(t *testing.T, e *engine.Engine) string {
	t.Helper()
	return docker(t, e, "ps", "-q", "--no-trunc")
}

func fetch(t *testing.T, address string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+":8080/ready", nil)
	if err != nil {
		return err
	}
	res, err := new(http.Transport).RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", res.Status)
	}
	return nil
}

func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Every fault in one engine's life, with a container that a test in this network namespace can reach.
func TestFaults(t *testing.T) {
	if testing.Short() || os.Getenv("CAPSULET_TEST_DOCKER") == "skip" {
		t.Skip("starts a Docker engine of its own")
	}
	for _, live := range []bool{false, true} {
		t.Run(fmt.Sprintf("live-restore=%v", live), func(t *testing.T) { faults(t, live) })
	}
}

func faults(t *testing.T, live bool) {
	e, err := engine.Start(t.Context(), engine.Config{LiveRestore: live})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, e) })
	importWeb(t, e)
	id := docker(t, e, "run", "-d", "web", "serve")
	address := docker(t, e, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", id)
	eventually(t, "reach the container from here", func() error { return fetch(t, address) })

	if err := e.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	if err := e.Ping(ctx); err == nil {
		t.Error("a paused engine answers")
	}
	cancel()
	if err := fetch(t, address); err != nil {
		t.Errorf("a container of a paused engine: %v", err)
	}
	if err := e.Continue(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "answer after Continue", func() error { return e.Ping(t.Context()) })

	if err := e.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := fetch(t, address); err != nil {
		t.Errorf("a container of a killed engine: %v", err)
	}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := running(t, e); (got == id) != live {
		t.Errorf("after a kill, live-restore %v: running is %q", live, got)
	}

	if !live {
		docker(t, e, "start", id)
	}
	if err := e.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := running(t, e); (got == id) != live {
		t.Errorf("after a restart, live-restore %v: running is %q", live, got)
	}
	if live {
		if err := e.Partition(); err != nil {
			t.Fatal(err)
		}
		if err := fetch(t, address); err == nil {
			t.Error("a container is reached through a partition")
		}
		if err := e.Heal(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "reach the container again", func() error { return fetch(t, address) })
	}
}

// remove removes the engine and looks for what it should have taken along.
func remove(t *testing.T, e *engine.Engine) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := e.Remove(ctx); err != nil {
		t.Error(err)
	}
	look := exec.CommandContext(ctx, "sh", "-c", leftovers)
	look.Env = append(os.Environ(), "N="+filepath.Base(filepath.Dir(strings.TrimPrefix(e.Endpoint, "unix://"))))
	out, err := look.CombinedOutput()
	if err != nil {
		t.Errorf("look for leftovers: %v\n%s", err, out)
	}
	if s := strings.TrimSpace(string(out)); s != "" {
		t.Errorf("left behind:\n%s", s)
	}
}

// leftovers prints what is still there of engine $N; the bracket keeps grep from finding itself.
const leftovers = `
i=${N##*-}
grep -la "[c]${N#c}/" /proc/[0-9]*/cmdline 2>/dev/null
ip -o link 2>/dev/null | grep "ce$i@"
ip route 2>/dev/null | grep "172.30.$i.0"
iptables -S 2>/dev/null | grep "ce$i "
grep "$N/" /proc/self/mountinfo
ls -d /sys/fs/cgroup/$N /sys/fs/cgroup/*/$N /run/$N /var/tmp/$N 2>/dev/null
true`

// A test that is killed leaves containers of its engine behind; the next engine of that number ends them.
func TestKilledTest(t *testing.T) {
	if testing.Short() || os.Getenv("CAPSULET_TEST_DOCKER") == "skip" {
		t.Skip("starts a Docker engine of its own")
	}
	if os.Getenv("CAPSULET_ENGINE_VICTIM") != "" {
		e, err := engine.Start(t.Context(), engine.Config{})
		if err != nil {
			t.Fatal(err)
		}
		importWeb(t, e)
		docker(t, e, "run", "-d", "web", "serve")
		fmt.Fprintln(os.Stdout, "endpoint", e.Endpoint)
		select {} // until it is killed
	}
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledTest$")
	victim.Env = append(os.Environ(), "CAPSULET_ENGINE_VICTIM=1")
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	victim.Stderr = os.Stderr
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	var endpoint string
	for s := bufio.NewScanner(out); endpoint == "" && s.Scan(); {
		endpoint, _ = strings.CutPrefix(s.Text(), "endpoint ")
		if endpoint == s.Text() {
			endpoint = ""
		}
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	if endpoint == "" {
		t.Fatal("the victim ended before it had an engine")
	}
	e, err := engine.Start(t.Context(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, e) })
	if e.Endpoint != endpoint {
		t.Fatalf("the next engine is %s, the victim's was %s", e.Endpoint, endpoint)
	}
	if got := docker(t, e, "ps", "-aq"); got != "" {
		t.Errorf("the next engine has containers: %s", got)
	}
}
