package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
)

func (w *endpoint) ask(token, path string) (int, string) {
	w.t.Helper()
	return w.do(http.MethodGet, token, path)
}

func (w *endpoint) do(method, token, path string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if !strings.HasSuffix(path, "&plain") {
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "SPDY/3.1")
	}
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestKubeletEndpoint(t *testing.T) {
	w := newEndpoint(t)
	pod := w.pod
	for _, c := range []struct {
		token, path string
		status      int
		body        string
	}{
		{"", "/healthz", 401, "Unauthorized"},
		{"wrong", "/healthz", 401, "Unauthorized"},
		{"nobody", "/healthz", 403, "nobody"},
		{"nobody", "/containerLogs/shop/web/a", 403, "proxy"},
		{"admin", "/healthz", 200, "ok"},
		{"admin", "/containerLogs/shop/web/a?tailLines=3&previous=false", 200, string(pod.UID) + " a false 3\n"},
		{"admin", "/containerLogs/shop/web/a?limitBytes=4", 200, string(pod.UID)[:4]},
		{"admin", "/containerLogs/shop/web/a?tailLines=x", 400, "tailLines"},
		{"admin", "/containerLogs/shop/web/a?previous=true", 400, "previous terminated container"},
		{"admin", "/containerLogs/shop/web/b", 404, `container "b" not found`},
		{"admin", "/containerLogs/shop/none/a", 404, "none"},
		{"admin", "/exec/shop/web/a?command=ls&command=-l&input=1&output=1&error=1&tty=1", 200,
			string(pod.UID) + " exec command=ls&command=-l&container=a&stderr=true&stdin=true&stdout=true&tty=true"},
		{"admin", "/exec/shop/web/" + string(pod.UID) + "/a?command=ls&output=1", 200, "exec command=ls"},
		{"admin", "/exec/shop/web/another-uid/a?command=ls&output=1", 404, "pod does not exist"},
		{"admin", "/exec/shop/web/a?command=ls", 400, "at least 1 of stdin, stdout, stderr"},
		{"admin", "/exec/shop/web/b?output=1", 500, `container not found ("b")`},
		{"admin", "/exec/shop/none/a?output=1", 404, "pod does not exist"},
		{"admin", "/exec/shop/web/a?command=ls&output=1&plain", 400, "Upgrade request required"},
		{"admin", "/portForward/shop/web?port=80&plain", 400, "Upgrade request required"},
		{"admin", "/attach/shop/web/a?output=1", 200, " attach container=a&stdout=true"},
		{"admin", "/attach/shop/web/b?output=1", 500, "container b not found in pod web_shop"},
		{"admin", "/portForward/shop/web?port=80,443&port=8080", 200, " portforward ports=80&ports=443&ports=8080"},
		{"admin", "/portForward/shop/none", 404, "pod does not exist"},
		{"admin", "/run/shop/web/a?cmd=ls", 405, ""},
		{"", "/exec/shop/web/a?output=1", 401, ""},
		{"nobody", "/exec/shop/web/a?output=1", 403, "verb=create, resource=nodes, subresource(s)=[proxy]"},
		{"nobody", "/attach/shop/web/a?output=1", 403, "verb=create"},
		{"nobody", "/portForward/shop/web", 403, "verb=create"},
		{"admin", "/stats/container", 404, ""},
		{"admin", "/healthz?verbose", 200, "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n"},
		{"admin", "/healthz/ping", 200, "ok"},
		{"admin", "/healthz/syncloop", 200, "ok"},
		{"admin", "/healthz/nothing", 404, ""},
		{"admin", "/configz", 200, `"maxPods":110`},
		{"admin", "/configz", 200, `{"kubeletconfig":{`},
		{"admin", "/configz", 200, `"authorization":{"mode":"Webhook"`},
		{"admin", "/logs", 200, `<a href="capsulet.log">`},
		{"admin", "/logs/", 200, `<a href="capsulet.log">`},
		{"admin", "/logs/capsulet.log", 200, "client certificates are not accepted"}, // there is no such config map here
		{"admin", "/logs/syslog", 404, ""},
		{"admin", "/logs/..%2f..%2fetc%2fpasswd", 404, ""},
		{"admin", "/logs/?query=kubelet", 400, "query"},
		{"admin", "/runningpods", 200, `"spec":{"containers":[{"name":"a","resources":{}}]},"status":{}`},
		{"admin", "/metrics", 200, `kubelet_node_name{node="capsulet"} 1`},
		{"admin", "/metrics", 200, "go_goroutines"},
		{"admin", "/metrics", 200, `kubelet_http_requests_total{long_running="true",method="GET",path="exec",server_type="readwrite"}`},
		{"admin", "/metrics/cadvisor", 200, `container_memory_rss{container="a",id="/kubepods/pod`},
		{"admin", "/metrics/probes", 200, `prober_probe_total{container="a",namespace="shop",pod="web",pod_uid="` + string(pod.UID) + `",probe_type="Readiness",result="successful"} 3`},
		{"", "/stats/summary", 401, "Unauthorized"},
		{"nobody", "/stats/summary", 403, "verb=get, resource=nodes, subresource(s)=[stats]"},
		{"admin", "/stats/summary", 200, `"nodeName": "capsulet"`},
		{"admin", "/stats/summary", 200, `"capacityBytes": 9663676416`},
		{"", "/metrics/resource", 401, "Unauthorized"},
		{"nobody", "/metrics/resource", 403, "verb=get, resource=nodes, subresource(s)=[metrics]"},
		{"admin", "/metrics/resource", 200, "# TYPE node_cpu_usage_seconds_total counter"},
		{"admin", "/nothing", 404, ""},
	} {
		if status, body := w.ask(c.token, c.path); status != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s as %q: %d %q, want %d %q", c.path, c.token, status, body, c.status, c.body)
		}
	}
	w.mu.Lock()
	w.pods[0].Capsule.Facts.Sandbox.Ready = false
	w.mu.Unlock()
	if status, body := w.ask("admin", "/portForward/shop/web"); status != 500 || body != "pod not found (\"web_shop\")\n" {
		t.Errorf("port-forward to a pod without a sandbox: %d %q", status, body)
	}
	w.mu.Lock()
	w.pods[0].Capsule.Facts.Sandbox.Ready = true
	w.mu.Unlock()
	for _, path := range []string{"/pods", "/pods/", "/runningpods/"} {
		var list corev1.PodList
		if status, body := w.ask("admin", path); status != 200 || json.Unmarshal([]byte(body), &list) != nil || len(list.Items) != 1 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestEveryRouteIsGuarded: whatever is asked, a stranger gets 401, who has no right 403, and who has one of the rights that
// stand for the path is let in.
func TestEveryRouteIsGuarded(t *testing.T) {
	w := newEndpoint(t, func(l *limits) { l.reviewsBurst = 1e6 })
	rights := map[string][]string{"healthz": {"healthz", "proxy"}, "pods": {"pods", "proxy"}, "runningpods": {"pods", "proxy"},
		"configz": {"configz", "proxy"}, "stats": {"stats"}, "metrics": {"metrics"}, "logs": {"log"}, "checkpoint": {"checkpoint"},
		"containerLogs": {"proxy"}, "exec": {"proxy"}, "attach": {"proxy"}, "portForward": {"proxy"}, "run": {"proxy"},
		"nothing": {"proxy"}, "debug": {"proxy"}, "podsAndMore": {"proxy"}, "statusz": {"statusz"}, "flagz": {"configz"}}
	all := []string{"healthz", "pods", "configz", "stats", "metrics", "log", "checkpoint", "proxy", "statusz", "spec"}
	creates := []string{"exec", "attach", "portForward", "run", "checkpoint"}
	patterns := []string{"GET /nothing", "GET /debug/pprof/", "GET /podsAndMore", "GET /statusz", "GET /flagz", "DELETE /pods"}
	for _, r := range w.server.routes(nil) {
		patterns = append(patterns, r.pattern)
	}
	for _, p := range patterns {
		method, path, _ := strings.Cut(p, " ")
		path = regexp.MustCompile(`{[^}]*}`).ReplaceAllString(strings.TrimSuffix(path, "{$}"), "x")
		root, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		needs, known := rights[root]
		if !known {
			t.Errorf("%s: say in this test who may", p)
			continue
		}
		verb := map[string]string{"GET": "get", "POST": "create", "DELETE": "delete"}[method]
		if slices.Contains(creates, root) {
			verb = "create"
		}
		for _, stranger := range []string{"", "wrong"} {
			if status, body := w.do(method, stranger, path); status != http.StatusUnauthorized || body != "Unauthorized\n" {
				t.Errorf("%s as a stranger: %d %q", p, status, body)
			}
		}
		want := fmt.Sprintf("Forbidden (user=nobody, verb=%s, resource=nodes, subresource(s)=%v)\n", verb, needs)
		if status, body := w.do(method, "nobody", path); status != http.StatusForbidden || body != want {
			t.Errorf("%s as nobody: %d %q, want %q", p, status, body, want)
		}
		for _, right := range all {
			status, _ := w.do(method, "can:"+right, path)
			if in := status != http.StatusUnauthorized && status != http.StatusForbidden; in != slices.Contains(needs, right) {
				t.Errorf("%s with the right to nodes/%s: %d", p, right, status)
			}
		}
	}
}

// TestHealth: what is the matter stands in the log, not in an answer.
func TestHealth(t *testing.T) {
	w := newEndpoint(t)
	w.mu.Lock()
	w.ill = errors.New("stuck")
	w.mu.Unlock()
	for path, want := range map[string]string{"/healthz": "[+]ping ok\n[+]log ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n",
		"/healthz/syncloop": "internal server error: see the log for the reason\n"} {
		if status, body := w.ask("admin", path); status != 500 || body != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if status, body := w.ask("admin", "/healthz?verbose&exclude=syncloop"); status != 200 || body != "[+]ping ok\n[+]log ok\n[+]syncloop excluded: ok\nhealthz check passed\n" {
		t.Errorf("without what is ill: %d %q", status, body)
	}
	if status, body := w.ask("admin", "/healthz/ping"); status != 200 {
		t.Errorf("it answers: %d %q", status, body)
	}
	if _, body := w.ask("admin", "/logs/capsulet.log"); !strings.Contains(body, "error=stuck") {
		t.Errorf("the log:\n%s", body)
	}
}

// TestNodeLog keeps the end.
func TestNodeLog(t *testing.T) {
	var l nodeLog
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.AddHook(&l)
	for i := range 100 {
		log.Info(i, strings.Repeat("x", nodeLogBytes/50))
	}
	text, _ := l.content()
	if len(text) > nodeLogBytes || len(text) < nodeLogBytes/2 || !strings.Contains(string(text), "msg=99x") || strings.Contains(string(text), "msg=0x") {
		t.Errorf("%d bytes: %.100s", len(text), text)
	}
}
