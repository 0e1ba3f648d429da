package template_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

// quickStart is Zun's own example of a template (openstack/zun: template/capsule/capsule.json), without its volumes.
const quickStart = `{
  "capsuleVersion": "beta", "kind": "capsule",
  "metadata": {"name": "template", "labels": {"foo": "bar"}},
  "restartPolicy": "Always",
  "spec": {
    "containers": [
      {"image": "ubuntu:22.04", "command": ["sleep"], "args": ["100000"], "imagePullPolicy": "ifnotpresent", "workDir": "/root",
       "ports": [{"name": "nginx-port", "containerPort": 80, "hostPort": 80, "protocol": "TCP"}],
       "resources": {"requests": {"cpu": 1, "memory": 1024}},
       "env": {"ENV2": "/usr/bin", "ENV1": "/usr/local/bin"}},
      {"image": "centos", "tty": "True", "resources": {"requests": {"cpu": "0.5", "memory": "512MB"}}}
    ]
  }
}`

func TestParseZunQuickStart(t *testing.T) {
	spec, uid, err := template.Parse([]byte(quickStart))
	if err != nil || uid != "" {
		t.Fatalf("Parse: %v, uid %q", err, uid)
	}
	resources := func(cpu, memory string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory)},
			Limits:   corev1.ResourceList{"memory": resource.MustParse(memory)},
		}
	}
	want := capsule.Spec{
		Name: "template", Labels: map[string]string{"foo": "bar"}, RestartPolicy: capsule.RestartAlways,
		Containers: []capsule.ContainerSpec{{
			Name: "template-0", Image: "ubuntu:22.04", ImagePullPolicy: corev1.PullIfNotPresent,
			Command: []string{"sleep"}, Args: []string{"100000"}, WorkDir: "/root",
			Env:       []capsule.EnvVar{{Name: "ENV1", Value: "/usr/local/bin", Literal: true}, {Name: "ENV2", Value: "/usr/bin", Literal: true}},
			Ports:     []capsule.Port{{Name: "nginx-port", ContainerPort: 80, HostPort: 80, Protocol: "TCP"}},
			Resources: resources("1", "1Gi"),
		}, {
			Name: "template-1", Image: "centos", ImagePullPolicy: corev1.PullAlways, TTY: true,
			Resources: resources("500m", "512Mi"),
		}},
	}
	if !equality.Semantic.DeepEqual(spec, want) {
		t.Error(cmp.Diff(want, spec))
	}
}

func TestParseForms(t *testing.T) {
	yaml := "kind: Capsule\nmetadata: {name: yam}\nspec:\n  containers:\n  - {image: web}\n"
	quoted, _ := json.Marshal(yaml)
	inJSON, _ := json.Marshal(`{"kind":"capsule","metadata":{"name":"yam"},"spec":{"containers":[{"image":"web"}]}}`)
	for _, body := range []string{yaml, string(quoted), string(inJSON), "---\n" + yaml,
		"{kind: capsule, metadata: {name: yam}, spec: {containers: [{image: web}]}}",
		`"kind": capsule` + "\n" + `"metadata": {name: yam}` + "\nspec: {containers: [{image: web}]}\n",
		`"{kind: capsule, metadata: {name: yam}, spec: {containers: [{image: web}]}}"`} {
		spec, _, err := template.Parse([]byte(body))
		if err != nil || spec.Name != "yam" || spec.Containers[0].Name != "yam-0" {
			t.Errorf("Parse(%s) = %+v, %v", body, spec, err)
		}
	}
	doc, err := template.Unwrap([]byte(`{"template": ` + string(quoted) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if spec, _, err := template.Parse(doc); err != nil || spec.Name != "yam" {
		t.Errorf("unwrapped: %+v, %v", spec, err)
	}
}

func TestDefaults(t *testing.T) {
	for image, want := range map[string]corev1.PullPolicy{
		"web": corev1.PullAlways, "web:latest": corev1.PullAlways, "web:1": corev1.PullIfNotPresent,
		"host:5000/web": corev1.PullAlways, "host:5000/web:1": corev1.PullIfNotPresent,
		"web@sha256:" + strings.Repeat("0", 64): corev1.PullIfNotPresent,
	} {
		spec, _, err := template.Parse(edit(t, func(d map[string]any) { container(d)["image"] = image }))
		if err != nil || spec.Containers[0].ImagePullPolicy != want {
			t.Errorf("%s: %v, %v; want %s", image, spec.Containers, err, want)
		}
	}
	spec, _, err := template.Parse([]byte(`{"kind":"capsule","metadata":{},"spec":{
		"initContainers":[{"image":"a"}],"containers":[{"image":"a","name":"capsule-1"},{"image":"b"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{spec.InitContainers[0].Name, spec.Containers[0].Name, spec.Containers[1].Name, string(spec.RestartPolicy)}
	if want := []string{"capsule-init-0", "capsule-1", "capsule-2", "Always"}; !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNets(t *testing.T) {
	got, _, err := template.Parse(edit(t, ofSpec("nets", `[{"network":"blue","v4-fixed-ip":"10.1.0.9","v6-fixed-ip":"fd00::9"},{"network":"bridge"}]`)))
	want := []capsule.Net{{Network: "blue", IPv4: "10.1.0.9", IPv6: "fd00::9"}, {Network: "bridge"}}
	if err != nil || !slices.Equal(got.Nets, want) {
		t.Errorf("%+v, %v", got.Nets, err)
	}
}

func TestMemoryForms(t *testing.T) {
	for _, row := range []struct {
		name, resources, request, limit string
	}{
		{"number is MiB and the limit", `{"requests":{"memory":64}}`, "64Mi", "64Mi"},
		{"digits are MiB and the limit", `{"requests":{"memory":"64"}}`, "64Mi", "64Mi"},
		{"binary units", `{"requests":{"memory":"2GB"}}`, "2Gi", "2Gi"},
		{"a quantity is only a request", `{"requests":{"memory":"64Mi"}}`, "64Mi", "0"},
		{"bytes are only a request", `{"requests":{"memory":"67108864e0"}}`, "64Mi", "0"},
		{"limits are the user's", `{"requests":{"memory":64},"limits":{"memory":"128Mi"}}`, "64Mi", "128Mi"},
		{"limits without memory stay so", `{"requests":{"memory":64},"limits":{"cpu":1}}`, "64Mi", "0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var r any
			if err := json.Unmarshal([]byte(row.resources), &r); err != nil {
				t.Fatal(err)
			}
			spec, _, err := template.Parse(edit(t, func(d map[string]any) { container(d)["resources"] = r }))
			if err != nil {
				t.Fatal(err)
			}
			got := spec.Containers[0].Resources
			if got.Requests.Memory().Cmp(resource.MustParse(row.request)) != 0 || got.Limits.Memory().Cmp(resource.MustParse(row.limit)) != 0 {
				t.Errorf("got %+v, want request %s, limit %s", got, row.request, row.limit)
			}
		})
	}
}

const base = `{"kind":"capsule","metadata":{"name":"web"},"spec":{"containers":[{"name":"web","image":"web:1"}]}}`

func edit(t testing.TB, change func(map[string]any)) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(base), &doc); err != nil {
		t.Fatal(err)
	}
	change(doc)
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func spec(d map[string]any) map[string]any { return d["spec"].(map[string]any) }

func container(d map[string]any) map[string]any {
	return spec(d)["containers"].([]any)[0].(map[string]any)
}

// in sets a JSON value in the container of the base.
func in(key, value string) func(map[string]any) {
	return func(d map[string]any) { container(d)[key] = json.RawMessage(value) }
}

func ofSpec(key, value string) func(map[string]any) {
	return func(d map[string]any) { spec(d)[key] = json.RawMessage(value) }
}

func top(key, value string) func(map[string]any) {
	return func(d map[string]any) { d[key] = json.RawMessage(value) }
}

// What is not for other hosts is published to its own alone.
func TestScopeOfAPort(t *testing.T) {
	for scope, ip := range map[capsule.Scope]string{"": "", "host": "127.0.0.1", "internal": "127.0.0.1", "cloud": "", "public": ""} {
		got, _, err := template.Parse(edit(t, in("ports", fmt.Sprintf(`[{"containerPort":80,"hostPort":8080,"scope":%q}]`, scope))))
		if err != nil {
			t.Errorf("%s: %v", scope, err)
		} else if p := got.Containers[0].Ports[0]; p.Scope != scope || p.HostIP != ip {
			t.Errorf("%s: %+v", scope, p)
		}
	}
}

func TestRefusals(t *testing.T) {
	c := "template.spec.containers[0]"
	for _, row := range []struct {
		change func(map[string]any)
		path   string
		want   string
	}{
		{top("kind", `"pod"`), "template.kind", "Invalid input for field 'kind'.Value: 'pod'. 'pod' is not one of ['capsule', 'Capsule']"},
		{top("kind", `1`), "template.kind", "1 is not of type 'string'"},
		{top("kind", `null`), "template", "'kind' is a required property"},
		{top("capsuleVersion", `"v2"`), "template.capsuleVersion", "'v2' is not one of ['beta', 'Beta']"},
		{top("nets", `[]`), "template.nets", "Additional properties are not allowed ('nets' was unexpected)"},
		{top("spec", `null`), "template", "'spec' is a required property"},
		{top("restartPolicy", `"always"`), "template.spec.restartPolicy", "'always' is not one of ['Always', 'OnFailure', 'Never']"},
		{top("metadata", `{"name":"-a"}`), "template.metadata.name", "'-a' does not match"},
		{top("metadata", `{"uid":"x"}`), "template.metadata.uid", "'x' is not a 'uuid'"},
		{top("metadata", `{"labels":{"a":[]}}`), "template.metadata.labels.a", "the value is not of type 'string'"},
		{top("metadata", `{"foo":1}`), "template.metadata.foo", "('foo' was unexpected)"},
		{ofSpec("containers", `[]`), "template.spec.containers", "[] is too short"},
		{ofSpec("containers", `null`), "template.spec", "'containers' is a required property"},
		{ofSpec("containers", `[{}]`), c, "'image' is a required property"},
		{ofSpec("containers", `[{"image":"a","name":"a"},{"image":"a","name":"a"}]`), "template.spec.containers[1].name", "another container"},
		{ofSpec("name", `"x"`), "template.spec.name", "it is metadata.name"},
		{ofSpec("volumes", `[{"name":"v","cinder":{"size":1}}]`), "template.spec.volumes[0].cinder", "no Cinder driver is configured"},
		{top("apiVersion", `"v1"`), "template.capsuleVersion", "'v1' is not one of ['beta', 'Beta']"},
		{ofSpec("hostSelector", `"-"`), "template.spec.hostSelector", "does not match"},
		{ofSpec("hostLabels", `{"disk":1}`), "template.spec.hostLabels.disk", "1 is not of type 'string'"},
		{ofSpec("volumes", `[{"name":"v"}]`), "template.spec.volumes[0]", "exactly one of"},
		{ofSpec("volumes", `[{"name":"v","emptyDir":{"medium":"HugePages"}}]`), "template.spec.volumes[0].emptyDir.medium", "not one of"},
		{ofSpec("volumes", `[{"name":"v","hostPath":{"path":"etc"}}]`), "template.spec.volumes[0].hostPath.path", "not an absolute path"},
		{ofSpec("resources", `{"limits":{"ephemeral-storage":"1Gi"}}`), "template.spec.resources.limits.ephemeral-storage", "only cpu and memory"},
		{ofSpec("volumes", `[{"name":"v","nfs":{"server":"-o","path":"/a"}}]`), "template.spec.volumes[0].nfs.server", "not the name"},
		{ofSpec("volumes", `[{"name":"v","nfs":{"server":"s","path":"a"}}]`), "template.spec.volumes[0].nfs.path", "not an absolute path"},
		{ofSpec("volumes", `[{"name":"v","local":{"path":"/a"},"mountOptions":["ro"]}]`), "template.spec.volumes[0].mountOptions", "only nfs"},
		{ofSpec("volumes", `[{"name":"v","local":{"path":"/a"},"emptyDir":{}}]`), "template.spec.volumes[0]", "this one has 2"},
		{ofSpec("volumes", `[{"name":"v","files":{"items":[{"path":"../a","content":""}]}}]`), "template.spec.volumes[0].files.items[0].path", "clean relative path"},
		{ofSpec("volumes", `[{"name":"v","files":{"items":[{"path":"a","content":"%"}]}}]`), "template.spec.volumes[0].files.items[0].content", "base64"},
		{ofSpec("activeDeadlineSeconds", `0`), "template.spec.activeDeadlineSeconds", "0 is less than the minimum of 1"},
		{ofSpec("nets", `[{"ipv4":"10.0.0.2"}]`), "template.spec.nets[0]", "'network' is a required property"},
		{ofSpec("nets", `[{"port":"11111111-2222-3333-4444-555555555555"}]`), "template.spec.nets[0].port", "name a network"},
		{ofSpec("nets", `[{"network":"host"}]`), "template.spec.nets[0].network", "asked for by hostNetwork"},
		{ofSpec("nets", `[{"network":"none"},{"network":"a"}]`), "template.spec.nets[0].network", "'none' stands alone"},
		{ofSpec("nets", `[{"network":"a"},{"network":"a"}]`), "template.spec.nets[1].network", "another entry has this network"},
		{ofSpec("nets", `[{"network":"a","ipv4":"fd00::1"}]`), "template.spec.nets[0].ipv4", "not an IPv4 address"},
		{ofSpec("nets", `[{"network":"a","v4-fixed-ip":"10.0.0.1","ipv4":"10.0.0.1"}]`), "template.spec.nets[0].v4-fixed-ip", "'ipv4' is there too"},
		{ofSpec("dns", `{"nameservers":["x"]}`), "template.spec.dns.nameservers[0]", "not an IP address"},
		{ofSpec("securityContext", `{"windowsOptions":{}}`), "template.spec.securityContext.windowsOptions", "'windowsOptions' is not supported"},
		{in("ports", `[{"containerPort":80,"scope":"world"}]`), c + ".ports[0].scope", "'world' is not one of ['host', 'internal', 'cloud', 'public'"},
		{in("ports", `[{"containerPort":80,"scope":"cloud"}]`), c + ".ports[0].scope", "needs a hostPort"},
		{in("ports", `[{"containerPort":80,"hostPort":80,"hostIP":"127.0.0.2","scope":"public"}]`), c + ".ports[0].scope", "wider than hostIP"},
		{in("ports", `[{"containerPort":80,"hostPort":80,"hostIP":"192.0.2.1","scope":"host"}]`), c + ".ports[0].scope", "narrower than hostIP"},
		{in("foo", `1`), c + ".foo", "Additional properties are not allowed ('foo' was unexpected)"},
		{in("Image", `"a"`), c + ".Image", "('Image' was unexpected)"},
		{in("uuid", `"a"`), c + ".uuid", "the server gives it"},
		{in("command", `"sleep"`), c + ".command", "Invalid input for field 'command'.Value: 'sleep'. 'sleep' is not of type 'array'"},
		{in("command", `[1]`), c + ".command[0]", "1 is not of type 'string'"},
		{in("env", `{"A=B":"c"}`), c + ".env[0].name", "not a name of an environment variable"},
		{in("env", `[{"name":"A","ref":"pod.ip"}]`), c + ".env[0].ref", "is not one of"},
		{in("imagePullPolicy", `"sometimes"`), c + ".imagePullPolicy", "'sometimes' is not one of ['never', 'always', 'ifnotpresent']"},
		{in("resources", `{"requests":{"cpu":0.01}}`), c + ".resources.requests.cpu", "Invalid input for field 'cpu'.Value: '0.01'. 0.01 is less than the minimum of 0.1"},
		{in("resources", `{"requests":{"memory":9000}}`), c + ".resources.requests.memory", "9000 is greater than the maximum of 8192"},
		{in("resources", `{"requests":{"memory":"many"}}`), c + ".resources.requests.memory", "'many' is not a quantity"},
		{in("resources", `{"requests":{"memory":"1e-2147483647"}}`), c + ".resources.requests.memory", "is not a quantity"},
		{in("resources", `{"requests":{"ephemeral-storage":1e-2147483647}}`), c + ".resources.requests.ephemeral-storage", "is not a quantity"},
		{in("resources", `{"requests":{"cpu":"9E"}}`), c + ".resources.requests.cpu", "more than any host has"},
		{in("resources", `{"requests":{"memory":"500m"}}`), c + ".resources.requests.memory", "not whole bytes"},
		{in("resources", `{"requests":{"nvidia.com/gpu":"1"}}`), c + ".resources.requests.nvidia.com/gpu", "was unexpected"},
		{in("resources", `{"requests":{"cpu":"2"},"limits":{"cpu":"1"}}`), c + ".resources.requests.cpu", "greater than the limit of 1"},
		{in("volumeMounts", `[{"name":"v","mountPath":"/v"}]`), c + ".volumeMounts[0].name", "no volume of this name"},
		{in("ports", `[{"containerPort":70000}]`), c + ".ports[0].containerPort", "70000 is greater than the maximum of 65535"},
		{in("ports", `[{"containerPort":80,"protocol":"tcp"}]`), c + ".ports[0].protocol", "'tcp' is not one of"},
		{in("livenessProbe", `{}`), c + ".livenessProbe", "exactly one of exec, httpGet, tcpSocket, grpc is needed"},
		{in("livenessProbe", `{"exec":{"command":["a"]},"tcpSocket":{"port":1}}`), c + ".livenessProbe", "there are 2"},
		{in("livenessProbe", `{"tcpSocket":{"port":0}}`), c + ".livenessProbe.tcpSocket.port", "less than the minimum of 1"},
		{in("livenessProbe", `{"tcpSocket":{"port":1},"successThreshold":2}`), c + ".livenessProbe.successThreshold", "it must be 1"},
		{in("livenessProbe", `{"tcpSocket":{"port":1},"periodSeconds":-1}`), c + ".livenessProbe.periodSeconds", "minimum of 0"},
		{in("lifecycle", `{"stopSignal":"TERM"}`), c + ".lifecycle.stopSignal", "not the name of a signal"},
		{in("securityContext", `{"seccompProfile":{"type":"Mine"}}`), c + ".securityContext.seccompProfile.type", "is not one of"},
		{in("securityContext", `{"seccompProfile":{"type":"Localhost"}}`), c + ".securityContext.seccompProfile", "'localhostProfile' is a required"},
		{in("securityContext", `{"seccompProfile":{"type":"Localhost","localhostProfile":"a/../../b"}}`),
			c + ".securityContext.seccompProfile.localhostProfile", "leaves the directory"},
		{in("securityContext", `{"appArmorProfile":{"type":"RuntimeDefault","localhostProfile":"a"}}`),
			c + ".securityContext.appArmorProfile.localhostProfile", "for profiles of the type Localhost"},
	} {
		t.Run(row.path, func(t *testing.T) {
			_, _, err := template.Parse(edit(t, row.change))
			var e *template.Error
			if !errors.As(err, &e) || !errdefs.IsInvalidArgument(err) {
				t.Fatalf("error %v", err)
			}
			if e.Path != row.path || !strings.Contains(e.Error(), row.want) {
				t.Errorf("at %s: %s\nwant at %s: …%s…", e.Path, e, row.path, row.want)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for body, want := range map[string]string{
		`{bad`:                         "Malformed JSON: invalid character 'b' looking for beginning of object key string at offset 2",
		`{"kind":"capsule"`:            "Malformed JSON: unexpected end of JSON input at offset 17",
		`{"kind":"a","kind":"b"}`:      "the key 'kind' occurs twice",
		"kind: [":                      "Malformed YAML",
		"kind: a\nkind: b":             "already set",
		"{kind: a}\n---\n{kind: b}":    "several documents",
		"{kind: [}":                    "Malformed JSON",
		`[]`:                           "is not of type 'object'",
		``:                             "empty",
		`"\"\""`:                       "is not of type 'object'",
		deep:                           "nests deeper",
		`{"kind":"capsule","x":1}  {}`: "Malformed JSON",
	} {
		if _, _, err := template.Parse([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.40s): %v, want %s", body, err, want)
		}
	}
	for body, want := range map[string]string{
		`{}`:                         "'template' is a required property",
		`[]`:                         "is not of type 'object'",
		`{"template":{},"other":{}}`: "('other' was unexpected)",
	} {
		if _, err := template.Unwrap([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Unwrap(%s): %v, want %s", body, err, want)
		}
	}
}

// Values that may be secret are in no error.
func TestSecretsStayOutOfErrors(t *testing.T) {
	const secret = "hunter2"
	for _, change := range []func(map[string]any){
		in("env", `{"PASSWORD":["`+secret+`"]}`),
		in("env", `[{"name":"PASSWORD","value":{"a":"`+secret+`"}}]`),
		in("env", `[{"name":"PASSWORD","value":"`+secret+`\u0000"}]`),
		in("livenessProbe", `{"httpGet":{"port":80,"httpHeaders":[{"name":"a","value":"`+secret+`\n"}]}}`),
		ofSpec("volumes", `[{"name":"v","files":{"items":[{"path":"a","content":"%`+secret+`"}]}}]`),
	} {
		_, _, err := template.Parse(edit(t, change))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("error %v", err)
		}
	}
}

func TestExample(t *testing.T) {
	example, err := os.ReadFile("../../../examples/capsule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spec, _, err := template.Parse(example)
	if err != nil || len(spec.Containers) != 2 || spec.Containers[0].Resources.Limits.Memory().Value() != 64<<20 {
		t.Errorf("%+v, %v", spec, err)
	}
}
