package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// successor is the record of the capsule's next revision.
func (w *world) successor(id string) *capsule.Capsule {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.all[id].Upgrade
	if u == nil {
		return nil
	}
	return w.all[u.Successor]
}

func TestUpgradeIsAskedFor(t *testing.T) {
	const id = "11111111-2222-3333-4444-555555555555"
	const first = `{"template":{"kind":"capsule","metadata":{"name":"web","uid":"` + id + `"},"spec":{
		"containers":[{"name":"a","image":"x:1","env":[{"name":"P","value":"hush","sensitive":true}]}]}}}`
	second := strings.NewReplacer("x:1", "x:2", "hush", "***").Replace(first)
	third := strings.Replace(first, "x:1", "x:3", 1)
	w := newWorld(t)
	w.get(202, "POST", "/v1/capsules", first)

	answer := fmt.Sprint(w.get(202, "PATCH", "/v1/capsules/web?timeout=90", second))
	if !strings.Contains(answer, "upgrade under way since") || strings.Contains(answer, "x:2") {
		t.Errorf("answer %s", answer)
	}
	mine, next := w.all[id], w.successor(id)
	if next == nil || next.Kind != capsule.KindSuccessor || next.Of != id || next.Project != "p1" || next.Spec.Containers[0].Image != "x:2" ||
		next.Spec.Containers[0].Env[0].Value != "hush" || next.Spec.Containers[0].UUID != mine.Spec.Containers[0].UUID {
		t.Fatalf("next %+v", next)
	}
	if mine.Spec.Containers[0].Image != "x:1" || mine.Upgrade.Deadline.Sub(mine.Upgrade.Since) != 90*time.Second || len(mine.Upgrade.Hash) != 16 {
		t.Errorf("mine %+v", mine)
	}

	t.Run("nobody sees the successor", func(t *testing.T) {
		for _, as := range []string{userToken, adminToken} {
			w.get(404, "GET", "/v1/capsules/"+next.UUID, "", "X-Auth-Token", as)
			w.get(404, "DELETE", "/v1/capsules/"+next.UUID, "", "X-Auth-Token", as)
			list := w.get(200, "GET", "/v1/capsules", "", "X-Auth-Token", userToken)
			if len(list["capsules"].([]any)) != 1 {
				t.Errorf("list %v", list)
			}
		}
		if one := w.get(200, "GET", "/v1/capsules/web", ""); one["uuid"] != id {
			t.Errorf("by name %v", one)
		}
		all := w.get(200, "GET", "/v1/capsules?all_projects=true", "", "X-Auth-Token", adminToken)
		if len(all["capsules"].([]any)) != 1 {
			t.Errorf("all %v", all)
		}
	})
	t.Run("the same again goes on", func(t *testing.T) {
		w.get(202, "PATCH", "/v1/capsules/web", strings.Replace(second, `"spec":`, `"spec":`, 1))
		w.get(202, "PATCH", "/v1/capsules/web", strings.Replace(second, `{"name":"web"`, `{"labels":{"a":"b"},"name":"web"`, 1))
		if now := w.successor(id); now == nil || now.UUID != next.UUID || now.Spec.Labels["a"] != "b" {
			t.Errorf("next %+v", now)
		}
	})
	t.Run("another one replaces it", func(t *testing.T) {
		w.get(202, "PATCH", "/v1/capsules/web", third)
		if now := w.successor(id); now == nil || now.UUID == next.UUID || now.Spec.Containers[0].Image != "x:3" {
			t.Errorf("next %+v", now)
		}
	})
	t.Run("what is there calls it off", func(t *testing.T) {
		answer := w.get(200, "PATCH", "/v1/capsules/web", first, "Accept", nativeType)
		if w.all[id].Upgrade != nil || answer["upgrade"] != nil {
			t.Errorf("%v", answer)
		}
	})
}

func TestUpgradeRefusals(t *testing.T) {
	w := newWorld(t)
	w.get(202, "POST", "/v1/capsules", small)
	other := strings.Replace(small, "web:1", "web:2", 1)
	for _, row := range []struct {
		name, query, body string
		status            int
		says              string
	}{
		{"not wanted", "?upgrade=false", strings.Replace(other, `"name":"web",`, `"name":"web","workDir":"/w",`, 1), 400, "template.spec.containers[0].workDir cannot be changed while the capsule lives"},
		{"another name", "", strings.Replace(other, `"name":"web"}`, `"name":"wob"}`, 1), 400, "template.metadata.name cannot be changed"},
		{"power over the host", "", strings.Replace(other, `"spec":{`, `"spec":{"hostPID":true,`, 1), 403, "capsule:create:hostPID"},
		{"a deadline of nothing", "?timeout=0", other, 400, "timeout"},
		{"a deadline of years", "?timeout=99999999", other, 400, "timeout"},
		{"neither yes nor no", "?upgrade=perhaps", other, 400, "upgrade"},
	} {
		if answer := fmt.Sprint(w.get(row.status, "PATCH", "/v1/capsules/web"+row.query, row.body)); !strings.Contains(answer, row.says) {
			t.Errorf("%s: %s, want %q", row.name, answer, row.says)
		}
		for _, c := range w.all {
			if c.Upgrade != nil || len(w.all) != 1 || c.Spec.Containers[0].Image != "web:1" {
				t.Errorf("%s: something was changed: %+v", row.name, c)
			}
		}
	}
}
