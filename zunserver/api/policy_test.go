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
	w.get(403, "DELETE", "/v1/capsules/near?force=true", "")
	w.get(404, "GET", "/v1/capsules/near/logs", "", "X-Auth-Token", adminToken) // what one may not is not there
	w.get(204, "DELETE", "/v1/capsules/near?force=true", "", "X-Auth-Token", adminToken)
}
