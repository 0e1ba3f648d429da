package keystone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/container/v1/capsules"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/auth/keystone"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/store"
)

const (
	cacheTTL = 3 * time.Second
	patience = 3 * time.Minute
	// shortLife is long enough for a slow machine to use a token, and short enough to see one expire.
	shortLife = 30 * time.Second
)

// world is a capsule server that knows the users of a Keystone.
type world struct {
	*testing.T
	keystone *Server
	url      string
	password string
	program  string // capsulet
}

func newWorld(t *testing.T) *world {
	for _, program := range []string{"keystone-manage", "uwsgi", "openstack"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: `make tools` installs it", err)
		}
	}
	w := &world{T: t}
	began := time.Now()
	var err error
	if w.keystone, err = New(t.Context(), t.TempDir()); w.keystone != nil {
		t.Cleanup(func() {
			if err := w.keystone.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Keystone took %s to start", time.Since(began).Round(time.Second))
	admin := w.login("admin", "admin")
	for user, role := range map[string]string{"capsulet": "service", "anna": "member", "bert": "member"} {
		if _, err := AddUser(t.Context(), admin, user, "project-of-"+user, role); err != nil {
			t.Fatal(err)
		}
	}
	w.serve()
	return w
}

// in is a step of the test.
func (w *world) in(step func(*world)) func(*testing.T) {
	return func(t *testing.T) {
		mine := *w
		mine.T = t
		step(&mine)
	}
}

// serve runs a capsule server with a host in memory.
func (w *world) serve() {
	log := logrus.New()
	log.SetOutput(w.Output())
	dir := w.TempDir()
	w.password = filepath.Join(dir, "password")
	if err := os.WriteFile(w.password, []byte(Password("capsulet")), 0o600); err != nil {
		w.Fatal(err)
	}
	known, err := keystone.New(keystone.Config{
		URL: w.keystone.URL, Username: "capsulet", UserDomain: "Default", PasswordFile: w.password, Project: "project-of-capsulet",
		ProjectDomain: "Default", CacheTTL: cacheTTL, Log: logrus.NewEntry(log),
	})
	if err != nil {
		w.Fatal(err)
	}
	host := fake.New(fake.Config{Name: "h1", Instance: "keystone", Near: true})
	host.AddImage("app", fake.Behaviour{})
	srv, err := zunserver.New(w.Context(), zunserver.Config{
		Instance: "keystone", StateDir: filepath.Join(dir, "state"), RunDir: filepath.Join(dir, "run"), Auth: known, KeystoneURI: w.keystone.URL,
		Store: store.Config{DataDir: filepath.Join(dir, "etcd"), SealKey: make([]byte, 32), DetectChanges: true}, Log: logrus.NewEntry(log),
		Hosts: []zunserver.HostConfig{{Name: "h1", Address: "192.0.2.1", Near: true}},
		Open:  func(context.Context, zunserver.HostConfig) (runtime.Host, error) { return host, nil },
	})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	front := httptest.NewServer(srv.Handler())
	w.url = front.URL
	w.Cleanup(func() {
		front.Close()
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
		if err := srv.Close(); err != nil {
			w.Error(err)
		}
	})
}

func (w *world) login(user, project string) *gophercloud.ServiceClient {
	w.Helper()
	password := Password(user)
	if user == "admin" {
		password = AdminPassword
	}
	c, err := w.keystone.Login(w.Context(), user, password, project)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// token is a new one of anna or bert.
func (w *world) token(user string) string {
	w.Helper()
	return w.login(user, "project-of-"+user).Token()
}

func (w *world) ask(method, path, body, token string) (int, http.Header, string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("OpenStack-API-Version", "container 1.40")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// names of the capsules that a caller sees, sorted.
func (w *world) names(path, token string) string {
	w.Helper()
	status, _, body := w.ask("GET", path, "", token)
	if status != http.StatusOK {
		w.Fatalf("%s: %d %s", path, status, body)
	}
	var list struct{ Capsules []struct{ Name string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, c := range list.Capsules {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// await asks with the token until the status is the one that is wanted.
func (w *world) await(status int, token func() string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		got, _, body := w.ask("GET", "/v1/capsules", "", token())
		if got == status {
			return
		}
		select {
		case <-ctx.Done():
			w.Fatalf("the status is %d %s, and not %d in %s", got, body, status, patience)
		case <-tick.C:
		}
	}
}

const template = `{"template":{"kind":"capsule","metadata":{"name":%q},"spec":{"containers":[{"name":"app","image":"app"}]}}}`

// TestRealKeystone: its steps share one Keystone, because one takes long to start.
func TestRealKeystone(t *testing.T) {
	w := newWorld(t)
	t.Run("who is not known", w.in((*world).strangers))
	t.Run("two projects", w.in((*world).projects))
	t.Run("the catalog", w.in((*world).catalog))
	t.Run("the command line", w.in((*world).openstack))
	t.Run("gophercloud", w.in((*world).gophercloud))
	t.Run("revoked", w.in((*world).revoked))
	t.Run("down and up again", w.in((*world).down))
	t.Run("expired", w.in((*world).expired))
}

func (w *world) strangers() {
	t := w.T
	for _, token := range []string{"", "no-token-of-this-keystone", w.token("anna") + "x"} {
		status, header, body := w.ask("GET", "/v1/capsules", "", token)
		var said struct {
			Error struct {
				Code           int
				Title, Message string
			}
		}
		if err := json.Unmarshal([]byte(body), &said); err != nil || status != 401 || said.Error.Code != 401 || said.Error.Title != "Unauthorized" {
			t.Errorf("%.8s…: %d %s", token, status, body)
		}
		if got := header.Get("WWW-Authenticate"); got != fmt.Sprintf("Keystone uri=%q", w.keystone.URL) {
			t.Errorf("WWW-Authenticate: %s", got)
		}
		if token != "" && strings.Contains(body, token) {
			t.Errorf("the answer repeats the token: %s", body)
		}
	}
}

func (w *world) projects() {
	t := w.T
	anna, bert, admin := w.token("anna"), w.token("bert"), w.login("admin", "admin").Token()
	for token, name := range map[string]string{anna: "of-anna", bert: "of-bert"} {
		if status, _, body := w.ask("POST", "/v1/capsules", fmt.Sprintf(template, name), token); status != http.StatusAccepted {
			t.Fatalf("create %s: %d %s", name, status, body)
		}
	}
	for _, see := range []struct{ path, token, want string }{
		{"/v1/capsules", anna, "of-anna"}, {"/v1/capsules", bert, "of-bert"}, {"/v1/capsules", admin, ""},
		{"/v1/capsules?all_projects=1", admin, "of-anna of-bert"},
	} {
		if got := w.names(see.path, see.token); got != see.want {
			t.Errorf("%s shows %q, want %q", see.path, got, see.want)
		}
	}
	for _, try := range []struct {
		method, path, token string
		want                int
	}{
		{"GET", "/v1/capsules/of-bert", anna, 404}, {"DELETE", "/v1/capsules/of-bert", anna, 404}, {"GET", "/v1/capsules/of-bert", admin, 200},
		{"GET", "/v1/capsules?all_projects=1", anna, 403}, {"GET", "/v1/hosts", anna, 403}, {"GET", "/v1/hosts", admin, 200},
	} {
		if got, _, body := w.ask(try.method, try.path, "", try.token); got != try.want {
			t.Errorf("%s %s: %d %s, want %d", try.method, try.path, got, body, try.want)
		}
	}
}

// openstack is the real command with a password, which finds the API in the catalog.
func (w *world) openstack() {
	t := w.T
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openstack", "capsule", "list", "-f", "json")
	cmd.Env = w.environment("anna")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openstack capsule list: %v\n%s", err, &stderr)
	}
	if !strings.Contains(string(out), "of-anna") || strings.Contains(string(out), "of-bert") {
		t.Errorf("it shows %s", out)
	}
}

// gophercloud finds the API in the catalog by its own name for it (application-container), of which container is an alias.
func (w *world) gophercloud() {
	t := w.T
	client, err := openstack.NewContainerV1(w.login("anna", "project-of-anna").ProviderClient, gophercloud.EndpointOpts{Region: Region})
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", "1.31", "1.32"} {
		client.Microversion = version
		page, err := capsules.List(client, nil).AllPages(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", version, err)
		}
		all, err := capsules.ExtractCapsules(page)
		switch list := all.(type) {
		case []capsules.Capsule:
			if len(list) != 1 || list[0].MetaName != "of-anna" || version == "1.32" {
				t.Errorf("%q: %+v", version, list)
			}
		case []capsules.CapsuleV132:
			if len(list) != 1 || list[0].MetaName != "of-anna" || version != "1.32" {
				t.Errorf("%q: %+v", version, list)
			}
		default:
			t.Errorf("%q: %T, %v", version, all, err)
		}
	}
}

func (w *world) revoked() {
	t := w.T
	token := w.token("anna")
	w.await(http.StatusOK, func() string { return token })
	if err := tokens.Revoke(t.Context(), w.login("admin", "admin"), token).Err; err != nil {
		t.Fatal(err)
	}
	w.await(http.StatusUnauthorized, func() string { return token })
}

// down: who is known stays so for a while, then nobody gets in, and all do when it is back.
func (w *world) down() {
	t := w.T
	token, unused := w.token("anna"), w.token("bert")
	w.await(http.StatusOK, func() string { return token })
	stopped := time.Now()
	if err := w.keystone.Stop(); err != nil {
		t.Fatal(err)
	}
	status, _, body := w.ask("GET", "/v1/capsules", "", token)
	if status != http.StatusOK && time.Since(stopped) < cacheTTL {
		t.Errorf("known a moment ago: %d %s", status, body)
	}
	w.await(http.StatusServiceUnavailable, func() string { return token })
	for _, token := range []string{unused, "another-token-of-no-keystone"} {
		if status, _, body := w.ask("GET", "/v1/capsules", "", token); status != http.StatusServiceUnavailable {
			t.Errorf("a token that was never seen: %d %s", status, body)
		}
	}
	if status, _, _ := w.ask("GET", "/v1/capsules", "", ""); status != http.StatusUnauthorized {
		t.Errorf("no token: %d", status)
	}
	if err := errors.Join(w.keystone.SetTokenLife(shortLife), w.keystone.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	w.await(http.StatusOK, func() string { return token })
}

// expired: a token that was good is refused when its time is over, that of the service user has ended by then, too.
func (w *world) expired() {
	token := ""
	w.await(http.StatusOK, func() string {
		token = w.token("bert")
		return token
	})
	w.await(http.StatusUnauthorized, func() string { return token })
	w.await(http.StatusOK, func() string { return w.token("anna") })
}
