package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
	"github.com/capsulet/capsulet/zunserver/capsule/template/forms"
	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

const native = "application/vnd.capsulet+json"

// The experimental endpoint is v1 under another name: what is made there is here, and links lead to v1.
func TestExperimentalEndpoint(t *testing.T) {
	w := newWorld(t)
	r := w.do("POST", "/experimental/capsules/", named("old"), "OpenStack-API-Version", "container-experimental 1.32")
	location := r.Header.Get("Location")
	if r.StatusCode != http.StatusAccepted || !strings.Contains(location, "/v1/capsules/") || r.Header.Get("OpenStack-API-Version") != "container 1.32" {
		t.Fatalf("%d, Location %q, version %q", r.StatusCode, location, r.Header.Get("OpenStack-API-Version"))
	}
	id := location[strings.LastIndexByte(location, '/')+1:]
	there := w.get(http.StatusOK, "GET", "/experimental//capsules/"+id, "")
	here := w.get(http.StatusOK, "GET", "/v1/capsules/"+id, "")
	if fmt.Sprint(there) != fmt.Sprint(here) || there["uuid"] != id {
		t.Errorf("there %v\nhere  %v", there, here)
	}
	list := w.get(http.StatusOK, "GET", "/experimental/capsules?limit=1", "")
	if len(list["capsules"].([]any)) != 1 {
		t.Errorf("list %v", list)
	}
	for _, path := range []string{"/experimental", "/experimental/"} {
		if v := w.get(http.StatusOK, "GET", path, ""); v["id"] != "v1" {
			t.Errorf("%s: %v", path, v)
		}
	}
	w.get(http.StatusNotFound, "GET", "/experimental/nothing", "")
	w.get(http.StatusNotFound, "GET", "/v1/experimental/capsules", "")
	w.get(http.StatusNotAcceptable, "GET", "/experimental/capsules", "", "OpenStack-API-Version", "container-experimental 1.99")
	extensions := fmt.Sprint(w.get(http.StatusOK, "GET", "/", "")["capsulet"])
	if !strings.Contains(extensions, "experimental") || !strings.Contains(extensions, "pod") {
		t.Errorf("discovery %s", extensions)
	}
}

// A container of the container API gets a volume with a size where the operator lets the disks of hosts serve some.
func TestSizedVolumeOfAContainer(t *testing.T) {
	w := newWorld(t, func(cfg *api.Config, _ *http.Server) { cfg.Templates = template.Options{Sized: forms.Local} })
	const image = `{"image":"busybox","mounts":[`
	made := w.get(202, "POST", "/v1/containers", image+`{"size":"2","destination":"/data"},{"type":"bind","source":"eA==","destination":"/x"}]}`, "OpenStack-API-Version", newest)
	spec := w.all[made["uuid"].(string)].Spec
	mounts := spec.Containers[0].VolumeMounts
	if v := spec.Volumes; len(v) != 2 || v[0].EmptyDir.SizeLimit.String() != "2Gi" || v[1].Files == nil || mounts[0].MountPath != "/data" || mounts[0].Name != v[0].Name || mounts[1].Name != v[1].Name {
		t.Errorf("%+v of %+v", mounts, v)
	}
	for mount, says := range map[string]string{
		`{"destination":"/d"}`:                                    "'size' is a required property",
		`{"size":0,"destination":"/d"}`:                           "less than the minimum of 1",
		`{"size":"1GB","destination":"/d"}`:                       "mounts.size",
		`{"source":"v","size":1,"destination":"/d"}`:              "needs Cinder",
		`{"type":"volume","size":1,"destination":"d"}`:            "mounts.destination",
		`{"size":1099511627776,"destination":"/d"}`:               "greater than the maximum",
		`{"type":"bind","size":1,"source":"","destination":"/d"}`: "size of its content",
	} {
		if got := fmt.Sprint(w.get(400, "POST", "/v1/containers", image+mount+`]}`, "OpenStack-API-Version", newest)); !strings.Contains(got, says) {
			t.Errorf("%s: %s", mount, got)
		}
	}
}

// A template comes as an object, as a string of JSON and as a string of YAML; the documents' own examples are understood as such.
func TestTemplatesOfTheDocuments(t *testing.T) {
	w := newWorld(t, func(cfg *api.Config, _ *http.Server) { cfg.Templates = template.Options{Sized: forms.Local} })
	b, err := os.ReadFile("../capsule/template/testdata/quick-start.yaml")
	if err != nil {
		t.Fatal(err)
	}
	quoted, _ := json.Marshal(string(b))
	refusal := fmt.Sprint(w.get(http.StatusBadRequest, "POST", "/v1/capsules", `{"template":`+string(quoted)+`}`))
	if !strings.Contains(refusal, "template.spec.volumes[1].cinder.volumeID") || !strings.Contains(refusal, "no Cinder driver is configured") {
		t.Errorf("as printed: %s", refusal)
	}
	const object = `{"apiVersion":"beta","kind":"capsule","metadata":{"name":"web","lables":{"app":"web"}},"hostSelector":"node1","spec":{
		"containers":[{"image":"a:1","imageDriver":"docker","resources":{"requests":{"memory":"512MB"}},"volumeMounts":[{"name":"v","mountPath":"/v","readOnly":"True"}]}],
		"volumes":[{"name":"v","driver":"cinder","size":"2GB","autoRemove":true}]}}`
	inString, _ := json.Marshal(object)
	for form, doc := range map[string]string{"an object": object, "a string": string(inString)} {
		made := w.get(http.StatusAccepted, "POST", "/v1/capsules", `{"template":`+doc+`}`, "OpenStack-API-Version", "container 1.40")
		if fmt.Sprint(made["name"], made["labels"], made["memory"]) != "webmap[app:web]512" {
			t.Errorf("%s: %v", form, made)
		}
		seen := w.get(http.StatusOK, "GET", "/v1/capsules/"+made["uuid"].(string), "", "Accept", native)
		spec, _ := json.Marshal(seen["spec"])
		var s capsule.Spec
		if err := json.Unmarshal(spec, &s); err != nil || s.HostSelector != "node1" || s.Volumes[0].EmptyDir.SizeLimit.String() != "2Gi" ||
			!s.Containers[0].VolumeMounts[0].ReadOnly {
			t.Errorf("%s: %s, %v", form, spec, err)
		}
	}
}

// A Pod's manifest is accepted where a template is, if something makes capsules of Pods.
func TestPodInPlaceOfATemplate(t *testing.T) {
	const pod = `{"template":"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: a}]}\n"}`
	w := newWorld(t)
	if refusal := fmt.Sprint(w.get(http.StatusBadRequest, "POST", "/v1/capsules", pod)); !strings.Contains(refusal, "makes no capsules of Pods") {
		t.Error(refusal)
	}
	var given string
	w = newWorld(t, func(cfg *api.Config, _ *http.Server) {
		cfg.FromPod = func(manifest []byte) (capsule.Spec, string, error) {
			if given = string(manifest); strings.Contains(given, "secret") {
				return capsule.Spec{}, "", problem.At("template", "spec.volumes[0].secret: needs Kubernetes")
			}
			return capsule.Spec{Name: "web", RestartPolicy: capsule.RestartAlways, Containers: []capsule.ContainerSpec{{Name: "c", Image: "a"}}}, "", nil
		}
	})
	made := w.get(http.StatusAccepted, "POST", "/v1/capsules", pod, "OpenStack-API-Version", "container 1.40")
	if made["name"] != "web" || given != `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"image":"a","name":"c"}]}}` {
		t.Errorf("%v of %s", made, given)
	}
	w.get(http.StatusAccepted, "POST", "/v1/capsules", `{"template":{"kind":"Pod","spec":{}}}`)
	for doc, want := range map[string]string{
		`{"kind":"Pod","spec":{"secret":1}}`:            "spec.volumes[0].secret: needs Kubernetes",
		`"kind: Pod\n---\nkind: Pod\n"`:                 "there are several documents",
		`"kind: capsule\n---\nkind: [oops\n"`:           "there are several documents",
		`{"kind":"Deployment","metadata":{},"spec":{}}`: "'Deployment' is not one of",
	} {
		if refusal := fmt.Sprint(w.get(http.StatusBadRequest, "POST", "/v1/capsules", `{"template":`+doc+`}`)); !strings.Contains(refusal, want) {
			t.Errorf("%s: %s, want %q", doc, refusal, want)
		}
	}
}
