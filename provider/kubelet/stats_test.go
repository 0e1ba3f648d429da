package kubelet

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

func TestStats(t *testing.T) {
	w := newEndpoint(t)
	pod := w.pod

	var got stats.Summary
	status, body := w.ask("admin", "/stats/summary")
	if err := json.Unmarshal([]byte(body), &got); status != 200 || err != nil || len(got.Pods) != 1 {
		t.Fatalf("%d %v %s", status, err, body)
	}
	p := got.Pods[0]
	if got.Node.NodeName != "capsulet" || *got.Node.CPU.UsageNanoCores != 5e8 || *got.Node.Memory.WorkingSetBytes != 200 {
		t.Errorf("node %+v", got.Node)
	}
	if p.PodRef != (stats.PodReference{Name: "web", Namespace: "shop", UID: string(pod.UID)}) || len(p.Containers) != len(pod.Spec.Containers) ||
		*p.CPU.UsageCoreNanoSeconds != 1.5e9 || *p.Containers[0].Memory.RSSBytes != 100 || *p.Network.RxBytes != 7 || p.StartTime.IsZero() {
		t.Errorf("pod %s", body)
	}
	if _, body := w.ask("admin", "/stats/summary?only_cpu_and_memory=true"); strings.Contains(body, "network") {
		t.Errorf("network was not asked for: %s", body)
	}
	if _, body := w.ask("admin", "/stats/summary?only_cpu_and_memory=1"); !strings.Contains(body, "network") {
		t.Errorf("only true is true: %s", body)
	}

	_, body = w.ask("admin", "/metrics/resource")
	for _, line := range []string{
		"node_cpu_usage_seconds_total 1.5 1700000001234",
		"node_memory_working_set_bytes 200 1700000001234",
		`pod_cpu_usage_seconds_total{namespace="shop",pod="web"} 1.5 1700000001234`,
		`pod_memory_working_set_bytes{namespace="shop",pod="web"} 200 1700000001234`,
		`container_cpu_usage_seconds_total{container="a",pod="web",namespace="shop"} 1.5 1700000001234`,
		`container_memory_working_set_bytes{container="a",pod="web",namespace="shop"} 200 1700000001234`,
		`container_start_time_seconds{container="a",pod="web",namespace="shop"} 1.700000000234e+09`,
		"# TYPE container_start_time_seconds gauge", "resource_scrape_error 0",
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no line %s in\n%s", line, body)
		}
	}

	w.mu.Lock()
	w.incomplete = []string{"far"}
	w.mu.Unlock()
	_, body = w.ask("admin", "/metrics/resource")
	if !strings.Contains(body, "node_") || !strings.Contains(body, "resource_scrape_error 1\n") || !strings.Contains(body, "pod_cpu") {
		t.Errorf("one host cannot tell:\n%s", body)
	}
	w.setDown(true)
	if _, body = w.ask("admin", "/metrics/resource"); strings.Contains(body, "_cpu_") || !strings.Contains(body, "resource_scrape_error 1\n") {
		t.Errorf("while the capsule API is away:\n%s", body)
	}
	if status, body := w.ask("admin", "/stats/summary"); status != 503 {
		t.Errorf("while the capsule API is away: %d %s", status, body)
	}
}

// What Prometheus scrapes goes compressed to who takes it, and to nobody else.
func TestCompressed(t *testing.T) {
	w := newEndpoint(t)
	for _, encoding := range []string{"gzip", "identity"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/metrics/cadvisor", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer admin")
		req.Header.Set("Accept-Encoding", encoding)
		res, err := w.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var body io.Reader = res.Body
		if is := res.Header.Get("Content-Encoding"); is == "gzip" != (encoding == "gzip") {
			t.Errorf("accepting %s: encoded as %q", encoding, is)
		} else if is == "gzip" {
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(body)
		if err != nil || !strings.Contains(string(text), "container_cpu_usage_seconds_total{") {
			t.Errorf("accepting %s: %v %s", encoding, err, text)
		}
	}
}
