package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestImages(t *testing.T) {
	w := newResourceful(t)
	w.hosts = []capsule.Host{{Name: "h1", UUID: "11111111-0000-0000-0000-000000000000", Up: true}, {Name: "h2", Up: true}}
	w.onHosts.images["h1"] = []capsule.Image{
		{ID: "sha256:a", Tags: []string{"busybox:latest", "busybox:1"}, SizeBytes: 1234},
		{ID: "sha256:b", Digests: []string{"reg.example:5000/team/app@sha256:bb"}}, {ID: "sha256:c"},
	}
	list := func() []string {
		t.Helper()
		var all []string
		for _, i := range w.get(200, "GET", "/v1/images/", "", at140(adminToken)...)["images"].([]any) {
			m := i.(map[string]any)
			all = append(all, fmt.Sprintf("%v %v %v %v %v", m["host"], m["repo"], m["tag"], m["status"], m["size"]))
		}
		return all
	}
	want := []string{"h1 busybox 1 available 1234", "h1 busybox latest available 1234", "h1 reg.example:5000/team/app sha256:bb available <nil>"}
	if got := list(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	w.get(201, "POST", "/v1/registries", `{"registry":{"domain":"reg.example","username":"u","password":"hush"}}`, at140(adminToken)...)
	for body, ref := range map[string]string{
		`{"repo":"reg.example/app:2","host":"h2"}`: "reg.example/app 2",
		`{"repo":"docker.io/library/alpine","host":"11111111-0000-0000-0000-000000000000","image_pull_policy":"IfNotPresent"}`: "alpine latest",
		`{"repo":"alpine","tag":"3","host":"h1","image_id":null,"size":"10m"}`:                                                 "alpine 3",
	} {
		got := w.get(202, "POST", "/v1/images/", body, at140(adminToken)...)
		if fmt.Sprintf("%v %v", got["repo"], got["tag"]) != ref || got["status"] != "pulling" || got["project_id"] != "admin" || got["image_id"] != nil {
			t.Errorf("%s: %v", body, got)
		}
	}
	if slices.Sort(w.onHosts.asked); !slices.Equal(w.onHosts.asked, []string{"h1", "h1", "h2"}) {
		t.Errorf("woken: %q", w.onHosts.asked)
	}
	var id string
	for key, i := range w.pulls.all {
		if i.Repo != "reg.example/app" {
			continue
		}
		if id = i.UUID; key != "h2/"+id || len(i.Credentials) != 1 || i.Credentials[0].Password != "hush" {
			t.Errorf("%s: %+v", key, i)
		}
		i.TriedAt, i.Failure = i.AskedAt, "manifest unknown"
		w.pulls.all[key] = i
	}
	got := w.get(200, "GET", "/v1/images/"+id, "", at140(adminToken)...)
	if got["status"] != "error" || got["status_reason"] != "manifest unknown" || strings.Contains(fmt.Sprint(got), "hush") {
		t.Errorf("%v", got)
	}
	w.get(204, "DELETE", "/v1/images/"+id, "", at140(adminToken)...)
	w.get(404, "GET", "/v1/images/"+id, "", at140(adminToken)...)

	w.onHosts.inUse = "busybox:1"
	w.refused(409, "conflict", "busybox:1 on host h1 is in use", "DELETE", "/v1/images/"+capsule.ImageUUID("h1", "busybox", "1"), "", adminToken)
	w.refused(400, "invalid-value", "The host h9 does not exist.", "POST", "/v1/images", `{"repo":"busybox","host":"h9"}`, adminToken)
	for body, says := range map[string]string{
		`{"repo":"busybox"}`:                                             "'host' is a required property",
		`{"repo":"Bad Name","host":"h1"}`:                                "'repo'",
		`{"repo":"busybox","host":"h1","image_pull_policy":"sometimes"}`: "is not one of",
		`{"repo":"busybox","host":"h1","colour":"red"}`:                  "colour",
	} {
		w.refused(400, "schema-validation-error", says, "POST", "/v1/images", body, adminToken)
	}
	w.refused(403, "policy-not-authorized", "image:get_all", "GET", "/v1/images", "", userToken)
	w.refused(403, "policy-not-authorized", "image:pull", "POST", "/v1/images", `{"repo":"busybox","host":"h1"}`, userToken)
}

func TestImageSearch(t *testing.T) {
	w := newResourceful(t)
	w.hosts = []capsule.Host{{Name: "h1", Up: true}, {Name: "h2", Up: true}}
	w.onHosts.images["h1"] = []capsule.Image{
		{ID: "sha256:a", Tags: []string{"busybox:latest"}, SizeBytes: 9}, {ID: "sha256:b", Tags: []string{"team/busybox:1"}}, {ID: "sha256:s", Tags: []string{"secret/busybox:1"}},
	}
	w.onHosts.images["h2"] = []capsule.Image{{ID: "sha256:a", Tags: []string{"busybox:1", "busybox:latest"}}}
	w.get(202, "POST", "/v1/capsules", strings.Replace(small, "web:1", "team/busybox:1", 1))
	w.get(202, "POST", "/v1/images", `{"repo":"busybox","host":"h2"}`, at140(adminToken)...) // what is there is there while it is pulled again
	for _, row := range []struct{ token, path, want string }{
		{adminToken, "busybox/search?image_driver=docker&exact_match=False", "busybox[1 latest] secret/busybox[1] team/busybox[1] "},
		{adminToken, "busybox/search?exact_match=True", "busybox[1 latest] "},
		{adminToken, "team/busybox/search?exact_match=true", "team/busybox[1] "},
		{adminToken, "team/busybox:2/search?exact_match=true", "team/busybox[1] "},
		{adminToken, "nginx/search", ""},
		{userToken, "busybox/search", "team/busybox[1] "},
		{otherToken, "busybox/search", ""},
	} {
		resp := w.do("GET", "/v1/images/"+row.path, "", at140(row.token)...)
		var found []view.ImageMatch
		if err := json.NewDecoder(resp.Body).Decode(&found); err != nil || resp.StatusCode != http.StatusOK || found == nil {
			t.Errorf("%s: %s, %v", row.path, resp.Status, err)
		}
		got := ""
		for _, m := range found {
			got += fmt.Sprintf("%s%v ", m.Name, m.Tags)
		}
		if got != row.want {
			t.Errorf("%s finds %q, want %q", row.path, got, row.want)
		}
	}
	w.refused(400, "schema-validation-error", "there is no Glance here", "GET", "/v1/images/busybox/search?image_driver=glance", "", userToken)
	w.refused(400, "schema-validation-error", "image", "GET", "/v1/images/x/search?image=busybox", "", userToken)
	w.refused(400, "invalid-value", "not a boolean", "GET", "/v1/images/x/search?exact_match=maybe", "", userToken)
}
