package provider

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ask asks the kubelet endpoint as the administrator.
func (w *world) ask(path string) (int, string) {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: testTimeout} //nolint:gosec // self-signed in a test
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer admin")
	resp, err := client.Do(req)
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

// TestEndpoint: what the kubelet endpoint shows are the pods of this node, as they are now.
func TestEndpoint(t *testing.T) {
	w := newWorld(t).start()
	pod := w.createPod(nil)
	w.capsuleOf(pod)
	if status, body := w.ask("/containerLogs/shop/web/a"); status != 400 || !strings.Contains(body, "waiting to start") {
		t.Errorf("before it runs: %d %s", status, body)
	}
	w.run(pod)
	w.phase(corev1.PodRunning)
	for _, c := range []struct{ path, want string }{
		{"/containerLogs/shop/web/a", string(pod.UID) + " a false"},
		{"/pods", `"phase":"Running"`},
		{"/stats/summary", `"uid": "` + string(pod.UID) + `"`},
		{"/metrics", "kubelet_pod_start_duration_seconds_count 1\n"},
		{"/metrics", "kubelet_running_pods 1\n"},
	} {
		if status, body := w.ask(c.path); status != 200 || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", c.path, status, body)
		}
	}
	w.capsules.remove(string(pod.UID))
	w.phase(corev1.PodFailed)
	w.until("a pod that is gone uses nothing", func() bool { // statistics are some milliseconds old
		status, body := w.ask("/stats/summary")
		return status == 200 && !strings.Contains(body, string(pod.UID))
	})
}

// TestHealthy: a worker that does not come back from a step is not passed off as a node that works.
func TestHealthy(t *testing.T) {
	e := &entry{id: identity{"shop", "web", "u"}}
	ps := &pods{byUID: map[types.UID]*entry{"u": e}}
	for since, healthy := range map[time.Duration]bool{0: true, stepTimeout: true, 2*stepTimeout + time.Minute: false} {
		ps.setStepping(e, time.Now().Add(-since))
		if err := ps.Healthy(); (err == nil) != healthy {
			t.Errorf("a step since %s: %v", since, err)
		}
	}
	ps.setStepping(e, time.Time{})
	if err := ps.Healthy(); err != nil {
		t.Error(err)
	}
}
