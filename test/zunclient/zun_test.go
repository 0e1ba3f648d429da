package zunclient

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/provider/zun/openstack"
	"github.com/capsulet/capsulet/test/keystone"
	"github.com/capsulet/capsulet/zunserver"
	authority "github.com/capsulet/capsulet/zunserver/auth/keystone"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

// asked are the requests that a server got, but those for its versions, with which each command of `zun` begins.
type asked struct {
	mu   sync.Mutex
	list []string
}

func (a *asked) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			a.mu.Lock()
			a.list = append(a.list, r.Method+" "+strings.TrimSuffix(r.URL.Path, "/"))
			a.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// take is what was asked since the last time, without repetitions.
func (a *asked) take() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.Compact(a.list)
	a.list = nil
	return strings.Join(list, ", ")
}

// zun is the command `zun` of the administrator of a real Keystone, who finds the server in the catalog.
func zun(t *testing.T) (*shell, *asked) {
	id, err := keystone.New(t.Context(), t.TempDir())
	if id != nil {
		t.Cleanup(func() {
			if err := id.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	admin, err := id.Login(t.Context(), "admin", keystone.AdminPassword, "admin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keystone.AddUser(t.Context(), admin, "capsulet", "project-of-capsulet", "service"); err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(keystone.Password("capsulet")), 0o600); err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(t.Output())
	requests := &asked{}
	url := serve(t, func(cfg *zunserver.Config) {
		cfg.KeystoneURI = id.URL
		cfg.Auth, err = authority.New(authority.Config{
			URL: id.URL, Username: "capsulet", UserDomain: "Default", PasswordFile: password, Project: "project-of-capsulet",
			ProjectDomain: "Default", CacheTTL: time.Minute, Log: logrus.NewEntry(log),
		})
		if err != nil {
			t.Fatal(err)
		}
	}, requests.watch)
	env := id.Environment("admin", keystone.AdminPassword, "admin")
	if _, err := openstack.Register(t.Context(), openstack.Config{Getenv: func(name string) string { return env[name] }}, openstack.Registration{URL: url}); err != nil {
		t.Fatal(err)
	}
	return newShell(t, "zun", "--os-auth-url", id.URL, "--os-username", "admin", "--os-password", keystone.AdminPassword, "--os-project-name", "admin",
		"--os-user-domain-name", "Default", "--os-project-domain-name", "Default", "--os-region-name", keystone.Region), requests
}

// step is one command of `zun`.
type step struct {
	command string // {name} is what was found before
	request string // what the server is asked; {id} is a UUID
	prints  string
	finds   string // a name for the first group of prints
	until   string // what the container one comes to then
}

var operating = []step{
	{command: "version-list", prints: `v1 \| CURRENT \| 1.1 +\| 1.40`}, // GET /, as each command does
	{command: "availability-zone-list", request: "GET /v1/availability_zones", prints: "nova"},
	{command: "host-list", request: "GET /v1/hosts", prints: "here"},
	{command: "host-show here", request: "GET /v1/hosts/here", prints: "mem_total"},
	{command: "service-list", request: "GET /v1/services", prints: `here \| zun-compute \| up`},
	{command: "service-disable --reason maintenance here zun-compute", request: "PUT /v1/services/disable", prints: "maintenance"},
	{command: "service-enable here zun-compute", request: "PUT /v1/services/enable", prints: `disabled +\| False`},
	{command: "service-force-down here zun-compute", request: "PUT /v1/services/force_down", prints: `forced_down \| True`},
	{command: "service-force-down --unset here zun-compute", request: "PUT /v1/services/force_down", prints: `forced_down \| False`},
	{command: "quota-defaults p", request: "GET /v1/quotas/p/defaults", prints: `containers \| 40`},
	{command: "quota-update --containers 7 p", request: "PUT /v1/quotas/p", prints: `containers \| 7`},
	{command: "quota-get p", request: "GET /v1/quotas/p", prints: `containers \| 7`},
	{command: "quota-get --usages p", request: "GET /v1/quotas/p", prints: `containers \| 7 +\| 0`},
	{command: "quota-delete p", request: "DELETE /v1/quotas/p"},
	{command: "quota-class-update --containers 50 default", request: "PUT /v1/quota_classes/default", prints: `containers \| 50`},
	{command: "quota-class-get default", request: "GET /v1/quota_classes/default", prints: `containers \| 50`},
	{command: "registry-create --name private --username u --password secret --domain registry.example", request: "POST /v1/registries", prints: `password +\| \*\*\* `},
	{command: "registry-list", request: "GET /v1/registries", prints: `private \| registry.example \| u +\| \*\*\* `},
	{command: "registry-show private", request: "GET /v1/registries/private", prints: "registry.example"},
	{command: "registry-update --domain other.example private", request: "PATCH /v1/registries/private", prints: "other.example"},
	{command: "registry-delete private", request: "DELETE /v1/registries/private", prints: "accepted"},
}

var living = []step{
	{command: "create -n one --cpu 0.2 -m 64 --image-pull-policy ifnotpresent --restart no --label app=web -e WORD=hello {image}",
		request: "POST /v1/containers", prints: `memory +\| 64 `, until: "Created"},
	{command: "list --name one", request: "GET /v1/containers", prints: `one +\| capsulet/testprog:dev \| Created`},
	{command: "show one", request: "GET /v1/containers/one", prints: `name +\| one `},
	{command: "start one", request: "POST /v1/containers/one/start", prints: "accepted", until: "Running"},
	{command: "logs one", request: "GET /v1/containers/one/logs", prints: "sleeping"},
	{command: "exec one {program} env", request: "POST /v1/containers/one/execute", prints: "WORD=hello"},
	// The client falls over its own print, which is of Python 2.
	{command: "top one", request: "GET /v1/containers/one/top", prints: "TypeError: unsupported operand type"},
	{command: "stats one", request: "GET /v1/containers/one/stats", prints: `MEM LIMIT\(MiB\) \| 64`},
	{command: "cp {dir}/file one:/tmp", request: "POST /v1/containers/one/put_archive"},
	{command: "cp one:/tmp/file {dir}/back", request: "GET /v1/containers/one/get_archive"},
	{command: "pause one", request: "POST /v1/containers/one/pause", prints: "accepted", until: "Paused"},
	{command: "unpause one", request: "POST /v1/containers/one/unpause", prints: "accepted", until: "Running"},
	{command: "update --memory 128 one", request: "PATCH /v1/containers/one", prints: `memory +\| 128 `, until: "Running"},
	// Renaming and security groups went with microversions 1.14 and 1.15, and the client sends them with its newest nevertheless.
	{command: "rename one first", request: "POST /v1/containers/one/rename", prints: "NotAcceptable"},
	{command: "--zun-api-version 1.13 rename one first", request: "POST /v1/containers/one/rename", prints: "deprecated"},
	{command: "update --name one first", request: "PATCH /v1/containers/first", prints: `name +\| one `},
	{command: "add-security-group one default", request: "POST /v1/containers/one/add_security_group", prints: "failed.*HTTP 406"},
	{command: "--zun-api-version 1.14 add-security-group one default", request: "POST /v1/containers/one/add_security_group", prints: "accepted"},
	{command: "remove-security-group one default", request: "POST /v1/containers/one/remove_security_group", prints: "failed.*HTTP 406"},
	{command: "--zun-api-version 1.14 remove-security-group one default", request: "POST /v1/containers/one/remove_security_group", prints: "accepted"},
	{command: "network-list one", request: "GET /v1/containers/one/network_list", prints: `\d+\.\d+\.\d+\.\d+`},
	{command: "network-attach --network bridge one", request: "POST /v1/containers/one/network_attach", prints: "failed: Network 'bridge' is already connected"},
	{command: "network-detach --network bridge one", request: "POST /v1/containers/one/network_detach", prints: "accepted", until: "Running"},
	{command: "network-attach --network bridge one", request: "POST /v1/containers/one/network_attach", prints: "accepted", until: "Running"},
	{command: "restart -t 1 one", request: "POST /v1/containers/one/reboot", prints: "accepted", until: "Running"},
	{command: "stop -t 1 one", request: "POST /v1/containers/one/stop", prints: "accepted", until: "Stopped"},
	{command: "rebuild one", request: "POST /v1/containers/one/rebuild", prints: "accepted", until: "Created"},
	{command: "start one", request: "POST /v1/containers/one/start", prints: "accepted", until: "Running"},
	{command: "kill -s KILL one", request: "POST /v1/containers/one/kill", prints: "accepted", until: "Stopped"},
	{command: "commit one {commit}", request: "POST /v1/containers/one/commit", prints: `accepted. The image is (\S+)\.\n`, finds: "made"},
	{command: "action-list one", request: "GET /v1/containers/one/container_actions", prints: `(req-\S+) +\| commit`, finds: "action"},
	{command: "action-show one {action}", request: "GET /v1/containers/one/container_actions/{id}", prints: `action +\| commit`},
	{command: "delete one", request: "DELETE /v1/containers/one", prints: "accepted", until: "gone"},
	{command: "run -n one --image-pull-policy ifnotpresent {image}", request: "POST /v1/containers", prints: `name +\| one `, until: "Running"},
	{command: "delete -s one", request: "DELETE /v1/containers/one", prints: "accepted", until: "gone"},
}

var pulling = []step{
	{command: "image-list", request: "GET /v1/images", prints: "capsulet/testprog"},
	{command: "image-show {made}", request: "GET /v1/images/{id}", prints: `repo +\| capsulet/committed`},
	{command: "image-delete {made}", request: "DELETE /v1/images/{id}"},
	{command: "pull {image} here", request: "POST /v1/images", prints: `repo +\| capsulet/testprog`}, // accepted; no registry has it
	{command: "image-search {image}", request: "GET /v1/images/{image}/search", prints: "ID"},
}

var composing = []step{
	{command: "capsule-create -f {dir}/capsule.yaml", request: "POST /v1/capsules", prints: "accepted"},
	{command: "capsule-list", request: "GET /v1/capsules", prints: "pair"},
	{command: "capsule-describe pair", request: "GET /v1/capsules/pair", prints: "app.*web"},
	{command: "capsule-delete pair", request: "DELETE /v1/capsules/pair", prints: "accepted"},
	{command: "service-delete here zun-compute", request: "DELETE /v1/services", prints: "accepted"},
}

var ids = regexp.MustCompile(`(req-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// do does the steps in their order, and notes the names of their commands in done.
func (s *shell) do(requests *asked, found map[string]string, done map[string]bool, steps []step) {
	fill := func(text string) string {
		for name, value := range found {
			text = strings.ReplaceAll(text, "{"+name+"}", value)
		}
		return text
	}
	for _, one := range steps {
		args := strings.Split(fill(one.command), " ")
		requests.take()
		a := s.run(args...)
		said := a.Out + a.Err
		if got, want := ids.ReplaceAllString(requests.take(), "{id}"), fill(one.request); got != want {
			s.t.Errorf("zun %s asks %q, want %q", one.command, got, want)
		}
		if m := regexp.MustCompile(one.prints).FindStringSubmatch(said); m == nil {
			s.t.Errorf("zun %s printed\n%s\nwant %s", one.command, said, one.prints)
		} else if one.finds != "" {
			found[one.finds] = m[1]
		}
		if args[0] == "--zun-api-version" {
			args = args[2:]
		}
		done[args[0]] = true
		if one.until != "" {
			s.comesTo(one.until)
		}
	}
}

// comesTo waits for the status of the container one.
func (s *shell) comesTo(status string) {
	s.t.Helper()
	for deadline := time.Now().Add(slow); ; {
		a := s.run("show", "-f", "json", "one")
		var now struct {
			Status    string
			TaskState *string `json:"task_state"`
		}
		if a.Code != 0 && strings.Contains(a.Err, "could not be found") {
			now.Status = "gone"
		} else if err := json.Unmarshal([]byte(a.Out), &now); err != nil {
			s.t.Fatalf("zun show: %v\n%s%s", err, a.Out, a.Err)
		}
		if now.Status == status && now.TaskState == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the container is %s, want %s", now.Status, status)
		}
	}
}

// The command `zun`, which gets at nothing without a Keystone: every command of it that there is.
func TestZunCommand(t *testing.T) {
	s, requests := zun(t)
	dir := t.TempDir()
	for name, content := range map[string]string{"file": "there and back", "capsule.yaml": `
capsuleVersion: beta
kind: capsule
metadata: {name: pair, labels: {app: web}}
spec: {containers: [{image: ` + runtimetest.ImageRef + `, imagePullPolicy: ifnotpresent}]}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]string{"image": runtimetest.ImageRef, "commit": committed + uuid.NewString()[:8], "dir": dir, "program": runtimetest.Program}
	done := map[string]bool{"help": true, "bash-completion": true, "bash_completion": true} // ask the server nothing
	s.do(requests, found, done, slices.Concat(operating, living, pulling, composing))
	if b, err := os.ReadFile(filepath.Join(dir, "back", "file")); err != nil || string(b) != "there and back" {
		t.Errorf("copied back: %q, %v", b, err)
	}

	r := s.at("run", "-i", "-n", "one", "--image-pull-policy", "ifnotpresent", "--restart", "no", runtimetest.ImageRef, "terminal")
	r.sees("size 24 80\r\n")
	r.becomes(30, 90)
	r.sees("size 30 90\r\n")
	for _, command := range [][]string{{"attach", "one"}, {"exec", "-i", "one", runtimetest.Program, "terminal"}} {
		done[command[0]] = true
		r := s.at(command...)
		r.sees("size 24 80\r\n")
		r.becomes(40, 100)
		r.sees("size 40 100\r\n")
		r.types("hello\r")
		r.sees("answer to hello\r\n")
		r.leaves()
	}
	r.types("exit 0\r")
	r.ends(0)
	s.comesTo("Stopped")
	s.do(requests, found, done, []step{{command: "delete one", request: "DELETE /v1/containers/one", until: "gone"}})

	for _, word := range strings.Fields(s.run("bash-completion").Out) {
		if !strings.HasPrefix(word, "-") && !done[word] {
			t.Errorf("zun %s was not tried", word)
		}
	}
}
