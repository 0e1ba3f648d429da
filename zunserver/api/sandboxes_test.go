package api_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// A container of a capsule can be looked into, and no more.
func TestContainersOfCapsules(t *testing.T) {
	w := newWorld(t)
	made := w.get(202, "POST", "/v1/capsules", small, "OpenStack-API-Version", newest)
	inner := made["containers"].([]any)[0].(map[string]any)["uuid"].(string)
	if got := w.get(200, "GET", "/v1/containers/"+inner, ""); got["uuid"] != inner || got["links"] != nil {
		t.Errorf("%v", got)
	}
	w.get(404, "GET", "/v1/containers/web", "")
	for _, in := range []string{"web", made["uuid"].(string)} { // the capsule's name and its UUID
		w.get(404, "GET", "/v1/containers/web?capsule="+in, "", "X-Auth-Token", otherToken)
		if got := w.get(200, "GET", "/v1/containers/web?capsule="+in, ""); got["uuid"] != inner {
			t.Errorf("by its name in %s: %v", in, got)
		}
		if got := w.get(200, "GET", "/v1/containers?capsule="+in, "")["containers"].([]any); len(got) != 1 || got[0].(map[string]any)["uuid"] != inner {
			t.Errorf("those of %s: %v", in, got)
		}
		if got := w.get(200, "GET", "/v1/containers?name=db&capsule="+in, "")["containers"].([]any); len(got) != 0 {
			t.Errorf("those of another name: %v", got)
		}
	}
	w.get(404, "GET", "/v1/containers/web?capsule=another", "")
	w.get(404, "GET", "/v1/containers/"+inner+"?capsule=another", "")
	w.get(404, "GET", "/v1/containers/"+made["uuid"].(string), "")
	w.get(404, "GET", "/v1/containers/"+inner, "", "X-Auth-Token", otherToken)
	for _, row := range [][2]string{{"POST", "/start"}, {"POST", "/stop"}, {"POST", "/reboot"}, {"POST", "/pause"}, {"POST", "/unpause"}, {"POST", "/rebuild"}, {"DELETE", ""}, {"PATCH", ""}, {"POST", "/rename?name=xx"}} {
		got := fmt.Sprint(w.get(409, row[0], "/v1/containers/"+inner+row[1], ""))
		if !strings.Contains(got, "it belongs to capsule "+made["uuid"].(string)) {
			t.Errorf("%v: %s", row, got)
		}
	}
	w.get(409, "POST", "/v1/containers/web/start?capsule=web", "")
	w.is(made["uuid"].(string), "Running")
	if got := w.get(200, "PATCH", "/v1/containers/web?capsule=web", `{"memory":"256","cpu":0.5}`); got["memory"] != "256" || got["cpu"] != 0.5 {
		t.Errorf("updated: %v", got)
	}
	if r := w.all[made["uuid"].(string)].Spec.Containers[0].Resources; r.Requests.Memory().String() != "256Mi" {
		t.Errorf("%+v", r)
	}
	w.get(400, "PATCH", "/v1/containers/web?capsule=web", `{"name":"other"}`)
	w.get(202, "PATCH", "/v1/capsules/web", strings.Replace(small, "web:1", "web:2", 1))
	w.get(409, "PATCH", "/v1/containers/web?capsule=web", `{"memory":"512"}`) // the new revision would know nothing of it
	if got := w.get(200, "GET", "/v1/containers", ""); len(got["containers"].([]any)) != 0 {
		t.Errorf("%v", got)
	}
}

func TestSandboxes(t *testing.T) {
	w := newWorld(t)
	made := w.get(202, "POST", "/v1/sandboxes", `{"name":"box","labels":{"a":"b"}}`)
	box := made["uuid"].(string)
	if one := w.all[box]; one.Kind != capsule.KindSandbox || len(one.Spec.Containers) != 0 || made["name"] != "box" {
		t.Errorf("%+v", one)
	}
	ids := []string{w.container(`"name":"same","sandbox":"box"`), w.container(`"name":"same","sandbox":"` + box + `"`)}
	one := w.all[box]
	if len(w.all) != 1 || len(one.Spec.Containers) != 2 || one.Spec.Containers[0].Name == one.Spec.Containers[1].Name || len(one.Standalone) != 2 {
		t.Fatalf("%+v", one)
	}
	got := w.get(200, "GET", "/v1/sandboxes/box", "")
	if list := got["containers"].([]any); len(list) != 2 || list[1].(map[string]any)["uuid"] != ids[1] {
		t.Errorf("%v", got)
	}
	if got := w.get(200, "GET", "/v1/containers/"+ids[1], ""); got["name"] != "same" {
		t.Errorf("%v", got)
	}
	if got := w.get(200, "GET", "/v1/sandboxes", ""); len(got["sandboxes"].([]any)) != 1 || got["next"] != nil {
		t.Errorf("%v", got)
	}
	w.get(409, "GET", "/v1/containers/same", "")
	w.get(404, "GET", "/v1/sandboxes/box", "", "X-Auth-Token", otherToken)
	w.get(404, "GET", "/v1/capsules/"+box, "")
	w.get(403, "GET", "/v1/sandboxes?all_projects=1", "")
	w.get(400, "POST", "/v1/sandboxes", `{"moon":1}`)
	w.get(403, "POST", "/v1/sandboxes", `{"runtime":"runc"}`)
	for _, id := range ids {
		if got := fmt.Sprint(w.get(409, "DELETE", "/v1/sandboxes/box", "")); !strings.Contains(got, "delete them first") {
			t.Error(got)
		}
		w.get(204, "DELETE", "/v1/containers/"+id+"?force=true", "", "X-Auth-Token", adminToken, "OpenStack-API-Version", newest)
	}
	if one := w.all[box]; len(one.Spec.Containers)+len(one.Standalone)+len(one.Spec.Volumes) != 0 {
		t.Errorf("left: %+v", one)
	}
	w.get(204, "DELETE", "/v1/sandboxes/box", "")
	if slices.Collect(maps.Values(w.all))[0].Deletion == nil {
		t.Error("it stays")
	}
}
