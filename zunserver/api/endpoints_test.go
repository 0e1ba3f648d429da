package api_test

import (
	"fmt"
	"testing"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestEndpoints(t *testing.T) {
	w := newWorld(t)
	w.hosts = []capsule.Host{{Name: "h1", Address: "192.0.2.1", PublicAddress: "public.example"}}
	placed := func(name, host string, port capsule.Port) string {
		t.Helper()
		uuid, _ := w.get(202, "POST", "/v1/capsules", named(name), "Accept", nativeType)["uuid"].(string)
		w.mu.Lock()
		defer w.mu.Unlock()
		c := *w.all[uuid]
		c.Claim.Host, c.Spec.Containers[0].Ports = host, []capsule.Port{port}
		c.Facts.Sandbox = capsule.Sandbox{Ready: true, Addresses: []string{"172.17.0.2"}, Network: "bridge"}
		w.all[uuid] = &c
		return c.Spec.Containers[0].UUID
	}
	container := placed("web", "h1", capsule.Port{ContainerPort: 80, HostPort: 8080})
	placed("near", "h1", capsule.Port{ContainerPort: 80})
	placed("far", "h2", capsule.Port{ContainerPort: 80})
	list := func(path string) (all []string) {
		t.Helper()
		entries, _ := w.get(200, "GET", path, "")["endpoints"].([]any)
		for _, e := range entries {
			m, _ := e.(map[string]any)
			if len(m) != 6 || m["containerPort"] != 80.0 || m["protocol"] != "TCP" {
				t.Errorf("%v", m)
			}
			all = append(all, fmt.Sprintf("%s/%s %s:%v", m["scope"], m["portScope"], m["address"], m["port"]))
		}
		return all
	}
	for path, want := range map[string]string{
		"/v1/capsules/web/endpoints":                          "[host/public 127.0.0.1:8080 internal/public 172.17.0.2:80 cloud/public 192.0.2.1:8080 public/public public.example:8080]",
		"/v1/capsules/web/endpoints?container=web":            "[host/public 127.0.0.1:8080 internal/public 172.17.0.2:80 cloud/public 192.0.2.1:8080 public/public public.example:8080]",
		"/v1/capsules/web/endpoints?from=near":                "[internal/public 172.17.0.2:80]",
		"/v1/capsules/web/endpoints?from=far":                 "[cloud/public 192.0.2.1:8080]",
		"/v1/capsules/web/endpoints?from=web":                 "[host/public 127.0.0.1:80]",
		"/v1/containers/" + container + "/endpoints?from=far": "[cloud/public 192.0.2.1:8080]",
	} {
		if got := fmt.Sprint(list(path)); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	for path, status := range map[string]int{
		"/v1/capsules/far/endpoints?from=web":               409,
		"/v1/capsules/web/endpoints?from=nobody":            404,
		"/v1/capsules/web/endpoints?container=none":         404,
		"/v1/containers/web/endpoints":                      404, // a capsule's container has no name there
		"/v1/containers/" + container + "/endpoints?from=x": 404,
	} {
		w.get(status, "GET", path, "")
	}
	w.get(404, "GET", "/v1/capsules/web/endpoints", "", "X-Auth-Token", otherToken)
	w.get(404, "GET", "/v1/containers/"+container+"/endpoints", "", "X-Auth-Token", otherToken)
}
