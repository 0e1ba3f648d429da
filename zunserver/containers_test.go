package zunserver_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// call sends a request in Zun's newest form as the administrator, and returns what was answered.
func (s *server) call(status int, method, path, body string) map[string]any {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/v1"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", s.srv.LocalToken())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("OpenStack-API-Version", "container 1.40")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		s.t.Fatalf("%s %s: %s, want %d: %s, %v", method, path, resp.Status, status, b, err)
	}
	m := map[string]any{}
	if len(b) > 0 && b[0] == '{' {
		if err := json.Unmarshal(b, &m); err != nil {
			s.t.Fatal(err)
		}
	}
	return m
}

// becomes waits until the container has a status and nothing is being done with it.
func (s *server) becomes(id, status string) map[string]any {
	s.t.Helper()
	var got map[string]any
	defer func() {
		if s.t.Failed() {
			s.t.Logf("it is %v", got)
		}
	}()
	s.until(status, func() bool {
		got = s.call(http.StatusOK, "GET", "/containers/"+id, "")
		return got["status"] == status && got["task_state"] == nil
	})
	return got
}

// A container of Zun's container API, through all that can be asked for, with the agent and a host in memory.
func TestLifeOfAContainer(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	s.until("a host", func() bool { return len(s.up()) == 1 })
	s.hosts["h1"].AddImage("other", fake.Behaviour{Stdout: []string{"another image"}})
	id := s.call(202, "POST", "/containers", `{"name":"c1","image":"app","image_pull_policy":"never","command":["sleep"],"host":"h1"}`)["uuid"].(string)
	s.becomes(id, "Created")
	if n := len(s.hosts["h1"].Running()); n != 1 {
		t.Errorf("only the sandbox runs yet: %v", s.hosts["h1"].Running())
	}
	s.call(409, "POST", "/containers/c1/stop", "")
	s.call(202, "POST", "/containers/c1/start", "")
	got := s.becomes(id, "Running")
	if got["host"] != "h1" || len(got["addresses"].(map[string]any)) != 1 || !strings.HasPrefix(got["status_detail"].(string), "Up ") {
		t.Errorf("%v", got)
	}
	s.call(202, "POST", "/containers/c1/pause", "")
	s.becomes(id, "Paused")
	s.call(202, "POST", "/containers/c1/unpause", "")
	s.becomes(id, "Running")
	if got := s.call(200, "POST", "/containers/c1/execute?command=true", ""); got["exit_code"] != 0.0 {
		t.Errorf("%v", got)
	}
	if got := s.call(200, "GET", "/containers/c1/top", ""); len(got["Titles"].([]any)) == 0 {
		t.Errorf("%v", got)
	}
	s.call(202, "POST", "/containers/c1/commit?repository=snapshot", "")
	s.finished(id, "commit")
	s.call(202, "POST", "/containers/c1/reboot?timeout=1", "")
	s.finished(id, "reboot")
	s.becomes(id, "Running")
	s.call(202, "POST", "/containers/c1/stop?timeout=1", "")
	s.becomes(id, "Stopped")
	s.call(202, "POST", "/containers/c1/rebuild?image=other", "")
	s.finished(id, "rebuild")
	if got := s.becomes(id, "Created"); got["image"] != "other" {
		t.Errorf("%v", got)
	}
	s.call(202, "POST", "/containers/c1/start", "")
	s.becomes(id, "Running")
	s.call(202, "POST", "/containers/c1/kill", "")
	s.becomes(id, "Stopped")
	if list := s.call(200, "GET", "/capsules?all_projects=1", "")["capsules"].([]any); len(list) != 0 {
		t.Errorf("a container among the capsules: %v", list)
	}
	s.call(204, "DELETE", "/containers/c1", "")
	s.until("gone", func() bool { return s.status("/containers/"+id) == http.StatusNotFound })
	if left := s.hosts["h1"].Containers(); len(left) > 0 {
		t.Errorf("left on the host: %v", left)
	}
}

// The owner's last word goes before the restart policy: kill with the signal that stops it is one, kill with another signal is not.
func TestKillWithARestartPolicy(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	id := s.call(202, "POST", "/containers?run=true", `{"name":"c1","image":"app","image_pull_policy":"never","restart_policy":{"Name":"always"}}`)["uuid"].(string)
	s.becomes(id, "Running")
	started := func() (at time.Time) {
		for _, c := range s.hosts["h1"].Containers() {
			if c.Identity.Container != "" {
				at = c.StartedAt
			}
		}
		return at
	}
	first := started()
	s.call(202, "POST", "/containers/c1/kill?signal=HUP", "") // is taken
	s.finished(id, "kill")
	s.call(202, "POST", "/containers/c1/kill?signal=INT", "") // ends it
	s.until("it was started again", func() bool { return started().After(first) })
	s.becomes(id, "Running")
	s.call(202, "POST", "/containers/c1/kill?signal=TERM", "")
	s.becomes(id, "Stopped")
	s.call(202, "POST", "/containers/c1/start", "")
	s.becomes(id, "Running")
	s.call(204, "DELETE", "/containers/c1?stop=true", "")
	s.until("gone", func() bool { return s.status("/containers/"+id) == http.StatusNotFound })
}

// finished waits until the newest action of this name is, and has not failed.
func (s *server) finished(id, name string) {
	s.t.Helper()
	var last any
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the last one is %v", last)
		}
	}()
	s.until(name+" finished", func() bool {
		for _, one := range s.call(200, "GET", "/containers/"+id+"/container_actions", "")["containerActions"].([]any) {
			a := one.(map[string]any)
			if last = a; a["action"] == name && a["finish_time"] != nil {
				if a["message"] != nil {
					s.t.Fatalf("%v", a)
				}
				return true
			}
		}
		return false
	})
}

func (s *server) status(path string) int {
	s.t.Helper()
	return s.do(http.MethodGet, "/v1"+path, s.srv.LocalToken(), nil)
}

// Containers come into a sandbox and leave it, one by one.
func TestContainersInASandbox(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	box := s.call(202, "POST", "/sandboxes", `{"name":"box"}`)["uuid"].(string)
	s.until("the sandbox runs", func() bool { return s.call(200, "GET", "/sandboxes/box", "")["status"] == capsule.StatusRunning })
	var ids []string
	for n := range 2 {
		body := fmt.Sprintf(`{"name":"c%d","image":"app","image_pull_policy":"never","sandbox":"box"}`, n)
		ids = append(ids, s.call(202, "POST", "/containers?run=true", body)["uuid"].(string))
		s.becomes(ids[n], "Running")
	}
	s.call(409, "DELETE", "/sandboxes/box", "")
	s.call(202, "POST", "/containers/c0/stop?timeout=0", "")
	s.becomes(ids[0], "Stopped")
	s.becomes(ids[1], "Running")
	s.call(204, "DELETE", "/containers/c0", "")
	s.call(204, "DELETE", "/containers/c1?stop=true", "")
	s.until("only the sandbox is left", func() bool { return len(s.hosts["h1"].Containers()) == 1 })
	s.call(204, "DELETE", "/sandboxes/"+box, "")
	s.until("gone", func() bool {
		return s.status("/sandboxes/"+box) == http.StatusNotFound && len(s.hosts["h1"].Containers()) == 0
	})
}

// A container that is made inside of a capsule shares its sandbox, is its owner's to stop, start and delete, and goes with the capsule.
func TestContainersInACapsule(t *testing.T) {
	t.Parallel()
	s := newServer(t, "h1")
	web := s.call(202, "POST", "/capsules", `{"template":{"kind":"capsule","metadata":{"name":"web"},"spec":{"containers":[{"name":"web","image":"app","imagePullPolicy":"never"}]}}}`)["uuid"].(string)
	capsuleIs := func(status string) map[string]any {
		t.Helper()
		var got map[string]any
		s.until("the capsule is "+status, func() bool { got = s.call(200, "GET", "/capsules/web", ""); return got["status"] == status })
		return got
	}
	capsuleIs("Running")
	s.call(400, "POST", "/containers?run=true", `{"name":"lost","image":"app","capsule":"nowhere"}`)
	s.call(400, "POST", "/containers?run=true", `{"name":"lost","image":"app","capsule":"web","hostname":"own"}`)
	id := s.call(202, "POST", "/containers?run=true", `{"name":"side","image":"app","image_pull_policy":"never","capsule":"web"}`)["uuid"].(string)
	if got := s.becomes(id, "Running"); got["name"] != "side" {
		t.Errorf("%v", got)
	}
	if inner := capsuleIs("Running")["containers"].([]any); len(inner) != 2 || inner[1].(map[string]any)["uuid"] != id {
		t.Errorf("%v", inner)
	}
	if n := len(s.hosts["h1"].Running()); n != 3 {
		t.Errorf("%d run, want the sandbox and two: %v", n, s.hosts["h1"].Running())
	}
	if list := s.call(200, "GET", "/containers", "")["containers"].([]any); len(list) != 1 {
		t.Errorf("%v", list)
	}
	s.call(202, "POST", "/containers/side/stop?timeout=0", "")
	s.becomes(id, "Stopped")
	capsuleIs("Running")
	// What changes in place leaves it alone; an upgrade would end it.
	const labelled = `{"template":{"kind":"capsule","metadata":{"name":"web","labels":{"a":"b"}},"spec":{"containers":[{"name":"web","image":"app","imagePullPolicy":"never"}]}}}`
	if got := s.call(200, "PATCH", "/capsules/web", labelled); len(got["containers"].([]any)) != 2 || got["labels"].(map[string]any)["a"] != "b" {
		t.Errorf("%v", got)
	}
	s.call(409, "PATCH", "/capsules/web", strings.Replace(labelled, `"image":"app"`, `"image":"other"`, 1))
	s.call(202, "POST", "/containers/side/start", "")
	s.becomes(id, "Running")
	s.call(409, "POST", "/containers/"+s.call(200, "GET", "/capsules/web", "")["containers"].([]any)[0].(map[string]any)["uuid"].(string)+"/stop", "")
	s.call(204, "DELETE", "/containers/side?stop=true", "")
	s.until("it is gone", func() bool {
		return s.status("/containers/"+id) == http.StatusNotFound && len(s.hosts["h1"].Containers()) == 2
	})
	capsuleIs("Running")
	again := s.call(202, "POST", "/containers?run=true", `{"name":"again","image":"app","image_pull_policy":"never","capsule":"`+web+`"}`)["uuid"].(string)
	s.becomes(again, "Running")
	s.call(204, "DELETE", "/capsules/web", "")
	s.until("all is gone", func() bool {
		return s.status("/capsules/"+web) == http.StatusNotFound && s.status("/containers/"+again) == http.StatusNotFound && len(s.hosts["h1"].Containers()) == 0
	})
}
