package template_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
	"github.com/capsulet/capsulet/zunserver/capsule/template/forms"
)

// printed is an example of Zun's documents, as it is printed there.
func printed(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// without takes lines out of a document.
func without(doc string, lines ...string) string {
	for _, l := range lines {
		doc = strings.Replace(doc, l+"\n", "", 1)
	}
	return doc
}

var local = template.Options{Sized: forms.Local}

// refused wants Parse to name the path and to give the reason.
func refused(t *testing.T, name, doc string, o template.Options, path, reason string) {
	t.Helper()
	_, _, err := template.ParseWith([]byte(doc), o)
	var e *template.Error
	if !errors.As(err, &e) || e.Path != path || !strings.Contains(e.Message, reason) {
		t.Errorf("%s: %v, want %q at %s", name, err, reason, path)
	}
}

func TestQuickStartAsPrinted(t *testing.T) {
	doc := printed(t, "quick-start.yaml")
	refused(t, "as printed, nothing serves volumes", doc, template.Options{}, "template.spec.volumes[0].cinder", "no Cinder driver is configured")
	refused(t, "as printed, a local driver", doc, local, "template.spec.volumes[1].cinder.volumeID", "no Cinder driver is configured")

	doc = without(doc, "    - name: volume2", "      mountPath: /data2", "    - name: volume3", "      mountPath: /data3")
	doc = strings.Replace(doc, "      ENV2: /usr/bin/\n    volumeMounts:\n", "      ENV2: /usr/bin/\n", 1)
	doc = doc[:strings.Index(doc, "  - name: volume2")]
	spec, _, err := template.ParseWith([]byte(doc), local)
	if err != nil {
		t.Fatal(err)
	}
	first, second := spec.Containers[0], spec.Containers[1]
	if len(spec.Volumes) != 1 || spec.Volumes[0].Name != "volume1" || spec.Volumes[0].EmptyDir == nil || spec.Volumes[0].EmptyDir.SizeLimit.String() != "5Gi" {
		t.Errorf("volumes %+v", spec.Volumes)
	}
	if m := first.VolumeMounts; len(m) != 1 || !m[0].ReadOnly || m[0].MountPath != "/data1" {
		t.Errorf("mounts %+v", m)
	}
	if p := first.Ports; len(p) != 1 || p[0].HostPort != 22 || p[0].ContainerPort != 22 || string(p[0].Protocol) != "TCP" || p[0].Name != "ssh-port" {
		t.Errorf("ports %+v", p)
	}
	want := []string{"1Gi", "1Gi", "1", "IfNotPresent", "/root", "-c", `"while true; do echo hello world; sleep 1; done"`, "Always", "template", "web"}
	got := []string{first.Resources.Requests.Memory().String(), first.Resources.Limits.Memory().String(), first.Resources.Requests.Cpu().String(),
		string(first.ImagePullPolicy), first.WorkDir, second.Args[0], second.Args[1], string(spec.RestartPolicy), spec.Name, spec.Labels["app"]}
	if d := cmp.Diff(want, got); d != "" || len(second.Ports) != 2 {
		t.Errorf("%s, ports %+v", d, second.Ports)
	}
	if d := cmp.Diff([]capsule.EnvVar{{Name: "ENV1", Value: "/usr/local/bin", Literal: true}, {Name: "ENV2", Value: "/usr/sbin", Literal: true}}, first.Env); d != "" {
		t.Error(d)
	}
}

func TestCompositionSpecificationAsPrinted(t *testing.T) {
	doc := printed(t, "composition.yaml")
	refused(t, "as printed it is no YAML", doc, local, "template", "Malformed YAML")

	for _, key := range []string{"drivers: cinder", "driverOptions: options", "size: 5GB", "volumeType: type1", "image: ubuntu-xenial"} {
		doc = strings.Replace(doc, "\n    "+key, "\n      "+key, 1)
	}
	refused(t, "indented", doc, local, "template.spec.containers[0].imageDriver", "no image service is configured")
	doc = strings.Replace(doc, "imageDriver: Glance", "imageDriver: dockerRegistory", 1)
	for _, key := range []string{"driverOptions", "image", "volumeType"} {
		refused(t, "what only Cinder has", doc, local, "template.spec.volumes[0]."+key, "it is for Cinder")
		at := strings.LastIndex(doc, "\n      "+key+":")
		end := at + 1 + strings.IndexByte(doc[at+1:], '\n')
		doc = doc[:at] + doc[end:]
	}
	refused(t, "a volume that stays", doc, local, "template.spec.volumes[0]", "without autoRemove: true")
	doc = strings.TrimSuffix(doc, "\n") + "\n      autoRemove: \"True\"\n"
	refused(t, "nothing serves sizes", doc, template.Options{}, "template.spec.volumes[0]", "volumes.sized")

	quoted, _ := json.Marshal(doc)
	for form, body := range map[string]string{"YAML": doc, "a string of YAML": string(quoted)} {
		spec, _, err := template.ParseWith([]byte(body), local)
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		c := spec.Containers[0]
		got := []string{spec.Name, spec.Labels["app"], spec.HostSelector, string(spec.RestartPolicy), c.Command[0], c.Args[0], c.Labels["app"],
			c.Resources.Requests.Memory().String(), spec.Volumes[0].EmptyDir.SizeLimit.String(), c.Env[0].Value, string(c.ImagePullPolicy)}
		want := []string{"capsule-example", "web", "node1", "Always", "echo", "Hello World", "web", "2Gi", "5Gi", "/usr/local/bin", "Always"}
		if d := cmp.Diff(want, got); d != "" || !c.VolumeMounts[0].ReadOnly {
			t.Errorf("%s: %s", form, d)
		}
	}
}

func TestPlacesAndSpellings(t *testing.T) {
	const containers = `"containers":[{"image":"a"}]`
	for _, row := range []struct {
		name, doc string
		want      func(capsule.Spec) bool
	}{
		{"a host by name in the spec", `{"kind":"capsule","metadata":{},"spec":{"hostSelector":"h1",` + containers + `}}`,
			func(s capsule.Spec) bool { return s.HostSelector == "h1" }},
		{"a host by labels", `{"kind":"capsule","metadata":{},"hostSelector":{"disk":"ssd"},"spec":{` + containers + `}}`,
			func(s capsule.Spec) bool { return s.HostSelector == "" && s.HostLabels["disk"] == "ssd" }},
		{"the same in both places", `{"kind":"capsule","metadata":{},"hostSelector":{"a":"b"},"restartPolicy":"Never","spec":{"hostSelector":{"a":"b"},"restartPolicy":"Never",` + containers + `}}`,
			func(s capsule.Spec) bool { return s.HostLabels["a"] == "b" && s.RestartPolicy == capsule.RestartNever }},
		{"both versions, both labels", `{"kind":"capsule","apiVersion":"beta","capsuleVersion":"beta","metadata":{"lables":{"a":"b"},"labels":{"a":"b"}},"spec":{` + containers + `}}`,
			func(s capsule.Spec) bool { return s.Labels["a"] == "b" }},
		{"labels of other kinds", `{"kind":"capsule","metadata":{"labels":{"a":1,"b":1.50,"c":true},"annotations":{"d":false}},"spec":{` + containers + `}}`,
			func(s capsule.Spec) bool {
				return s.Labels["a"] == "1" && s.Labels["b"] == "1.50" && s.Labels["c"] == "True" && s.Annotations["d"] == "False"
			}},
		{"nulls", `{"kind":"capsule","apiVersion":null,"hostSelector":null,"metadata":{"lables":null},"spec":{"volumes":null,` + containers + `}}`,
			func(s capsule.Spec) bool { return s.Labels == nil && s.HostSelector == "" }},
	} {
		spec, uid, err := template.Parse([]byte(row.doc))
		if err != nil || !row.want(spec) {
			t.Errorf("%s: %+v, %v", row.name, spec, err)
			continue
		}
		doc, err := template.Encode(spec, uid)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := template.Parse(doc)
		if d := cmp.Diff(spec, again); d != "" || err != nil {
			t.Errorf("%s: the canonical form is another one: %s, %v", row.name, d, err)
		}
	}
	for _, row := range []struct{ name, doc, path, reason string }{
		{"two hosts", `{"kind":"capsule","metadata":{},"hostSelector":"a","spec":{"hostSelector":"b",` + containers + `}}`, "template.hostSelector", "spec.hostSelector says something else"},
		{"a name and labels", `{"kind":"capsule","metadata":{},"hostSelector":{"a":"b"},"spec":{"hostSelector":"b",` + containers + `}}`, "template.hostSelector", "says something else"},
		{"labels twice", `{"kind":"capsule","metadata":{},"hostSelector":{"a":"b"},"spec":{"hostLabels":{"c":"d"},` + containers + `}}`, "template.spec.hostSelector", "both have labels"},
		{"versions", `{"kind":"capsule","apiVersion":"beta","capsuleVersion":"Beta","metadata":{},"spec":{` + containers + `}}`, "template.apiVersion", "says something else"},
		{"labels", `{"kind":"capsule","metadata":{"lables":{"a":"b"},"labels":{}},"spec":{` + containers + `}}`, "template.metadata.lables", "says something else"},
		{"image driver", `{"kind":"capsule","metadata":{},"spec":{"containers":[{"image":"a","imageDriver":"tar"}]}}`, "template.spec.containers[0].imageDriver", "'tar' is not one of"},
	} {
		refused(t, row.name, row.doc, local, row.path, row.reason)
	}
}

func TestVolumesOfASize(t *testing.T) {
	parse := func(volume string) (capsule.Spec, error) {
		spec, _, err := template.ParseWith([]byte(`{"kind":"capsule","metadata":{},"spec":{"containers":[{"image":"a"}],"volumes":[`+volume+`]}}`), local)
		return spec, err
	}
	for volume, want := range map[string]string{
		`{"name":"v","cinder":{"size":1,"autoRemove":true}}`:                "1Gi",
		`{"name":"v","cinder":{"size":"3","autoRemove":"on"}}`:              "3Gi",
		`{"name":"v","size":"512MB","autoRemove":true}`:                     "512Mi",
		`{"name":"v","driver":"local","size":"2TB","autoRemove":true}`:      "2Ti",
		`{"name":"v","drivers":"cinder","size":"100Ki","autoRemove":"yes"}`: "100Ki",
	} {
		spec, err := parse(volume)
		if err != nil || spec.Volumes[0].EmptyDir.SizeLimit.String() != want {
			t.Errorf("%s: %+v, %v, want %s", volume, spec.Volumes, err, want)
		}
	}
	for volume, want := range map[string]string{
		`{"name":"v","cinder":{"size":0,"autoRemove":true}}`:               "template.spec.volumes[0].cinder.size",
		`{"name":"v","cinder":{"size":"much","autoRemove":true}}`:          "template.spec.volumes[0].cinder.size",
		`{"name":"v","cinder":{"size":1,"autoRemove":"perhaps"}}`:          "template.spec.volumes[0].cinder.autoRemove",
		`{"name":"v","cinder":{"size":1,"autoRemove":1}}`:                  "template.spec.volumes[0].cinder.autoRemove",
		`{"name":"v","cinder":{"size":1}}`:                                 "template.spec.volumes[0].cinder",
		`{"name":"v","cinder":{}}`:                                         "template.spec.volumes[0].cinder",
		`{"name":"v","cinder":{"size":1,"colour":"red"}}`:                  "template.spec.volumes[0].cinder.colour",
		`{"name":"v","cinder":7}`:                                          "template.spec.volumes[0].cinder",
		`{"name":"v","driver":"ceph","size":1}`:                            "template.spec.volumes[0].driver",
		`{"name":"v","size":1,"autoRemove":true,"cinder":{"size":2}}`:      "template.spec.volumes[0].size",
		`{"name":"v","size":1,"autoRemove":true,"emptyDir":{}}`:            "template.spec.volumes[0]",
		`{"name":"v","size":1,"autoRemove":true,"hostPath":{"path":"/a"}}`: "template.spec.volumes[0]",
		`{"name":"v","cinder":null}`:                                       "template.spec.volumes[0]",
	} {
		_, err := parse(volume)
		var e *template.Error
		if !errors.As(err, &e) || e.Path != want {
			t.Errorf("%s: %v, want one at %s", volume, err, want)
		}
	}
}
