package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

const nativeType = "application/vnd.capsulet+json"

func TestCapsuleFromBirthToDeletion(t *testing.T) {
	w := newWorld(t)
	resp := w.do("POST", "/v1/capsules/", small, "OpenStack-API-Version", "container 1.40")
	id := strings.TrimPrefix(resp.Header.Get("Location"), w.url+"/v1/capsules/")
	if _, err := uuid.Parse(id); resp.StatusCode != http.StatusAccepted || err != nil {
		t.Fatalf("%s, Location %q", resp.Status, resp.Header.Get("Location"))
	}
	for _, h := range []string{"X-Openstack-Request-Id", "OpenStack-API-Version", "OpenStack-API-Minimum-Version", "Vary"} {
		if resp.Header.Get(h) == "" {
			t.Errorf("no header %s", h)
		}
	}
	for _, path := range []string{"/v1/capsules/" + id, "/capsules//" + id, "/v1/capsules/web", "/v1//capsules/web/", "/v1/capsules/" + strings.ToUpper(id)} {
		got := w.get(200, "GET", path, "", "OpenStack-API-Version", "container 1.32")
		if got["uuid"] != id || got["name"] != "web" || got["status"] != "Creating" || got["project_id"] != "p1" {
			t.Errorf("%s: %v", path, got)
		}
		if _, shown := got["host"]; shown {
			t.Error("the host is shown to a user")
		}
	}
	if got := w.get(200, "GET", "/v1/capsules/"+id, "", "X-Auth-Token", adminToken); got["meta_name"] != "web" || got["host"] != nil {
		t.Errorf("1.1 by the administrator: %v", got)
	}
	w.get(404, "GET", "/v1/capsules/"+id, "", "X-Auth-Token", otherToken)
	w.get(404, "DELETE", "/v1/capsules/web", "", "X-Auth-Token", otherToken)
	if head := w.do("HEAD", "/v1/capsules/"+id, ""); head.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %s", head.Status)
	}
	w.get(204, "DELETE", "/v1/capsules/web?grace_period=3&force=true", "")
	if d := w.all[id].Deletion; d == nil || d.GraceSeconds != 3 || !d.Force {
		t.Errorf("deletion %+v", d)
	}
	if got := w.get(200, "GET", "/v1/capsules/web", "", "OpenStack-API-Version", "container latest"); got["status"] != "Deleting" {
		t.Errorf("status %v", got["status"])
	}
}

func TestNativeForm(t *testing.T) {
	w := newWorld(t)
	const id = "11111111-2222-3333-4444-555555555555"
	body := strings.Replace(small, `{"name":"web"}`, `{"name":"web","uid":"`+id+`"}`, 1)
	got := w.get(202, "POST", "/v1/capsules", body, "Accept", nativeType)
	if got["uuid"] != id || got["revision"] != 1.0 || got["spec"].(map[string]any)["name"] != "web" {
		t.Errorf("%v", got)
	}
	w.get(409, "POST", "/v1/capsules", body)
	if got := w.get(200, "GET", "/v1/capsules", "", "Accept", nativeType); got["revision"] != 1.0 || len(got["capsules"].([]any)) != 1 {
		t.Errorf("%v", got)
	}
	w.hosts = []capsule.Host{{UUID: "h", Name: "vm"}}
	if got := w.get(200, "GET", "/v1/hosts", "", "Accept", nativeType, "X-Auth-Token", adminToken); got["revision"] != 3.0 {
		t.Errorf("%v", got)
	}
	for _, path := range []string{"/v1/hosts/vm", "/v1/hosts/h"} {
		if got := w.get(200, "GET", path, "", "X-Auth-Token", adminToken, "OpenStack-API-Version", "container 1.4"); got["hostname"] != "vm" {
			t.Errorf("%v", got)
		}
	}
}

func TestUpdate(t *testing.T) {
	const id = "11111111-2222-3333-4444-555555555555"
	const base = `{"template":{"kind":"capsule","metadata":{"name":"web","uid":"` + id + `","annotations":{"capsulet.io/node":"n"}},"spec":{
		"containers":[{"name":"a","image":"x","env":[{"name":"P","value":"hush","sensitive":true}]}],
		"volumes":[{"name":"v","files":{"sensitive":true,"items":[{"path":"f","content":"QQ=="}]}}]}}}`
	for _, row := range []struct {
		name, old, new string
		status         int
		says           string
	}{
		{"nothing", "", "", 200, ""},
		{"a file", "QQ==", "Qg==", 200, ""},
		{"a masked value stays", "hush", "***", 200, ""},
		{"a hidden file stays", `,"content":"QQ=="`, "", 200, ""},
		{"an annotation", `"n"}`, `"n","note":"x"}`, 200, ""},
		{"no UUID", `"uid":"` + id + `",`, "", 200, ""},
		{"another UUID", id, "21111111-2222-3333-4444-555555555555", 400, "metadata.uid"},
		{"the image", `"x"`, `"y"`, 200, "definition:1"},
		{"a definition, which is the server's", `"image":"x"`, `"image":"x","definition":7`, 200, ""},
		{"the command", `"image":"x"`, `"image":"x","command":["y"]`, 400, "template.spec.containers[0].command cannot be changed while the capsule lives"},
		{"whose it is", `"n"}`, `"m"}`, 400, "template.metadata.annotations.capsulet.io/node"},
		{"a field nobody knows", `"image":"x"`, `"image":"x","moon":1`, 400, "moon"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.get(202, "POST", "/v1/capsules", base)
			before := w.all[id].Spec
			answer := w.get(row.status, "PATCH", "/v1/capsules/web?upgrade=false", strings.Replace(base, row.old, row.new, 1), "Accept", nativeType)
			if text := fmt.Sprint(answer); !strings.Contains(text, row.says) || strings.Contains(text, "hush") {
				t.Errorf("answer %v", answer)
			}
			after := w.all[id].Spec
			if after.Containers[0].Env[0].Value != "hush" || after.Containers[0].UUID == "" || len(after.Volumes[0].Files.Items[0].Content) != 1 {
				t.Errorf("lost: %+v", after)
			}
			if changed := string(after.Volumes[0].Files.Items[0].Content) != string(before.Volumes[0].Files.Items[0].Content); changed != (row.name == "a file") {
				t.Errorf("the file is %q", after.Volumes[0].Files.Items[0].Content)
			}
		})
	}
	w := newWorld(t)
	w.get(202, "POST", "/v1/capsules", base)
	w.get(404, "PATCH", "/v1/capsules/web", base, "X-Auth-Token", otherToken)
	w.get(204, "DELETE", "/v1/capsules/web", "")
	w.get(409, "PATCH", "/v1/capsules/web", base)
	w.get(404, "PATCH", "/v1/capsules/none", base)
}

func TestListPages(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.get(202, "POST", "/v1/capsules", named(fmt.Sprintf("c%d", i)))
	}
	w.get(202, "POST", "/v1/capsules", named("other"), "X-Auth-Token", otherToken)
	names := func(path string, headers ...string) (all string, pages int) {
		for path != "" {
			got := w.get(200, "GET", path, "", headers...)
			for _, c := range got["capsules"].([]any) {
				all += c.(map[string]any)["meta_name"].(string) + " "
			}
			next, _ := got["next"].(string)
			path = strings.TrimPrefix(next, w.url)
			pages++
		}
		return all, pages
	}
	if all, pages := names("/v1/capsules/?limit=2"); all != "c0 c1 c2 c3 c4 " || pages != 3 {
		t.Errorf("%s in %d pages", all, pages)
	}
	if all, pages := names("/v1/capsules?limit=5&sort_key=name&sort_dir=desc"); all != "c4 c3 c2 c1 c0 " || pages != 1 {
		t.Errorf("%s in %d pages", all, pages)
	}
	if all, _ := names("/v1/capsules?all_projects=1&limit=4", "X-Auth-Token", adminToken); all != "c0 c1 c2 c3 c4 other " {
		t.Error(all)
	}
	if all, _ := names("/v1/capsules", "X-Auth-Token", adminToken); all != "" {
		t.Error(all)
	}
}

func TestDiscovery(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"", "/", "/v1", "/v1/"} {
		got := w.get(200, "GET", path, "", "X-Auth-Token", "")
		if got["capsulet"] == nil {
			t.Errorf("%s: %v", path, got)
		}
	}
	root := w.get(200, "GET", "/", "", "X-Auth-Token", "")
	v := root["default_version"].(map[string]any)
	if v["max_version"] != "1.40" || v["min_version"] != "1.1" || v["links"].([]any)[0].(map[string]any)["href"] != w.url+"/v1/" {
		t.Errorf("%v", v)
	}
	if resp := w.do("GET", "/healthcheck", "", "X-Auth-Token", ""); resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.get(202, "POST", "/v1/capsules", named("twin"))
	w.get(202, "POST", "/v1/capsules", named("twin"))
	post := func(from, to string) string { return strings.Replace(small, from, to, 1) }
	for _, row := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code, want               string
	}{
		{"unknown field", "POST", "/v1/capsules", post(`"image"`, `"foo":1,"image"`), nil, 400, "schema-validation-error", "('foo' was unexpected) (at template.spec.containers[0].foo)"},
		{"wrong type", "POST", "/v1/capsules", post(`"web:1"`, `7`), nil, 400, "schema-validation-error", "7 is not of type 'string'"},
		{"wrong enum", "POST", "/v1/capsules", post(`"capsule"`, `"pod"`), nil, 400, "schema-validation-error", "Invalid input for field 'kind'.Value: 'pod'. 'pod' is not one of ['capsule', 'Capsule']"},
		{"no template", "POST", "/v1/capsules", `{}`, nil, 400, "schema-validation-error", "'template' is a required property"},
		{"empty body", "POST", "/v1/capsules", ``, nil, 400, "schema-validation-error", "Malformed JSON"},
		{"beside the template", "POST", "/v1/capsules", post(`{"template"`, `{"nets":[],"template"`), nil, 400, "schema-validation-error", "'nets' was unexpected"},
		{"malformed JSON", "POST", "/v1/capsules", `{bad`, nil, 400, "schema-validation-error", "Malformed JSON: invalid character 'b' looking for beginning of object key string at offset 2"},
		{"malformed YAML", "POST", "/v1/capsules", `{"template":"kind: ["}`, nil, 400, "schema-validation-error", "Malformed YAML"},
		{"too large", "POST", "/v1/capsules", `{"template":"` + strings.Repeat("a", 70<<10) + `"}`, nil, 413, "request-too-large", "65536 bytes"},
		{"content type", "POST", "/v1/capsules", small, []string{"Content-Type", "text/plain"}, 415, "", "'text/plain' is not supported"},
		{"bad uid", "POST", "/v1/capsules", post(`{"name"`, `{"uid":"x","name"`), nil, 400, "schema-validation-error", "metadata.uid"},
		{"privileged", "POST", "/v1/capsules", post(`"image"`, `"securityContext":{"privileged":true},"image"`), nil, 403, "policy-not-authorized", "Policy doesn't allow capsule:create:privileged to be performed."},
		{"host path", "POST", "/v1/capsules", post(`"containers"`, `"volumes":[{"name":"a","hostPath":{"path":"/"}}],"containers"`), nil, 403, "policy-not-authorized", "capsule:create:hostPath"},
		{"local path", "POST", "/v1/capsules", post(`"containers"`, `"volumes":[{"name":"a","local":{"path":"/"}}],"containers"`), nil, 403, "policy-not-authorized", "capsule:create:local"},
		{"NFS", "POST", "/v1/capsules", post(`"containers"`, `"volumes":[{"name":"a","nfs":{"server":"s","path":"/"}}],"containers"`), nil, 403, "policy-not-authorized", "capsule:create:nfs"},
		{"AppArmor off", "POST", "/v1/capsules", post(`"image"`, `"securityContext":{"appArmorProfile":{"type":"Unconfined"}},"image"`), nil, 403, "policy-not-authorized", "capsule:create:appArmorProfile"},
		{"no such capsule", "GET", "/v1/capsules/nope", "", nil, 404, "container-not-found", "Container nope could not be found."},
		{"no such UUID", "GET", "/v1/capsules/00000000-0000-0000-0000-000000000000", "", nil, 404, "container-not-found", "could not be found."},
		{"two of the name", "GET", "/v1/capsules/twin", "", nil, 409, "conflict", "Multiple containers exist with same name."},
		{"delete two of the name", "DELETE", "/v1/capsules/twin", "", nil, 409, "conflict", "Multiple containers exist with same name."},
		{"grace", "DELETE", "/v1/capsules/twin?grace_period=-1", "", nil, 409, "conflict", ""},
		{"limit 0", "GET", "/v1/capsules?limit=0", "", nil, 400, "invalid-value", "Limit must be positive integer"},
		{"sort direction", "GET", "/v1/capsules?sort_dir=x", "", nil, 400, "invalid-value", "Invalid sort direction: x. Acceptable values are 'asc' or 'desc'"},
		{"sort key", "GET", "/v1/capsules?sort_key=nosuch", "", nil, 400, "invalid-parameter-value", `The sort_key value "nosuch" is an invalid field for sorting`},
		{"marker", "GET", "/v1/capsules?marker=m", "", nil, 404, "container-not-found", "Container m could not be found."},
		{"all projects", "GET", "/v1/capsules?all_projects=1", "", nil, 403, "policy-not-authorized", "capsule:get_all_all_projects"},
		{"show of all projects", "GET", "/v1/capsules/web?all_projects=1", "", nil, 403, "policy-not-authorized", "capsule:get_one_all_projects"},
		{"delete of all projects", "DELETE", "/v1/capsules/web?all_projects=1", "", nil, 403, "policy-not-authorized", "capsule:delete_all_projects"},
		{"all projects nonsense", "GET", "/v1/capsules?all_projects=maybe", "", nil, 400, "invalid-value", "'maybe' is not a boolean"},
		{"nothing there", "GET", "/v1/nosuch", "", nil, 404, "", "/v1/nosuch"},
		{"other API", "GET", "/v2", "", nil, 404, "", ""},
		{"method", "PUT", "/v1/capsules/twin", "", nil, 405, "", "The method PUT is not allowed here"},
		{"version too new", "GET", "/v1/capsules", "", []string{"OpenStack-API-Version", "container 1.99"}, 406, "microversion-unsupported", "1.99"},
		{"other service", "GET", "/v1/capsules", "", []string{"OpenStack-API-Version", "compute 1.1"}, 406, "microversion-unsupported", "compute 1.1"},
		{"no version", "GET", "/v1/capsules", "", []string{"OpenStack-API-Version", "container abc"}, 406, "microversion-unsupported", "'abc'"},
		{"hosts too early", "GET", "/v1/hosts", "", []string{"OpenStack-API-Version", "container 1.3"}, 406, "microversion-unsupported", "1.4"},
		{"hosts for users", "GET", "/v1/hosts", "", []string{"OpenStack-API-Version", "container 1.4"}, 403, "policy-not-authorized", "host:get_all"},
		{"unknown host", "GET", "/v1/hosts/nope", "", []string{"OpenStack-API-Version", "container 1.4", "X-Auth-Token", adminToken}, 404, "compute-node-not-found", "Compute node nope could not be found."},
		{"watch since nonsense", "GET", "/v1/capsules?watch=1&since=x", "", []string{"Accept", nativeType}, 400, "invalid-value", "since: 'x'"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := *w
			w.T = t
			got := w.get(row.status, row.method, row.path, row.body, row.headers...)
			e := got["errors"].([]any)[0].(map[string]any)
			if e["code"] != "container."+row.code || e["status"] != float64(row.status) || !strings.Contains(e["detail"].(string), row.want) || len(e) < 6 {
				t.Errorf("%v\nwant %s: %s", e, row.code, row.want)
			}
		})
	}
	if allow := w.do("PUT", "/v1/capsules/twin", "").Header.Get("Allow"); allow != "DELETE, GET, PATCH" {
		t.Errorf("Allow: %s", allow)
	}
	if len(w.all) != 2 {
		t.Errorf("%d capsules, want the 2 of the beginning", len(w.all))
	}
}

func TestWithoutToken(t *testing.T) {
	w := newWorld(t)
	for _, token := range []string{"", "no-such-token-at-all"} {
		resp := w.do("GET", "/v1/capsules", "", "X-Auth-Token", token)
		got := w.get(401, "GET", "/v1/capsules", "", "X-Auth-Token", token)
		e := got["error"].(map[string]any)
		if e["code"] != 401.0 || e["title"] != "Unauthorized" || !strings.HasPrefix(e["message"].(string), "The request you have made requires authentication.") {
			t.Errorf("%v", e)
		}
		if h := resp.Header.Get("WWW-Authenticate"); !strings.HasPrefix(h, `Keystone uri="`) {
			t.Errorf("WWW-Authenticate: %s", h)
		}
	}
	w.get(200, "GET", "/v1/capsules", "", "X-Auth-Token", "", "Authorization", "Bearer "+userToken)
}

func TestErrorsOfTheBackend(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct {
		err    error
		status int
		want   string
	}{
		{errors.New("secret detail"), 500, "Error Correlation id is: "},
		{fmt.Errorf("etcd does not answer: %w", errdefs.ErrUnavailable), 503, "etcd does not answer"},
		{fmt.Errorf("later: %w", errdefs.ErrNotImplemented), 501, "later"},
	} {
		w.fail = row.err
		got := w.get(row.status, "GET", "/v1/capsules/"+uuid.NewString(), "")
		detail := got["errors"].([]any)[0].(map[string]any)["detail"].(string)
		if !strings.Contains(detail, row.want) || strings.Contains(detail, "secret") {
			t.Errorf("%s", detail)
		}
	}
}
