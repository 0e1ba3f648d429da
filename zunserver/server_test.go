package zunserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/container/v1/capsules"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/store"
)

const (
	token    = "a-token-of-a-user-of-zun"
	patience = 30 * time.Second
	template = `
capsuleVersion: beta
kind: capsule
metadata: {name: web, labels: {app: web}}
restartPolicy: Always
spec:
  containers:
  - {image: app, imagePullPolicy: ifnotpresent, command: [sleep], env: {A: b}, ports: [{containerPort: 80}], resources: {requests: {cpu: 0.1, memory: 64}}}
  - {image: app, imagePullPolicy: ifnotpresent}
`
)

// server is a capsule server with hosts in memory, reached over HTTP.
type server struct {
	t     *testing.T
	srv   *zunserver.Server
	hosts map[string]*fake.Host
	url   string
	zun   *gophercloud.ServiceClient
}

func config(t testing.TB, hosts map[string]*fake.Host) zunserver.Config {
	t.Helper()
	tokens, err := auth.NewTokens(map[string]auth.Identity{token: {User: "u", Project: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	dir := t.TempDir()
	cfg := zunserver.Config{
		AwayAfter: 3 * time.Second,
		Instance:  "test", StateDir: dir, RunDir: filepath.Join(dir, "run"), Auth: tokens, Log: logrus.NewEntry(log),
		Store: store.Config{DataDir: filepath.Join(dir, "etcd"), SealKey: make([]byte, 32), DetectChanges: true},
		Open:  func(_ context.Context, h zunserver.HostConfig) (runtime.Host, error) { return hosts[h.Name], nil },
	}
	for name := range hosts {
		cfg.Hosts = append(cfg.Hosts, zunserver.HostConfig{Name: name, Address: "192.0.2.1"})
	}
	return cfg
}

// newServer runs one with the hosts named, which have the image "app".
func newServer(t *testing.T, names ...string) *server {
	t.Helper()
	s := &server{t: t, hosts: map[string]*fake.Host{}}
	for _, name := range names {
		s.hosts[name] = fake.New(fake.Config{Name: name, Instance: "test"})
		s.hosts[name].AddImage("app", fake.Behaviour{Stdout: []string{"hello from " + name}})
	}
	var err error
	if s.srv, err = zunserver.New(t.Context(), config(t, s.hosts)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // ends in Cleanup, after t's context
	ended := make(chan error, 1)
	go func() { ended <- s.srv.Run(ctx) }()
	web := httptest.NewServer(s.srv.Handler())
	s.url = web.URL
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		cancel()
		if err := errors.Join(<-ended, s.srv.Close()); err != nil {
			t.Errorf("the server ended with: %v", err)
		}
		for name, h := range s.hosts {
			for _, v := range h.Violations() {
				t.Errorf("violation on %s: %s", name, v)
			}
		}
	})
	s.zun = &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: token}, Endpoint: s.url + "/v1/", Type: "container", Microversion: "1.32",
	}
	return s
}

// create makes a capsule and returns its UUID.
func (s *server) create() string {
	s.t.Helper()
	opts := capsules.CreateOpts{TemplateOpts: &capsules.Template{}}
	opts.TemplateOpts.Bin = []byte(template)
	made, err := capsules.Create(s.t.Context(), s.zun, opts).ExtractV132()
	if err != nil {
		s.t.Fatal(err)
	}
	return made.UUID
}

// until asks until ok: over REST there is nothing to wait on.
func (s *server) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("never: %s", what)
		}
	}
}

func (s *server) get(id string) (*capsules.CapsuleV132, error) {
	return capsules.Get(s.t.Context(), s.zun, id).ExtractV132()
}

func (s *server) running(id string) {
	s.t.Helper()
	var last *capsules.CapsuleV132
	var err error
	defer func() {
		if s.t.Failed() {
			s.t.Logf("capsule %+v, %v, host h1: %v", last, err, s.hosts["h1"].Calls())
		}
	}()
	s.until(id+" running", func() bool { last, err = s.get(id); return err == nil && last.Status == "Running" })
}

func TestLifeOfACapsule(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	id := s.create()
	s.running(id)
	c, err := s.get(id)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Containers) != 2 || c.Containers[0].Status != "Running" || c.MetaName != "web" {
		t.Errorf("capsule: %+v", c)
	}
	if n := len(s.hosts["h1"].Running()); n != 3 {
		t.Errorf("running: %v", s.hosts["h1"].Running())
	}
	if err := capsules.Delete(t.Context(), s.zun, id).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	s.until("gone", func() bool {
		_, err := s.get(id)
		return gophercloud.ResponseCodeIs(err, http.StatusNotFound)
	})
	if left := s.hosts["h1"].Containers(); len(left) > 0 {
		t.Errorf("left on the host: %v", left)
	}
}

func TestSpreadAndAHostThatGoesDown(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1", "h2")
	s.until("two hosts up", func() bool { return len(s.up()) == 2 })
	on := map[string]int{}
	var ids []string
	for range 6 {
		ids = append(ids, s.create())
		s.running(ids[len(ids)-1])
	}
	for _, id := range ids {
		on[s.hostOf(id)]++
	}
	if on["h1"] != 3 || on["h2"] != 3 {
		t.Errorf("six capsules of one kind on two hosts: %v", on)
	}
	s.hosts["h1"].Partition(true)
	s.until("one host up", func() bool { return len(s.up()) == 1 })
	for range 3 {
		id := s.create()
		s.running(id)
		if host := s.hostOf(id); host != "h2" {
			t.Errorf("made on %q, which is down", host)
		}
		ids = append(ids, id)
	}
	s.hosts["h2"].Partition(true)
	s.until("no host up", func() bool { return len(s.up()) == 0 })
	waits := s.create()
	time.Sleep(100 * time.Millisecond) // enough to be claimed wrongly
	if c, err := s.get(waits); err != nil || s.hostOf(waits) != "" || c.Status == "Running" {
		t.Errorf("capsule without a host: %+v, %v", c, err)
	}
	s.hosts["h1"].Partition(false)
	s.running(waits)
	s.hosts["h2"].Partition(false)
	for _, id := range append(ids, waits) {
		if err := capsules.Delete(t.Context(), s.zun, id).ExtractErr(); err != nil {
			t.Fatal(err)
		}
	}
	s.until("nothing left", func() bool { return len(s.hosts["h1"].Containers())+len(s.hosts["h2"].Containers()) == 0 })
}

// hostOf returns the name of the host that has the capsule's containers; the API shows it to administrators alone.
func (s *server) hostOf(id string) string {
	for name, h := range s.hosts {
		for _, c := range h.Containers() {
			if c.Identity.Capsule == id {
				return name
			}
		}
	}
	return ""
}

// up returns the names of the hosts that are up.
func (s *server) up() (names []string) {
	s.t.Helper()
	var body struct{ Hosts []capsule.Host }
	if code := s.do(http.MethodGet, "/v1/hosts", s.srv.LocalToken(), &body); code != http.StatusOK {
		s.t.Fatalf("listing hosts: %d", code)
	}
	for _, h := range body.Hosts {
		if h.Up {
			names = append(names, h.Name)
		}
	}
	return names
}

// do asks for native JSON and returns the status.
func (s *server) do(method, path, token string, into any) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Accept", "application/vnd.capsulet+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			s.t.Fatal(err)
		}
	}
	return resp.StatusCode
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	for token, want := range map[string]int{
		"": http.StatusUnauthorized, "a-token-of-nobody-known": http.StatusUnauthorized,
		token: http.StatusOK, s.srv.LocalToken(): http.StatusOK,
	} {
		if got := s.do(http.MethodGet, "/v1/capsules", token, nil); got != want {
			t.Errorf("token %.10q: %d, want %d", token, got, want)
		}
	}
}

func TestTransportReachesTheServerWithoutASocket(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	client := &http.Client{Transport: s.srv.Transport(), Timeout: patience}
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, zunserver.LocalEndpoint+"/v1/capsules", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Auth-Token", s.srv.LocalToken())
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	client.CloseIdleConnections()
}

func TestLogs(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	id := s.create()
	s.running(id)
	c, err := s.get(id)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		fmt.Sprintf("%s/v1/capsules/%s/logs?container=%s", s.url, id, c.Containers[0].Name), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || strings.TrimSpace(string(text)) != "hello from h1" {
		t.Errorf("%d %q %v", resp.StatusCode, text, err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	hosts := map[string]*fake.Host{"h1": fake.New(fake.Config{Instance: "test"})}
	for _, row := range []struct {
		name string
		edit func(*zunserver.Config)
		want string
	}{
		{"no host", func(c *zunserver.Config) { c.Hosts = nil }, "configure hosts"},
		{"two hosts of one name", func(c *zunserver.Config) { c.Hosts = append(c.Hosts, c.Hosts[0]) }, "two hosts have this name"},
		{"no seal key", func(c *zunserver.Config) { c.Store.SealKey = nil }, "opening the store"},
		{"a host that cannot be", func(c *zunserver.Config) {
			c.Open = func(context.Context, zunserver.HostConfig) (runtime.Host, error) {
				return nil, errdefs.ErrInvalidArgument
			}
		}, "host h1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, hosts)
			row.edit(&cfg)
			s, err := zunserver.New(t.Context(), cfg)
			if s != nil || err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("server %v, error %v, want %q", s, err, row.want)
			}
		})
	}
}

// A host that goes takes nothing back: its capsules say that nobody knows how they are, a forced delete gives one up, and the
// other one is well again when the host is back.
func TestCapsulesOfAHostThatIsLost(t *testing.T) {
	s := newServer(t, "h1")
	kept, given := s.create(), s.create()
	s.running(kept)
	s.running(given)
	s.hosts["h1"].Partition(true)
	for _, id := range []string{kept, given} { // they are marked one after the other
		s.until("nobody knows how the capsule is", func() bool {
			c, err := s.get(id)
			return err == nil && c.Status == "Unknown" && strings.Contains(c.StatusReason, "host h1 does not answer since")
		})
	}
	for _, query := range []string{"?grace_period=0", "?grace_period=0&force=true"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.url+"/v1/capsules/"+given+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Auth-Token", token)
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != http.StatusNoContent {
			t.Fatalf("delete%s: %v, %v", query, res, err)
		}
		_ = res.Body.Close()
		if strings.Contains(query, "force") {
			continue
		}
		if c, err := s.get(given); err != nil || c.Status != "Deleting" || !strings.Contains(c.StatusReason, "A delete with force gives it up") {
			t.Errorf("%+v, %v", c, err)
		}
	}
	s.until("it is given up", func() bool {
		_, err := s.get(given)
		return gophercloud.ResponseCodeIs(err, http.StatusNotFound)
	})
	s.hosts["h1"].Partition(false)
	s.running(kept)
}
