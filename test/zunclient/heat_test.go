package zunclient

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

// stacks is Heat's engine, with one stack.
type stacks struct {
	t     *testing.T
	apply func(template map[string]any) stackState
}

type stackState struct {
	Status, Reason string
	Shown          map[string]any
}

func heat(t *testing.T, url string) stacks {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, "-W", "ignore", "heat_driver.py", url, adminToken)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr, cmd.WaitDelay = t.Output(), 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	answers := bufio.NewReader(out)
	return stacks{t, func(template map[string]any) (s stackState) {
		t.Helper()
		line, err := json.Marshal(template)
		if err != nil {
			t.Fatal(err)
		}
		watchdog := time.AfterFunc(slow, func() { _ = in.Close(); _ = cmd.Cancel() })
		defer watchdog.Stop()
		if _, err := in.Write(append(line, '\n')); err != nil {
			t.Fatal(err)
		}
		reply, err := answers.ReadBytes('\n')
		if err != nil {
			t.Fatalf("Heat is gone (make tools installs it): %v", err)
		}
		if err := json.Unmarshal(reply, &s); err != nil {
			t.Fatalf("%v: %s", err, reply)
		}
		return s
	}}
}

// A stack of Heat's OS::Zun::Container comes, changes and goes, and what is wrong with a container is the stack's reason.
func TestHeat(t *testing.T) {
	url := serve(t, func(c *zunserver.Config) { c.Templates.Sized = template.Local }, func(h http.Handler) http.Handler { return h })
	h := heat(t, url)
	s := newShell(t, "openstack", login(url)...)
	properties := map[string]any{
		"name": "one", "image": runtimetest.ImageRef, "command": "sleep", "cpu": 0.2, "memory": 64,
		"environment": map[string]any{"A": "b"}, "workdir": "/tmp", "labels": map[string]any{"app": "web"}, "image_pull_policy": "ifnotpresent",
		"restart_policy": "on-failure:2", "interactive": true, "tty": false, "image_driver": "docker", "hints": map[string]any{"foo": "bar"},
		"hostname": "box", "security_groups": []string{"default"},
		"mounts": []any{map[string]any{"volume_size": 1, "mount_path": "/data"}},
	}
	stack := map[string]any{
		"heat_template_version": "2018-08-31",
		"resources":             map[string]any{"container": map[string]any{"type": "OS::Zun::Container", "properties": properties}},
	}
	if got := h.apply(stack); got.Status != "CREATE_COMPLETE" || got.Shown["name"] != "one" || len(got.Shown["addresses"].(map[string]any)) != 1 {
		t.Fatalf("%+v", got)
	}
	if one := s.show("one"); one["status"] != "Running" || one["hostname"] != "box" || one["memory"] != "64" {
		t.Errorf("%v", one)
	}
	properties["name"], properties["memory"], properties["cpu"] = "two", 128, 0.5
	if got := h.apply(stack); got.Status != "UPDATE_COMPLETE" || got.Shown["name"] != "two" {
		t.Fatalf("%+v", got)
	}
	if two := s.until("two", "Running"); two["memory"] != "128" || two["cpu"] != 0.5 {
		t.Errorf("%v", two)
	}
	// It makes another container of that. (One that starts and ends at once is in order for Heat if it sees it in between.)
	properties["image"], properties["image_pull_policy"] = "capsulet/nowhere:1", "never"
	if got := h.apply(stack); got.Status != "UPDATE_FAILED" || !strings.Contains(got.Reason, "capsulet/nowhere:1") {
		t.Errorf("%+v", got)
	}
	if got := h.apply(nil); got.Status != "DELETE_COMPLETE" {
		t.Errorf("%+v", got)
	}
	s.until("two", "")
}
