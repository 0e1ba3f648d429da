package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRegistries(t *testing.T) {
	w := newResourceful(t)
	made := w.get(201, "POST", "/v1/registries", `{"registry":{"name":"r1","domain":"reg.example:5000","username":"u","password":"hush"}}`, at140(userToken)...)
	one := made["registry"].(map[string]any)
	id := one["uuid"].(string)
	if one["password"] != "***" || one["project_id"] != "p1" || one["user_id"] != "u1" || one["domain"] != "reg.example:5000" || len(one["links"].([]any)) != 2 {
		t.Errorf("%v", made)
	}
	for _, path := range []string{"/v1/registries/r1", "/v1/registries/" + id} {
		if got := w.get(200, "GET", path, "", at140(userToken)...); got["registry"].(map[string]any)["uuid"] != id || strings.Contains(fmt.Sprint(got), "hush") {
			t.Errorf("%s: %v", path, got)
		}
		w.refused(404, "registry-not-found", "could not be found", "GET", path, "", otherToken)
		w.refused(404, "registry-not-found", "could not be found", "DELETE", path, "", otherToken)
		w.get(200, "GET", path, "", at140(adminToken)...)
	}
	w.get(200, "GET", "/v1/registries", "", "OpenStack-API-Version", "container 1.1", "X-Auth-Token", userToken) // Zun gates none of it
	w.get(201, "POST", "/v1/registries", `{"registry":{"domain":"other.example"}}`, at140(otherToken)...)
	for query, want := range map[string]int{"": 1, "?name=r1": 1, "?name=r2": 0, "?domain=reg.example:5000&username=u": 1, "?username=x": 0} {
		if got := w.get(200, "GET", "/v1/registries"+query, "", at140(userToken)...); len(got["registries"].([]any)) != want || got["next"] != nil {
			t.Errorf("%s: %v", query, got)
		}
	}
	if got := w.get(200, "GET", "/v1/registries?all_projects=1&project_id=p2", "", at140(adminToken)...); len(got["registries"].([]any)) != 1 {
		t.Errorf("all projects: %v", got)
	}
	w.refused(403, "policy-not-authorized", "registry:get_all_all_projects", "GET", "/v1/registries?all_projects=1", "", userToken)
	w.refused(400, "invalid-value", "Unknown parameters: colour", "GET", "/v1/registries?colour=red", "", userToken)

	changed := w.get(200, "PATCH", "/v1/registries/r1", `{"registry":{"name":"r2","password":"quiet"}}`, at140(userToken)...)
	if changed["registry"].(map[string]any)["name"] != "r2" || strings.Contains(fmt.Sprint(changed), "quiet") {
		t.Errorf("%v", changed)
	}
	for _, r := range w.registries.all {
		if r.UUID == id && (r.Password != "quiet" || r.Username != "u") {
			t.Errorf("stored: %+v", r.Credential())
		}
	}
	for body, says := range map[string]string{
		`{"registry":{"name":"rr"}}`:                      "'domain' is a required property",
		`{}`:                                              "'registry' is a required property",
		`{"registry":{"domain":""}}`:                      "'domain'",
		`{"registry":{"domain":"d","name":"-"}}`:          "'name'",
		`{"registry":{"domain":"d","password":""}}`:       "'password'",
		`{"registry":{"domain":"d","colour":"red"}}`:      "colour",
		`{"registry":{"domain":1}}`:                       "number",
		`{"registry":{"domain":"d","password":["hush"]}}`: "array",
	} {
		w.refused(400, "schema-validation-error", says, "POST", "/v1/registries", body, userToken)
	}
	w.get(204, "DELETE", "/v1/registries/r2", "", at140(userToken)...)
	w.refused(404, "registry-not-found", "r2", "GET", "/v1/registries/r2", "", userToken)
}

// A capsule gets the logins of its own project for the registries that its images come from, after those that came with it.
func TestLoginsOfCapsules(t *testing.T) {
	w := newResourceful(t)
	for token, body := range map[string]string{
		userToken:  `{"registry":{"domain":"https://reg.example:5000/v2","username":"u","password":"hush"}}`,
		otherToken: `{"registry":{"domain":"reg.example:5000","username":"theirs","password":"theirs"}}`,
	} {
		w.get(201, "POST", "/v1/registries", body, at140(token)...)
	}
	w.get(201, "POST", "/v1/registries", `{"registry":{"domain":"index.docker.io","username":"hub","password":"hush"}}`, at140(userToken)...)
	body := `{"template":{"kind":"capsule","metadata":{"name":"web"},"spec":{"containers":[
		{"name":"a","image":"reg.example:5000/a:1","pullCredentials":[{"server":"reg.example:5000","username":"given","password":"p"}]},
		{"name":"b","image":"busybox"},{"name":"c","image":"elsewhere.example/c"}]}}}`
	answer := w.get(202, "POST", "/v1/capsules", body, "Accept", nativeType)
	if strings.Contains(fmt.Sprint(answer), "hush") {
		t.Errorf("shown: %v", answer)
	}
	var got []string
	for _, cs := range w.all[answer["uuid"].(string)].Spec.Containers {
		for _, l := range cs.PullCredentials {
			got = append(got, cs.Name+" "+l.Server+" "+l.Username)
		}
	}
	if want := []string{"a reg.example:5000 given", "a reg.example:5000 u", "b docker.io hub"}; !slices.Equal(got, want) {
		t.Errorf("logins %q, want %q", got, want)
	}
}
