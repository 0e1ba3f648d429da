package openstack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

// keystone is as much of Keystone as a login needs: one user, one project, and a catalog.
type keystone struct {
	*httptest.Server
	asked   map[string]any // body of the last login
	logins  int
	catalog string // service type
	token   string // the API believes it
}

func newKeystone(t *testing.T) *keystone {
	t.Helper()
	k := &keystone{catalog: "container", token: "t1"}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/auth/tokens", func(w http.ResponseWriter, r *http.Request) {
		k.asked = map[string]any{}
		if err := json.NewDecoder(r.Body).Decode(&k.asked); err != nil {
			t.Error(err)
		}
		if body, _ := json.Marshal(k.asked); strings.Contains(string(body), `"password":"wrong"`) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		k.logins++
		w.Header().Set("X-Subject-Token", fmt.Sprintf("t%d", k.logins))
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token":{"expires_at":"2099-01-01T00:00:00.000000Z","catalog":[
			{"type":%q,"name":"zun","endpoints":[
				{"interface":"admin","url":"http://admin.example/v1","region":"one","region_id":"one"},
				{"interface":"public","url":"%s/zun/v1","region":"one","region_id":"one"}]}]}}`, k.catalog, k.URL)
	})
	mux.HandleFunc("GET /zun/v1/hosts", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Auth-Token") != k.token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"hosts":[{"name":"h"}]}`)
	})
	k.Server = httptest.NewServer(mux)
	t.Cleanup(k.Close)
	return k
}

func (k *keystone) environment(more ...string) Config {
	env := map[string]string{"OS_AUTH_URL": k.URL + "/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "p"}
	for _, m := range more {
		name, value, _ := strings.Cut(m, "=")
		env[name] = value
	}
	return Config{Getenv: func(name string) string { return env[name] }}
}

// TestLogin: the variables of an openrc file lead to the API, by either of its names in the catalog, and a token that has
// expired is replaced.
func TestLogin(t *testing.T) {
	for _, name := range serviceTypes {
		k := newKeystone(t)
		k.catalog = name
		c, err := Login(t.Context(), k.environment("OS_USER_DOMAIN_NAME=Default", "OS_PROJECT_DOMAIN_ID=d"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := json.Marshal(k.asked)
		for _, part := range []string{`"domain":{"name":"Default"}`, `"name":"u"`, `"project":{"domain":{"id":"d"},"name":"p"}`} {
			if !strings.Contains(string(body), part) {
				t.Errorf("%s has no %s", body, part)
			}
		}
		if hosts, err := c.Hosts(t.Context()); err != nil || len(hosts) != 1 {
			t.Errorf("%v, %v", hosts, err)
		}
		k.token = "t2"
		if _, err := c.Hosts(t.Context()); err != nil || k.logins != 2 {
			t.Errorf("with an expired token: %v after %d logins", err, k.logins)
		}
	}
}

func TestCloudsFile(t *testing.T) {
	k := newKeystone(t)
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, "clouds:\n  mine:\n    auth: {auth_url: %s/v3, username: u, password: secret, user_domain_name: Default, project_name: p, project_domain_name: Default}\n", k.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OS_CLIENT_CONFIG_FILE", path)
	c, err := Login(t.Context(), Config{Getenv: os.Getenv, Cloud: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Hosts(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := Login(t.Context(), Config{Getenv: os.Getenv, Cloud: "other"}); !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), "other") {
		t.Errorf("%v", err)
	}
}

// TestLoginFails: what is wrong is named, and has a class.
func TestLoginFails(t *testing.T) {
	k := newKeystone(t)
	for _, row := range []struct {
		name   string
		config Config
		is     func(error) bool
		want   string
	}{
		{"no user", k.environment("OS_USERNAME="), errdefs.IsInvalidArgument, "OS_USERNAME"},
		{"no password", k.environment("OS_PASSWORD="), errdefs.IsInvalidArgument, "OS_PASSWORD"},
		{"credential without its secret", k.environment("OS_APPLICATION_CREDENTIAL_ID=x"), errdefs.IsInvalidArgument, "OS_APPLICATION_CREDENTIAL_SECRET"},
		{"wrong password", k.environment("OS_PASSWORD=wrong"), errdefs.IsUnauthorized, "does not accept"},
		{"nobody there", k.environment("OS_AUTH_URL=http://127.0.0.1:1/v3"), errdefs.IsUnavailable, "127.0.0.1:1"},
		{"region that the API is not in", k.environment("OS_REGION_NAME=two"), errdefs.IsNotFound, "container or application-container"},
	} {
		_, err := Login(t.Context(), row.config)
		if err == nil || !row.is(err) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is in %q", row.name, err)
		}
	}
}

// TestRegisterFails: what is wrong is named before anybody is asked. What it does is tested with a real Keystone (test/keystone).
func TestRegisterFails(t *testing.T) {
	k := newKeystone(t)
	for _, row := range []struct {
		name   string
		config Config
		r      Registration
		is     func(error) bool
		want   string
	}{
		{"no region", k.environment(), Registration{URL: "http://zun.example"}, errdefs.IsInvalidArgument, "OS_REGION_NAME"},
		{"no URL", k.environment(), Registration{Region: "one"}, errdefs.IsInvalidArgument, `""`},
		{"a host", k.environment(), Registration{Region: "one", URL: "zun.example:9517"}, errdefs.IsInvalidArgument, "zun.example:9517"},
		{"a socket", k.environment(), Registration{Region: "one", URL: "http://zun.example", AdminURL: "unix:///run/zun"}, errdefs.IsInvalidArgument, "unix:///run/zun"},
		{"wrong password", k.environment("OS_PASSWORD=wrong"), Registration{Region: "one", URL: "http://zun.example"}, errdefs.IsUnauthorized, "does not accept"},
	} {
		entries, err := Register(t.Context(), row.config, row.r)
		if err == nil || !row.is(err) || !strings.Contains(err.Error(), row.want) || len(entries) > 0 || k.logins > 0 {
			t.Errorf("%s: %v, %v", row.name, entries, err)
		}
	}
}
