package e2e_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/controlplane/progress"
	"github.com/capsulet/capsulet/test/e2e"
)

// The real metrics server reads the node as it reads a kubelet: kubectl top shows what pods and the node use, and a
// HorizontalPodAutoscaler makes more of pods that are busy.
func TestMetrics(t *testing.T) {
	s := begin(t)
	m, err := s.W.ControlPlane.StartMetricsServer(t.Context(), progress.New(os.Stderr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	s.Apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{.Name}}}
spec:
  replicas: 1
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      {{pod 6}}
      terminationGracePeriodSeconds: 1
      containers:
        - {name: busy, image: {{.Image}}, args: [burn, 10ms], resources: {requests: {cpu: 20m}}}
        - name: idle
          image: {{.Image}}
          args: [serve, "8080", idle]
          resources: {requests: {cpu: 20m}}
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: {{.Name}}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{.Name}}}
  minReplicas: 1
  maxReplicas: 2
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
`)
	s.Wait("it runs", time.Minute, "deploy/"+s.Namespace, "condition=Available")
	// The server needs two readings, ten seconds apart, of a container that is ten seconds old.
	figures := `\s+[1-9]\d*m\s+[1-9]\d*Mi\s*$`
	s.Prints("kubectl top pod shows a pod that is busy", 2*time.Minute, `(?m)^`+s.Namespace+`-\S+`+figures, "top", "pod", "--no-headers")
	s.Prints("and its containers", time.Minute, `(?m)^`+s.Namespace+`-\S+\s+busy`+figures, "top", "pod", "--containers", "--no-headers")
	s.Prints("kubectl top node shows the node", time.Minute, `^`+s.W.Node+`\s+[1-9]\d*m\s+\d+%\s+[1-9]\d*Mi\s+\d+%\s*$`,
		"top", "node", s.W.Node, "--no-headers")
	endpoint(s)
	summary(s)
	s.Wait("the autoscaler wants more", 2*time.Minute, "hpa/"+s.Namespace, "jsonpath={.status.desiredReplicas}=2")
	s.Wait("there are more", time.Minute, "deploy/"+s.Namespace, "jsonpath={.status.readyReplicas}=2")
}

// endpoint looks at what Prometheus reads, with the right of the metrics server, which is to metrics and nothing else.
func endpoint(s *e2e.Scenario) {
	s.Helper()
	token := s.Must("create", "token", "metrics-server", "-n", "kube-system")
	for _, row := range []struct {
		path    string
		status  int
		pattern string
	}{
		{"/metrics/cadvisor", 200, `container_cpu_usage_seconds_total{container="busy",cpu="total",id="[^"]+",image="[^"]+",name="[0-9a-f]{64}",namespace="` +
			s.Namespace + `",pod="[^"]+"} [0-9.]*[1-9]`},
		{"/metrics/cadvisor", 200, `container_network_receive_bytes_total{[^}]*interface="eth0"[^}]*pod="` + s.Namespace},
		{"/metrics/probes", 200, `prober_probe_total{container="idle",[^}]*probe_type="Readiness",result="successful"} [1-9]`},
		{"/metrics", 200, `(?m)^etcd_server_has_leader 1$`},
		{"/stats/summary", 403, "stats"},
		{"/pods", 403, "proxy"},
	} {
		status, body := get(s, "https://127.0.0.1:"+strconv.Itoa(s.W.Server.KubeletPort)+row.path, token)
		if status != row.status || !regexp.MustCompile(row.pattern).MatchString(body) {
			s.Errorf("%s: %d, nothing like %s in\n%s", row.path, status, row.pattern, body)
		}
	}
}

// summary looks at the figures of the scenario's Pod that the metrics server does not read.
func summary(s *e2e.Scenario) {
	s.Helper()
	type figures struct {
		Name   string
		CPU    struct{ UsageNanoCores uint64 }
		Memory struct{ WorkingSetBytes uint64 }
	}
	read := readNode(s)
	s.Eventually("the summary has the Pod's CPU and memory", 30*time.Second, func() error {
		said := kubectl(s, "WebSocket", nil, append(read, "/stats/summary")...)
		var got struct {
			Pods []struct {
				PodRef struct{ Namespace string }
				figures
				Containers []figures
			}
		}
		if err := json.Unmarshal([]byte(said.stdout), &got); err != nil {
			return fmt.Errorf("%w: %+v", err, said)
		}
		for _, pod := range got.Pods {
			busy := slices.IndexFunc(pod.Containers, func(c figures) bool { return c.Name == "busy" })
			if pod.PodRef.Namespace != s.Namespace || busy < 0 || len(pod.Containers) != 2 {
				continue
			}
			// It computes for 10 ms in each 100 ms: a tenth of a core, on a machine that has other work too.
			c := pod.Containers[busy]
			if c.CPU.UsageNanoCores > 20e6 && c.CPU.UsageNanoCores < 500e6 && pod.CPU.UsageNanoCores >= c.CPU.UsageNanoCores &&
				c.Memory.WorkingSetBytes > 100_000 && pod.Memory.WorkingSetBytes > c.Memory.WorkingSetBytes {
				return nil
			}
		}
		return errors.New(said.stdout)
	})
}

func get(s *e2e.Scenario, url, token string) (int, string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, url, nil)
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the node signs its own
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return res.StatusCode, string(body)
}
