package zunclient

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/api/openapi/openapitest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
	"github.com/capsulet/capsulet/zunserver/store"
)

const (
	adminToken = "administrator-of-the-test"
	hostName   = "here"
)

// serve runs a capsule server on the machine's engine and returns its URL. What is left of it at the end is an error. change may
// have another one run, watch sees what it is asked.
func serve(t *testing.T, change func(*zunserver.Config), watch func(http.Handler) http.Handler) string {
	t.Helper()
	web := server(t, change, watch)
	web.Start()
	return web.URL
}

// server is that of serve, without a listener yet.
func server(t *testing.T, change func(*zunserver.Config), watch func(http.Handler) http.Handler) *httptest.Server {
	t.Helper()
	instance := "zunclient-" + uuid.NewString()[:8]
	host, err := docker.Open(t.Context(), docker.Config{Endpoint: docker.DefaultEndpoint, Instance: instance})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := runtimetest.BuildImage(t.Context(), host); err != nil {
		t.Fatal(err)
	}
	tokens, err := auth.NewTokens(map[string]auth.Identity{adminToken: auth.Administrator()})
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	dir := t.TempDir()
	run, err := os.MkdirTemp("/run", "capsulet-zunclient-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	cfg := zunserver.Config{
		Instance: instance, StateDir: dir, RunDir: run, Auth: tokens, Log: logrus.NewEntry(log),
		Store:  store.Config{DataDir: filepath.Join(dir, "etcd"), SealKey: make([]byte, 32), DetectChanges: true},
		Hosts:  []zunserver.HostConfig{{Name: hostName, Endpoint: docker.DefaultEndpoint, Address: "127.0.0.1", Near: true}},
		Quotas: &view.Quotas{Containers: 40, Memory: 51200, CPU: 20, Disk: 100},
		Open:   func(context.Context, zunserver.HostConfig) (runtime.Host, error) { return host, nil },
	}
	change(&cfg)
	srv, err := zunserver.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	web := httptest.NewUnstartedServer(nil)
	web.Config = api.NewServer(watch(openapitest.Handler(t, srv.Handler())))
	t.Cleanup(func() {
		web.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		leftover(t, host)
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return web
}

// committed is the name of the images that the test makes.
const committed = "capsulet/committed:"

// leftover removes the images that the test made, and containers that it left behind, which the scenarios must not.
func leftover(t *testing.T, host runtime.Host) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	images, err := host.ListImages(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, i := range images {
		for _, tag := range i.Tags {
			if !strings.HasPrefix(tag, committed) {
				continue
			}
			if err := host.RemoveImage(ctx, tag); err != nil {
				t.Error(err)
			}
		}
	}
	list, err := host.List(ctx, "")
	if err != nil {
		t.Error(err)
	}
	for _, c := range list {
		t.Errorf("left behind: %s", c.Name)
		if err := host.Remove(ctx, c.ID); err != nil {
			t.Error(err)
		}
	}
}

func admin(t *testing.T) *shell {
	url := serve(t, func(*zunserver.Config) {}, func(h http.Handler) http.Handler { return h })
	return newShell(t, "openstack", login(url)...)
}

func login(url string) []string {
	return []string{"--os-auth-type", "admin_token", "--os-token", adminToken, "--os-endpoint", url + "/v1"}
}

// What a user of `openstack appcontainer` does with a container, from its creation to its end.
func TestContainer(t *testing.T) {
	s := admin(t)
	image := []string{"--image-pull-policy", "ifnotpresent", runtimetest.ImageRef}
	create := append([]string{"appcontainer", "create", "--name", "one", "--cpu", "0.2", "--memory", "64", "--environment", "WORD=hello",
		"--label", "app=web", "--restart", "no", "--hostname", "box", "--workdir", "/tmp", "-f", "json"}, image...)
	s.openstack(`"name": "one"`, create...)
	if c := s.until("one", "Created"); c["memory"] != "64" || c["cpu"] != 0.2 || c["interactive"] != false {
		t.Errorf("%v", c)
	}
	s.refused("Cannot stop container .* in Created state", "appcontainer", "stop", "one")
	s.openstack("", "appcontainer", "start", "one")
	s.until("one", "Running")
	s.openstack("one.*Running", "appcontainer", "list")
	s.openstack("one", "appcontainer", "list", "--name", "one", "--status", "Running", "--sort-key", "name", "--sort-dir", "desc", "--limit", "1")
	s.openstack("^$|^\\s*$", "appcontainer", "list", "--name", "none", "-f", "value")
	s.openstack("hello", "appcontainer", "exec", "one", runtimetest.Program, "env")
	s.openstack("box", "appcontainer", "exec", "one", runtimetest.Program, "hostname")
	s.openstack("(?s).+", "appcontainer", "logs", "one")
	s.openstack("(?s).+", "appcontainer", "logs", "--timestamps", "--tail", "1", "--stdout", "one")
	s.refused("unsupported operand type", "appcontainer", "top", "one") // the client falls over its own print (python-zunclient 4.5)
	s.openstack("MEM USAGE", "appcontainer", "stats", "one")
	t.Run("files", func(t *testing.T) { files(t, s) })
	s.openstack("", "appcontainer", "pause", "one")
	s.until("one", "Paused")
	s.refused("Cannot pause container .* in Paused state", "appcontainer", "pause", "one")
	s.openstack("", "appcontainer", "unpause", "one")
	s.until("one", "Running")
	s.openstack("", "appcontainer", "set", "one", "--memory", "128", "--cpu", "0.3")
	if c := s.until("one", "Running"); c["memory"] != "128" {
		t.Errorf("memory %v", c["memory"])
	}
	s.openstack("", "appcontainer", "set", "one", "--name", "first")
	s.openstack("", "appcontainer", "restart", "first", "--timeout", "1")
	s.until("first", "Running")
	s.openstack("written", "appcontainer", "exec", "first", runtimetest.Program, "cat", "/tmp/a file")
	s.openstack("", "appcontainer", "stop", "first", "--timeout", "1")
	s.until("first", "Stopped")
	s.refused("Cannot execute container|Cannot exec", "appcontainer", "exec", "first", runtimetest.Program, "env")
	s.openstack("", "appcontainer", "start", "first")
	s.until("first", "Running")
	s.openstack("", "appcontainer", "kill", "first", "--signal", "KILL")
	s.until("first", "Stopped")
	commit := committed + uuid.NewString()[:8]
	s.openstack("", "appcontainer", "commit", "first", commit)
	s.openstack("", "appcontainer", "rebuild", "first")
	s.until("first", "Created") // it did not run before (zun/compute/manager.py, container_rebuild)
	s.openstack("", "appcontainer", "start", "first")
	s.until("first", "Running")
	s.openstack("(?s)rebuild", "appcontainer", "action", "list", "first")
	s.refused("Cannot delete container .* in Running state", "appcontainer", "delete", "first")
	s.openstack("", "appcontainer", "delete", "first", "--stop")
	s.until("first", "")
}

// The restart policy is in force until its owner sends the container the signal that stops it.
func TestKill(t *testing.T) {
	s := admin(t)
	s.openstack("always", "appcontainer", "run", "--name", "always", "--restart", "always", "--image-pull-policy", "ifnotpresent", runtimetest.ImageRef)
	s.until("always", "Running")
	begins := func(times int) { // before its first line, its kernel takes no signal for it but SIGKILL
		for deadline := time.Now().Add(slow); strings.Count(s.run("appcontainer", "logs", "always").Out, "sleeping") < times; { // refused while it is Restarting
			if time.Now().After(deadline) {
				t.Fatalf("it has not begun %d times", times)
			}
		}
	}
	begins(1)
	s.openstack("", "appcontainer", "kill", "always", "--signal", "HUP") // ends it, and it is started again
	begins(2)
	s.until("always", "Running")
	s.openstack("", "appcontainer", "kill", "always", "--signal", "TERM")
	s.until("always", "Stopped")
	s.openstack("", "appcontainer", "start", "always")
	s.until("always", "Running")
	s.openstack("", "appcontainer", "delete", "always", "--stop")
	s.until("always", "")
}

// files copies both ways, with a space in the name.
func files(t *testing.T, s *shell) {
	dir := t.TempDir()
	from := filepath.Join(dir, "a file")
	if err := os.WriteFile(from, []byte("written"), 0o640); err != nil {
		t.Fatal(err)
	}
	s.openstack("", "appcontainer", "cp", from, "one:/tmp")
	s.openstack("written", "appcontainer", "exec", "one", runtimetest.Program, "cat", "/tmp/a file")
	back := filepath.Join(dir, "back")
	if err := os.Mkdir(back, 0o755); err != nil {
		t.Fatal(err)
	}
	s.openstack("", "appcontainer", "cp", "one:/tmp/a file", back)
	if b, err := os.ReadFile(filepath.Join(back, "a file")); err != nil || string(b) != "written" {
		t.Errorf("%q, %v", b, err)
	}
}

// guest puts a container into the capsule pair, which the client has no option for (container composition: run --capsule), and then does
// with it what it does with any.
func guest(s *shell) {
	body := `{"image":"` + runtimetest.ImageRef + `","name":"guest","image_pull_policy":"ifnotpresent","capsule":"pair","command":["serve","8080"]}`
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.login[len(s.login)-1]+"/containers?run=true", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for name, value := range map[string]string{"X-Auth-Token": adminToken, "Content-Type": "application/json", "Accept": "application/json",
		"OpenStack-API-Version": "container 1.40"} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		s.t.Fatal(resp.Status)
	}
	s.until("guest", "Running")
	var pair struct{ Containers []struct{ UUID string } }
	if err := json.Unmarshal([]byte(s.run("capsule", "show", "pair", "-f", "json").Out), &pair); err != nil || len(pair.Containers) != 3 {
		s.t.Fatalf("%+v, %v", pair, err)
	}
	// They share the network of the capsule.
	s.openstack("ok", "appcontainer", "exec", pair.Containers[0].UUID, runtimetest.Program, "get", "http://127.0.0.1:8080/")
	s.refused("it belongs to capsule", "appcontainer", "stop", pair.Containers[0].UUID)
	s.openstack("", "appcontainer", "stop", "guest", "--timeout", "1")
	s.until("guest", "Stopped")
	s.openstack("", "appcontainer", "start", "guest")
	s.until("guest", "Running")
	s.openstack("", "appcontainer", "delete", "guest", "--stop")
	s.until("guest", "")
}

func TestCapsule(t *testing.T) {
	s := admin(t)
	file := filepath.Join(t.TempDir(), "capsule.yaml")
	if err := os.WriteFile(file, []byte(`
capsuleVersion: beta
kind: capsule
metadata: {name: pair, labels: {app: web}}
restartPolicy: Always
spec:
  containers:
  - {image: `+runtimetest.ImageRef+`, imagePullPolicy: ifnotpresent, resources: {requests: {cpu: 0.1, memory: 32}}, env: {A: b}}
  - {image: `+runtimetest.ImageRef+`, imagePullPolicy: ifnotpresent}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.openstack("pair", "capsule", "create", "--file", file)
	deadline := time.Now().Add(slow)
	for !strings.Contains(s.openstack("pair", "capsule", "list", "-f", "value"), "Running") {
		if time.Now().After(deadline) {
			t.Fatal("the capsule does not run")
		}
	}
	s.openstack("(?s)app.*web", "capsule", "show", "pair")
	guest(s)
	s.openstack("", "capsule", "delete", "pair")
	for strings.Contains(s.openstack("", "capsule", "list", "-f", "value"), "pair") {
		if time.Now().After(deadline) {
			t.Fatal("the capsule does not go")
		}
	}
	s.refused("could not be found|No capsule", "capsule", "show", "pair")
}

// What an operator does.
func TestOperator(t *testing.T) {
	s := admin(t)
	s.openstack("nova|available|zone|nova", "appcontainer", "availability", "zone", "list")
	s.openstack(hostName, "appcontainer", "host", "list")
	s.openstack("mem_total", "appcontainer", "host", "show", hostName)
	s.openstack("zun-compute.*"+hostName+"|"+hostName+".*zun-compute", "appcontainer", "service", "list")
	s.openstack("", "appcontainer", "service", "disable", hostName, "zun-compute", "--reason", "maintenance")
	s.openstack("maintenance", "appcontainer", "service", "list")
	s.openstack("", "appcontainer", "service", "enable", hostName, "zun-compute")
	s.openstack("", "appcontainer", "service", "forcedown", hostName, "zun-compute")
	s.openstack("", "appcontainer", "service", "forcedown", hostName, "zun-compute", "--unset")
	s.openstack("", "appcontainer", "image", "list")
	s.openstack("(?s)containers.*40", "appcontainer", "quota", "default", "p")
	s.openstack("", "appcontainer", "quota", "update", "--containers", "7", "p")
	s.openstack("(?s)containers.*7", "appcontainer", "quota", "get", "p")
	s.openstack("", "appcontainer", "quota", "delete", "p")
	s.openstack("(?s)containers.*40", "appcontainer", "quota", "get", "p")
	s.openstack("", "appcontainer", "quota", "class", "update", "--containers", "50", "default")
	s.openstack("(?s)containers.*50", "appcontainer", "quota", "class", "get", "default")
	s.openstack("registry.example", "appcontainer", "registry", "create", "--name", "private", "--username", "u", "--password", "secret", "--domain", "registry.example")
	if out := s.openstack("private", "appcontainer", "registry", "show", "private"); strings.Contains(out, "secret") {
		t.Error("the password is shown")
	}
	s.openstack("registry.example", "appcontainer", "registry", "list")
	s.openstack("other.example", "appcontainer", "registry", "update", "private", "--domain", "other.example")
	s.openstack("", "appcontainer", "registry", "delete", "private")
}
