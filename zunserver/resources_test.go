package zunserver_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// ask sends a request as the user of the tests, or as the server's own administrator, and reads the answer into v.
func (s *server) ask(admin bool, status int, method, path, body string, v any) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if r.Header.Set("X-Auth-Token", token); admin {
		r.Header.Set("X-Auth-Token", s.srv.LocalToken())
	}
	r.Header.Set("OpenStack-API-Version", "container 1.40")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != status {
		s.t.Fatalf("%s %s: %s, want %d", method, path, resp.Status, status)
	}
	if v != nil {
		if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
			s.t.Fatal(err)
		}
	}
}

// served waits until every host is up.
func (s *server) served() {
	s.t.Helper()
	s.until("served", func() bool {
		var list struct{ Services []struct{ State string } }
		s.ask(true, 200, "GET", "/v1/services", "", &list)
		up := 0
		for _, one := range list.Services {
			if one.State == "up" {
				up++
			}
		}
		return up == len(s.hosts)
	})
}

type addresses map[string][]struct {
	Addr string `json:"addr"`
}

// A capsule in a network of the API, of an image that needs a login which is its project's.
func TestACapsuleUsesResources(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	s.hosts["h1"].Add(fake.Image{Ref: "reg.example/team/app:1", Remote: true, Username: "u", Password: "hush"})
	var network struct{ UUID string }
	s.ask(true, 200, "POST", "/v1/networks", `{"name":"blue","subnets":["10.77.0.0/24"]}`, &network)
	s.ask(false, 201, "POST", "/v1/registries", `{"registry":{"domain":"reg.example","username":"u","password":"hush"}}`, nil)
	var made struct{ UUID string }
	s.ask(false, 202, "POST", "/v1/capsules", `{"template":{"kind":"capsule","metadata":{"name":"web"},"spec":{
		"nets":[{"network":"blue","v4-fixed-ip":"10.77.0.42"}],"containers":[{"name":"app","image":"reg.example/team/app:1"}]}}}`, &made)
	s.running(made.UUID)
	var shown struct{ Addresses addresses }
	s.ask(false, 200, "GET", "/v1/capsules/"+made.UUID, "", &shown)
	if in := shown.Addresses[network.UUID]; len(shown.Addresses) != 1 || len(in) != 1 || in[0].Addr != "10.77.0.42" {
		t.Errorf("addresses %+v", shown.Addresses)
	}
	var one struct{ UUID string }
	s.ask(false, 202, "POST", "/v1/containers", `{"name":"one","image":"app"}`, &one)
	var refused struct {
		Errors []struct{ Detail string }
	}
	s.ask(false, 400, "POST", "/v1/containers/"+one.UUID+"/network_attach?network=blue&fixed_ip=10.78.0.1", "", &refused)
	if !strings.Contains(refused.Errors[0].Detail, "'fixed_ip'") {
		t.Errorf("%+v", refused)
	}
	s.ask(true, 409, "DELETE", "/v1/networks/blue", "", nil)
	// The quota is of the project: its administrator's says no more containers than it has.
	s.ask(true, 200, "PUT", "/v1/quotas/p", `{"containers":1}`, nil)
	s.ask(false, 403, "POST", "/v1/capsules", `{"template":{"kind":"capsule","metadata":{"name":"more"},"spec":{"containers":[{"image":"app"}]}}}`, nil)
	s.ask(false, 204, "DELETE", "/v1/capsules/"+made.UUID, "", nil)
	s.until("gone", func() bool { _, err := s.get(made.UUID); return err != nil })
	s.ask(true, 204, "DELETE", "/v1/networks/blue", "", nil)
}

func TestPullOntoAHost(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	s.hosts["h1"].Add(fake.Image{Ref: "wanted:1", Remote: true})
	s.served()
	var image struct{ UUID, Status, Repo string }
	s.ask(true, 202, "POST", "/v1/images", `{"repo":"wanted","tag":"1","host":"h1"}`, &image)
	id := image.UUID
	s.until("pulled", func() bool {
		s.ask(true, 200, "GET", "/v1/images/"+id, "", &image)
		return image.Status == capsule.ImageAvailable
	})
	s.ask(true, 204, "DELETE", "/v1/images/"+id, "", nil)
	s.ask(true, 404, "GET", "/v1/images/"+id, "", nil)
}

// A host that is disabled or forced down gets nothing, and the capsule says why.
func TestServiceOfAHost(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	const of = "?host=h1&binary=zun-compute"
	s.served()
	s.ask(true, 200, "PUT", "/v1/services/disable"+of+"&disabled_reason=new+disks", "", nil)
	id := s.create()
	s.until("refused", func() bool {
		c, err := s.get(id)
		if err == nil && c.Status == capsule.StatusRunning {
			id = s.create() // the scheduler had not heard of it yet
		}
		return err == nil && strings.Contains(c.StatusReason, "1 disabled (h1: new disks)")
	})
	s.ask(true, 200, "PUT", "/v1/services/force_down"+of+"&forced_down=true", "", nil)
	s.ask(true, 200, "PUT", "/v1/services/enable"+of, "", nil)
	s.until("refused", func() bool {
		c, err := s.get(id)
		return err == nil && strings.Contains(c.StatusReason, "1 down (h1: forced down)")
	})
	s.ask(true, 200, "PUT", "/v1/services/force_down"+of+"&forced_down=false", "", nil)
	s.running(id)
}
