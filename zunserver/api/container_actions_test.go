package api_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/api/containers"
	"github.com/capsulet/capsulet/zunserver/api/containers/history"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// newHistory is a history of the containers of w, and jobs that run as long as its test.
func newHistory(w *world) (*history.Log, *containers.Jobs) {
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	w.killing = make(chan error, 1)
	now := func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
	jobs, ended := containers.NewJobs(), make(chan struct{})
	ctx, cancel := context.WithCancel(w.Context())
	go func() { defer close(ended); jobs.Run(ctx) }()
	w.Cleanup(func() { cancel(); <-ended })
	return history.New(newTable[history.Action](), containers.Containing(w.backends), now, logrus.NewEntry(quiet)), jobs
}

func (b *backends) CapsuleOfContainer(_ context.Context, uuid string) (*capsule.Capsule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.all {
		for i := range c.Spec.Containers {
			if c.Spec.Containers[i].UUID == uuid {
				return c, nil
			}
		}
	}
	return nil, errdefs.ErrNotFound
}

func (b *backends) did(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.control = append(b.control, fmt.Sprintf(format, args...))
}

func (b *backends) Kill(ctx context.Context, _ *capsule.Capsule, container, signal string) error {
	b.did("kill %s %s", container, signal)
	select {
	case err := <-b.killing:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *backends) StopSignal(context.Context, *capsule.Capsule, string) (string, error) {
	return "15", nil
}

func (b *backends) Processes(_ context.Context, _ *capsule.Capsule, container, args string) (capsule.ProcessTable, error) {
	b.did("top %s %q", container, args)
	return capsule.ProcessTable{Titles: []string{"PID"}, Processes: [][]string{{"1"}}}, nil
}

func (b *backends) CopyFrom(_ context.Context, _ *capsule.Capsule, _, path string) (io.ReadCloser, capsule.PathStat, error) {
	if path == "/none" {
		return nil, capsule.PathStat{}, fmt.Errorf("no such file: %w", errdefs.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(b.archived)), capsule.PathStat{Name: path[1:], Size: 3, Mode: 0o644}, nil
}

func (b *backends) CopyTo(_ context.Context, _ *capsule.Capsule, _, path string, tar io.Reader) (err error) {
	if path == "/none" {
		return fmt.Errorf("no such directory: %w", errdefs.ErrNotFound)
	}
	b.archived, err = io.ReadAll(tar)
	return err
}

func (b *backends) Commit(_ context.Context, _ *capsule.Capsule, container, repository, tag string) (string, error) {
	b.did("commit %s %s:%s", container, repository, tag)
	return "sha256:1", nil
}

func (b *backends) Resolve(_ context.Context, _ string, nets []capsule.Net, path string) error {
	for i := range nets {
		if nets[i].Network != "blue" && nets[i].Network != "bridge" {
			return rest.InvalidField(path, "there is no network %s", nets[i].Network)
		}
	}
	return nil
}

func (b *backends) Credential(_ context.Context, project, ident string) (capsule.Credential, string, error) {
	if ident != "hub" || project != "p1" {
		return capsule.Credential{}, "", rest.Refuse(404, "registry-not-found", "Registry %s could not be found.", ident)
	}
	return capsule.Credential{Server: "hub.example", Username: "u", Password: "hush"}, "r-uuid", nil
}

// text is the answer of a request, which is a string of JSON.
func (w *world) text(method, path string) string {
	w.Helper()
	resp := w.do(method, path, "", "OpenStack-API-Version", newest)
	var s string
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || resp.StatusCode != 200 {
		w.Fatalf("%s %s: %s, %v", method, path, resp.Status, err)
	}
	return s
}

func TestContainerLogs(t *testing.T) {
	w := newWorld(t)
	id := w.container(`"name":"c1"`)
	w.is(id, "Stopped")
	w.log = func(stdout, _ io.Writer) error { _, err := io.WriteString(stdout, "one\ntwo\nthree\n"); return err }
	for query, want := range map[string][2]string{
		"": {"one\ntwo\nthree\n", "tail=-1 since=0001-01-01T00:00:00Z until=0001-01-01T00:00:00Z stream="},
		"?stdout=True&stderr=True&timestamps=False&tail=all": {"one\ntwo\nthree\n", "tail=-1 since=0001-01-01T00:00:00Z until=0001-01-01T00:00:00Z stream="},
		"?tail=2": {"one\ntwo\nthree\n", "tail=2 since=0001-01-01T00:00:00Z until=0001-01-01T00:00:00Z stream="},
		"?stdout=True&stderr=False&tail=2&since=1000": {"two\nthree\n", "tail=-1 since=1970-01-01T00:16:40Z until=0001-01-01T00:00:00Z stream=stdout"},
		"?stdout=False&stderr=True&tail=0":            {"", "tail=-1 since=0001-01-01T00:00:00Z until=0001-01-01T00:00:00Z stream=stderr"},
		"?since=2026-11-20%2012:00:00,500&tail=None":  {"one\ntwo\nthree\n", "tail=-1 since=2026-11-20T12:00:00Z until=0001-01-01T00:00:00Z stream="},
	} {
		if got := w.text("GET", "/v1/containers/c1/logs"+query); got != want[0] || !strings.HasSuffix(w.logCall, want[1]) {
			t.Errorf("%s: %q by %s", query, got, w.logCall)
		}
	}
	w.logCall = "none"
	if got := w.text("GET", "/v1/containers/c1/logs?stdout=0&stderr=0"); got != "" || w.logCall != "none" {
		t.Errorf("nothing wanted: %q by %s", got, w.logCall)
	}
	w.log = func(stdout, _ io.Writer) error { _, err := stdout.Write(make([]byte, 17<<20)); return err }
	w.get(413, "GET", "/v1/containers/c1/logs", "")
	w.get(400, "GET", "/v1/containers/c1/logs?since=yesterday", "")
	w.get(400, "GET", "/v1/containers/c1/logs?follow=1", "")
	w.is(id, "Creating")
	w.get(409, "GET", "/v1/containers/c1/logs", "")
}

func TestContainerExecute(t *testing.T) {
	w := newWorld(t)
	id := w.container(`"name":"c1","interactive":true`)
	w.is(id, "Running")
	w.exec = func(_ context.Context, s capsule.Session) (int, error) {
		_, err := io.WriteString(s.Stdout, "out\xff")
		return 3, err
	}
	got := w.get(200, "POST", `/v1/containers/c1/execute?command=%22ls%22+%22-l+x%22`, "")
	if fmt.Sprint(got) != "map[exec_id:<nil> exit_code:3 output:out\uFFFD proxy_url:<nil> token:<nil>]" || !strings.Contains(w.execCall, `["ls" "-l x"] tty=false`) {
		t.Errorf("%v by %s", got, w.execCall)
	}
	w.get(200, "POST", "/v1/containers/c1/execute", `{"command":["a b","c"]}`)
	if !strings.Contains(w.execCall, `["a b" "c"]`) {
		t.Error(w.execCall)
	}
	got = w.get(200, "POST", "/v1/containers/c1/execute?command=sh&run=False&interactive=True", "")
	exec, _ := got["exec_id"].(string)
	if url, _ := got["proxy_url"].(string); len(exec) != 64 || got["output"] != nil || got["exit_code"] != nil ||
		!strings.Contains(url, "token="+got["token"].(string)) || !strings.Contains(url, "exec_id="+exec) {
		t.Errorf("%v", got)
	}
	w.get(200, "POST", "/v1/containers/c1/execute_resize?exec_id="+exec+"&h=24&w=80", "")
	w.get(400, "POST", "/v1/containers/c1/execute_resize?exec_id="+strings.Repeat("0", 64)+"&h=24&w=80", "")
	w.get(200, "POST", "/v1/containers/c1/resize?h=24&w=80", "")
	for _, path := range []string{"/execute", "/execute?command=%22", "/execute?command=ls&run=x", "/resize?h=0&w=80", "/resize?h=24", "/execute_resize?h=1&w=1"} {
		w.get(400, "POST", "/v1/containers/c1"+path, "")
	}
	if url := w.text("GET", "/v1/containers/c1/attach"); !strings.HasPrefix(url, "ws://") || !strings.Contains(url, "uuid="+id) {
		t.Error(url)
	}
	w.exec = func(context.Context, capsule.Session) (int, error) {
		return 0, fmt.Errorf("gone: %w", errdefs.ErrUnavailable)
	}
	w.get(503, "POST", "/v1/containers/c1/execute?command=ls", "")
	w.is(id, "Stopped")
	w.get(409, "POST", "/v1/containers/c1/execute?command=ls", "")
	w.get(409, "GET", "/v1/containers/c1/attach", "")
	w.is(w.container(`"name":"deaf"`), "Running")
	if got := fmt.Sprint(w.get(400, "GET", "/v1/containers/deaf/attach", "")); !strings.Contains(got, "no-interactive-flag") {
		t.Error(got)
	}
}

func TestContainerArchives(t *testing.T) {
	w := newWorld(t)
	w.is(w.container(`"name":"c1"`), "Created")
	var b bytes.Buffer
	packed := tar.NewWriter(&b)
	err := errors.Join(packed.WriteHeader(&tar.Header{Name: "f", Size: 4, Mode: 0o600}), func() error { _, err := packed.Write([]byte("\xff\xfe\x00\x01")); return err }(), packed.Close())
	if err != nil {
		t.Fatal(err)
	}
	data := base64.StdEncoding.EncodeToString(b.Bytes())
	w.get(200, "POST", "/v1/containers/c1/put_archive?path=/tmp", `{"data":"`+data+`"}`, "OpenStack-API-Version", newest)
	if !bytes.Equal(w.archived, b.Bytes()) {
		t.Errorf("%q came", w.archived)
	}
	got := w.get(200, "GET", "/v1/containers/c1/get_archive?path=tmp", "", "OpenStack-API-Version", "container 1.25")
	if stat := got["stat"].(map[string]any); got["data"] != data || stat["name"] != "tmp" || stat["size"] != 3.0 || stat["mode"] != 420.0 {
		t.Errorf("%v", got)
	}
	w.get(400, "GET", "/v1/containers/c1/get_archive?path=tmp", "", "OpenStack-API-Version", "container 1.24")
	w.get(200, "POST", "/v1/containers/c1/put_archive?path=/tmp", `{"data":"plain"}`, "OpenStack-API-Version", "container 1.24")
	if got := w.get(200, "GET", "/v1/containers/c1/get_archive?path=/tmp", "", "OpenStack-API-Version", "container 1.24"); got["data"] != "plain" {
		t.Errorf("%v", got)
	}
	for _, row := range []struct{ method, path, body string }{
		{"GET", "/get_archive", ""}, {"GET", "/get_archive?path=/none", ""}, {"POST", "/put_archive?path=/none", `{"data":""}`},
		{"POST", "/put_archive?path=/tmp", ""}, {"POST", "/put_archive?path=/tmp", `{"data":"?"}`},
	} {
		w.get(400, row.method, "/v1/containers/c1"+row.path, row.body, "OpenStack-API-Version", newest)
	}
	large := base64.StdEncoding.EncodeToString(make([]byte, 2<<20)) // more than other bodies may have
	w.get(200, "POST", "/v1/containers/c1/put_archive?path=/tmp", `{"data":"`+large+`"}`, "OpenStack-API-Version", newest)
}

func TestContainerTopAndStats(t *testing.T) {
	w := newWorld(t)
	id := w.container(`"name":"c1","memory":100`)
	w.is(id, "Running")
	if got := fmt.Sprint(w.get(200, "GET", "/v1/containers/c1/top?ps_args=None", "")); got != "map[Processes:[[1]] Titles:[PID]]" || !strings.HasSuffix(w.control[0], `""`) {
		t.Error(got, w.control)
	}
	nanos := uint64(5e8)
	w.stats = []capsule.Stats{{UUID: id, Network: []capsule.Interface{{RxBytes: 7, TxBytes: 8}}, Containers: []capsule.ContainerStats{
		{Name: "c1", Usage: capsule.Usage{CPUNanoCores: &nanos, WorkingSetBytes: 50 << 20,
			Disks: []capsule.Disk{{Device: "sda", ReadBytes: 1, WriteBytes: 2}, {Device: "sdb", ReadBytes: 3, WriteBytes: 4}}}}}}}
	got := w.get(200, "GET", "/v1/containers/c1/stats", "")
	if fmt.Sprint(got) != "map[BLOCK I/O(B):4/6 CONTAINER:c1 CPU %:50 MEM %:50 MEM LIMIT(MiB):100 MEM USAGE(MiB):50 NET I/O(B):7/8]" {
		t.Errorf("%v", got)
	}
	w.stats = []capsule.Stats{}
	w.get(503, "GET", "/v1/containers/c1/stats", "")
	w.is(id, "Stopped")
	w.get(409, "GET", "/v1/containers/c1/stats", "")
	w.get(409, "GET", "/v1/containers/c1/top", "")
}

func TestContainerNetworks(t *testing.T) {
	w := newWorld(t)
	id := w.container(`"name":"c1","registry":"hub","nets":[{"network":"bridge"}]`)
	w.is(id, "Running")
	if cs := w.all[id].Spec.Containers[0]; cs.Image != "hub.example/busybox" || cs.PullCredentials[0].Password != "hush" {
		t.Errorf("%+v", cs)
	}
	if got := w.get(200, "GET", "/v1/containers/c1", ""); got["registry_id"] != "r-uuid" || strings.Contains(fmt.Sprint(got), "hush") {
		t.Errorf("%v", got)
	}
	old, grouped := w.get(200, "GET", "/v1/containers/c1/network_list", "", "OpenStack-API-Version", "container 1.17"), w.get(200, "GET", "/v1/containers/c1/network_list", "", "OpenStack-API-Version", "container 1.18")
	a, b := old["networks"].([]any)[0].(map[string]any), grouped["networks"].([]any)[0].(map[string]any)
	if a["ip_address"] != "10.0.0.2" || a["version"] != 4.0 || b["port_id"] != a["port_id"] || b["fixed_ips"].([]any)[0].(map[string]any)["ip_address"] != "10.0.0.2" {
		t.Errorf("%v\n%v", old, grouped)
	}
	do := func(status int, action, version string) {
		t.Helper()
		w.get(status, "POST", "/v1/containers/c1/"+action, "", "OpenStack-API-Version", "container "+version)
	}
	do(406, "network_attach?network=blue", "1.7")
	do(200, "network_attach?network=blue&fixed_ip=10.1.0.9", "1.8")
	do(400, "network_attach?network=blue", "1.8")
	do(400, "network_attach?network=green", "1.8")
	do(400, "network_attach?network=bridge", "1.8")
	do(404, "network_attach?port=p", "1.8")
	do(400, "network_attach?network=blue&fixed_ip=x", "1.8")
	if got := w.get(400, "POST", "/v1/containers/c1/network_attach", "", "OpenStack-API-Version", newest); !strings.Contains(fmt.Sprint(got), "'network'. Either a network or a port") {
		t.Error(got)
	}
	if nets := w.all[id].Spec.Nets; len(nets) != 2 || nets[1] != (capsule.Net{Network: "blue", IPv4: "10.1.0.9"}) {
		t.Errorf("%+v", nets)
	}
	do(406, "network_detach?network=blue", "1.5")
	do(202, "network_detach?network=blue", "1.6")
	do(400, "network_detach?network=blue", "1.6")
	do(400, "network_detach?port=x", "1.17")
	do(400, "network_detach?port=x&network=y", "1.17")
	if nets := w.all[id].Spec.Nets; len(nets) != 1 || nets[0].Network != "bridge" {
		t.Errorf("%+v", nets)
	}
	do(406, "add_security_group?name=default", "1.15")
	do(400, "add_security_group?name=web", "1.14")
	do(202, "add_security_group?name=default", "1.14")
	do(400, "add_security_group?name=default", "1.14")
	do(202, "remove_security_group?name=default", "1.14")
	do(400, "remove_security_group?name=default", "1.14")
	w.get(404, "POST", "/v1/containers", `{"image":"busybox","registry":"nope"}`, "OpenStack-API-Version", newest)
}

// The history says what was asked and what became of it.
func TestContainerHistory(t *testing.T) {
	w := newWorld(t)
	id := w.container(`"name":"c1"`)
	latest := func(version string) map[string]any {
		t.Helper()
		got := w.get(200, "GET", "/v1/containers/c1/container_actions", "", "OpenStack-API-Version", "container "+version)
		return got["containerActions"].([]any)[0].(map[string]any)
	}
	a := latest("1.33")
	if a["action"] != "create" || a["finish_time"] != nil || a["container_uuid"] != id || a["user_id"] != "u1" || a["project_id"] != "p1" || !strings.HasPrefix(a["request_id"].(string), "req-") {
		t.Errorf("%v", a)
	}
	w.is(id, "Created")
	if a := latest("1.1"); a["finish_time"] == nil || a["message"] != nil {
		t.Errorf("%v", a)
	}
	w.get(202, "POST", "/v1/containers/c1/start", "")
	if a := latest("1.33"); a["action"] != "start" || a["finish_time"] != nil {
		t.Errorf("%v", a)
	}
	w.is(id, "Running")
	if a := latest("1.33"); a["finish_time"] == nil {
		t.Errorf("%v", a)
	}
	w.get(202, "POST", "/v1/containers/c1/kill?signal=int", "")
	w.killing <- errors.New("no such process")
	for end := time.Now().Add(10 * time.Second); latest("1.33")["finish_time"] == nil && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	a = latest("1.33")
	if a["action"] != "kill" || a["message"] != "no such process" || w.control[0] != "kill c1 SIGINT" {
		t.Errorf("%v by %v", a, w.control)
	}
	one := w.get(200, "GET", "/v1/containers/c1/container_actions/"+a["request_id"].(string), "", "OpenStack-API-Version", newest)
	if e := one["events"].([]any)[0].(map[string]any); e["event"] != "compute__do_container_kill" || e["result"] != "Error" || e["traceback"] != nil {
		t.Errorf("%v", one)
	}
	w.get(202, "POST", "/v1/containers/c1/kill", "")
	if want := w.all[id].Standalone[0].Want; want.State != capsule.WantStopped || *want.GraceSeconds != 0 {
		t.Errorf("%+v", want)
	}
	w.get(400, "POST", "/v1/containers/c1/kill?signal=SIGMOON", "")
	got := w.get(202, "POST", "/v1/containers/c1/commit?repository=my/repo", "")
	if len(got["uuid"].(string)) != 36 {
		t.Errorf("%v", got)
	}
	w.get(400, "POST", "/v1/containers/c1/commit?repository=my/repo:tag", "")
	w.get(400, "POST", "/v1/containers/c1/commit", "")
	w.get(404, "GET", "/v1/containers/c1/container_actions/req-none", "")
	w.get(404, "GET", "/v1/containers/c1/container_actions", "", "X-Auth-Token", otherToken)
}
