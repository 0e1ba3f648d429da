package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/auth"
)

// TestPolicyOfAFile: what a file says of an action holds for it and for no other.
func TestPolicyOfAFile(t *testing.T) {
	policy, err := auth.ReadPolicy([]byte(`
"capsule:create:hostNetwork": "@"
"capsule:delete_force": "rule:admin_api"
"capsule:logs": "!"
"capsule:update": "rule:admin_api"
`))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *api.Config, _ *http.Server) {
		c.Auth = auth.Under(func() *auth.Policy { return policy }, c.Auth)
	})
	post := func(name, fields string) string {
		return strings.Replace(named(name), `"containers"`, fields+`,"containers"`, 1)
	}
	w.get(202, "POST", "/v1/capsules", post("near", `"hostNetwork":true`))
	both := w.get(403, "POST", "/v1/capsules", post("mighty", `"hostNetwork":true,"hostPID":true`))
	if text := both["errors"].([]any)[0].(map[string]any)["detail"]; text != "Policy doesn't allow capsule:create:hostPID to be performed." {
		t.Errorf("two powers, of which one is allowed: %v", text)
	}
	w.get(403, "PATCH", "/v1/containers/web?capsule=near", `{"memory":"128"}`) // that is an update of the capsule
	w.get(403, "DELETE", "/v1/capsules/near?force=true", "")
	w.get(404, "GET", "/v1/capsules/near/logs", "", "X-Auth-Token", adminToken) // what one may not is not there
	w.get(204, "DELETE", "/v1/capsules/near?force=true", "", "X-Auth-Token", adminToken)
}

// TestViewsFollowThePolicy: who sees hosts is what the policy says, for each property, and not who is an administrator.
func TestViewsFollowThePolicy(t *testing.T) {
	policy, err := auth.ReadPolicy([]byte(`
"capsule:get:host": "rule:admin_or_owner"
"container:get_one:privileged": "@"
"container:get_one:runtime": "!"
`))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *api.Config, _ *http.Server) {
		c.Auth = auth.Under(func() *auth.Policy { return policy }, c.Auth)
	})
	w.get(202, "POST", "/v1/capsules", small)
	for _, row := range []struct {
		token  string
		shown  []string
		hidden []string
	}{
		{userToken, []string{"privileged"}, []string{"host", "runtime", "image_pull_policy"}},
		{adminToken, []string{"privileged", "host", "image_pull_policy"}, []string{"runtime"}},
	} {
		for _, path := range []string{"/v1/capsules/web", "/v1/capsules?all_projects=" + map[bool]string{true: "1"}[row.token == adminToken]} {
			got := w.get(200, "GET", path, "", "X-Auth-Token", row.token, "OpenStack-API-Version", "container 1.40")
			if list, ok := got["capsules"].([]any); ok {
				got = list[0].(map[string]any)
			}
			if _, ok := got["host"]; !ok {
				t.Errorf("%s: the host is not shown", path)
			}
			c := got["containers"].([]any)[0].(map[string]any)
			for _, name := range row.shown {
				if _, ok := c[name]; !ok {
					t.Errorf("%s: %s is not shown of a container", path, name)
				}
			}
			for _, name := range row.hidden {
				if _, ok := c[name]; ok {
					t.Errorf("%s: %s is shown of a container", path, name)
				}
			}
		}
	}
}
