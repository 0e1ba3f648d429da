package kubelet

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func (w *endpoint) ask(token, path string) (int, string) {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: testTimeout} //nolint:gosec // self-signed in a test
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // a test
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
		{"admin", "/attach/shop/web/a?output=1", 200, " attach container=a&stdout=true"},
		{"admin", "/attach/shop/web/b?output=1", 500, "container b not found in pod web_shop"},
		{"admin", "/portForward/shop/web?port=80,443&port=8080", 200, " portforward ports=80&ports=443&ports=8080"},
		{"admin", "/portForward/shop/none", 404, "pod does not exist"},
		{"admin", "/run/shop/web/a?cmd=ls", 405, ""},
		{"", "/exec/shop/web/a?output=1", 401, ""},
		{"nobody", "/exec/shop/web/a?output=1", 403, "verb=create, resource=nodes, subresource(s)=[proxy]"},
		{"nobody", "/attach/shop/web/a?output=1", 403, "verb=create"},
		{"nobody", "/portForward/shop/web", 403, "verb=create"},
		{"admin", "/stats/container", 501, "not implement"},
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
	for _, path := range []string{"/pods", "/pods/", "/runningpods/"} {
		var list corev1.PodList
		if status, body := w.ask("admin", path); status != 200 || json.Unmarshal([]byte(body), &list) != nil || len(list.Items) != 1 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestLogTarget(t *testing.T) {
	run := func(id string, ended bool) *capsule.Run {
		r := &capsule.Run{ID: id, StartedAt: time.Unix(1, 0)}
		if ended {
			r.FinishedAt, r.ExitCode = time.Unix(2, 0), 1
		}
		return r
	}
	for _, c := range []struct {
		name     string
		facts    capsule.ContainerFacts
		previous bool
		before   bool
		status   int
	}{
		{"running", capsule.ContainerFacts{Run: run("b", false)}, false, false, 200},
		{"running, no attempt before", capsule.ContainerFacts{Run: run("b", false)}, true, false, 400},
		{"running, one before", capsule.ContainerFacts{Run: run("b", false), Last: run("a", true)}, true, true, 200},
		{"backing off", capsule.ContainerFacts{Run: run("b", true), Last: run("a", true), BackOffSeconds: 10}, true, false, 200},
		{"not created", capsule.ContainerFacts{}, false, false, 400},
	} {
		c.facts.Name = "x"
		p := shown(&corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "x"}}}},
			&capsule.Capsule{Facts: capsule.Facts{Containers: []capsule.ContainerFacts{c.facts}}})
		if before, status, message := logTarget(&p, "x", c.previous); before != c.before || status != c.status {
			t.Errorf("%s: %v %d %s", c.name, before, status, message)
		}
	}
}

func TestLogQuery(t *testing.T) {
	now := time.Unix(1000, 0)
	q, err := parseLogQuery(url.Values{"sinceSeconds": {"10"}, "follow": {"true"}, "tailLines": {"0"}}, now)
	if err != nil || !q.Since.Equal(time.Unix(990, 0)) || !q.Follow || q.Tail != 0 {
		t.Errorf("%+v %v", q, err)
	}
	if q, err := parseLogQuery(nil, now); err != nil || q.Tail != -1 || q.limit != 0 {
		t.Errorf("%+v %v", q, err)
	}
	for _, bad := range []string{"follow=maybe", "limitBytes=0", "sinceTime=now", "sinceSeconds=1&sinceTime=1970-01-01T00:00:00Z", "stream=Stderr"} {
		v, _ := url.ParseQuery(bad)
		if _, err := parseLogQuery(v, now); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
