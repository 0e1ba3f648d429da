package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	yaml "go.yaml.in/yaml/v3"
)

// load runs the whole way with a file, an environment and arguments.
func load(t *testing.T, file string, environ, args []string) (*Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f := Bind(fs)
	if file != "" {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		environ = append(environ, "CAPSULET_CONFIG="+path)
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	return f.Load(environ)
}

func TestDefault(t *testing.T) {
	c, err := load(t, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.API.TokenFile, want.Store.SealKeyFile = "/var/lib/capsulet/admin.token", "/var/lib/capsulet/seal.key"
	if !cmp.Equal(*c, want) {
		t.Error(cmp.Diff(want, *c))
	}
	if c, err = load(t, "", nil, []string{"--state-dir=/srv/c"}); err != nil || c.API.TokenFile != "/srv/c/admin.token" || c.EtcdDir() != "/srv/c/etcd" {
		t.Errorf("files of another state directory: %+v %v", c, err)
	}
}

func TestSample(t *testing.T) {
	c := Config{}
	if err := decode("sample", []byte(Sample()), &c); err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Hosts[0].Labels, want.Node.Labels, want.Store.Endpoints = map[string]string{}, map[string]string{}, []string{}
	want.API.WebsocketOrigins, want.Notifications = []string{}, []Notification{}
	want.Networks.Engine = []string{}
	if !cmp.Equal(c, want) {
		t.Error(cmp.Diff(want, c))
	}
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(Sample()), &tree); err != nil {
		t.Fatal(err)
	}
	everyKey(t, "", reflect.TypeFor[Config](), tree)
}

// everyKey fails for a key that the sample does not show.
func everyKey(t *testing.T, path string, typ reflect.Type, tree map[string]any) {
	for i := range typ.NumField() {
		name, ft := typ.Field(i).Tag.Get("yaml"), typ.Field(i).Type
		sub, ok := tree[name]
		if !ok {
			t.Errorf("the sample does not show %s%s", path, name)
			continue
		}
		if list, ok := sub.([]any); ok && ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct && len(list) > 0 {
			ft, sub = ft.Elem(), list[0]
		}
		if ft.Kind() == reflect.Struct {
			everyKey(t, path+name+".", ft, sub.(map[string]any))
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := "node: {name: of-file, maxPods: 7}\n"
	env := []string{"CAPSULET_NODE_NAME=of-env"}
	flag := []string{"--node-name=of-flag"}
	for _, tc := range []struct {
		file      string
		env, args []string
		want      string
	}{
		{"", nil, nil, "capsulet"},
		{file, nil, nil, "of-file"},
		{file, env, nil, "of-env"},
		{file, env, flag, "of-flag"},
		{file, nil, flag, "of-flag"},
		{"", env, flag, "of-flag"},
	} {
		c, err := load(t, tc.file, tc.env, tc.args)
		if err != nil || c.Node.Name != tc.want {
			t.Errorf("%+v: %+v, %v", tc, c, err)
		}
		if tc.file != "" && c.Node.MaxPods != 7 {
			t.Errorf("%+v: the flag of one key changed another: %d", tc, c.Node.MaxPods)
		}
	}
}

func TestEveryKind(t *testing.T) {
	want := Default()
	want.Node.MaxPods, want.Node.NoTaint, want.API.MaxBodyBytes = 5, true, 99
	want.Node.Labels = map[string]string{"a": "b", "c": ""}
	want.Store.Endpoints = []string{"https://a:1", "https://b:1"}
	want.Hosts = []Host{{Endpoint: "unix:///a"}, {Endpoint: "unix:///b"}}
	want.Node.ClientCAFile = "/ca"
	want.complete()
	env := []string{"CAPSULET_NODE_MAX_PODS=5", "CAPSULET_NODE_NO_TAINT=true", "CAPSULET_API_MAX_BODY_BYTES=99",
		"CAPSULET_NODE_LABELS=a=b,c=", "CAPSULET_STORE_ENDPOINTS=https://a:1, https://b:1", "CAPSULET_HOSTS=unix:///a,unix:///b",
		"CAPSULET_NODE_CLIENT_CA_FILE=/ca", "CAPSULET_SERVICE_HOST=10.0.0.1", "CAPSULET_PORT=tcp://10.0.0.1:9517"}
	if c, err := load(t, "", env, nil); err != nil || !cmp.Equal(*c, want) {
		t.Errorf("environment: %v\n%s", err, cmp.Diff(&want, c))
	}
	args := []string{"--node-max-pods=5", "--node-no-taint", "--node-labels=a=b", "--node-labels=c=", "--etcd-endpoints=https://a:1,https://b:1",
		"--docker-endpoint=unix:///a", "--docker-endpoint", "unix:///b"}
	env = []string{"CAPSULET_API_MAX_BODY_BYTES=99", "CAPSULET_NODE_CLIENT_CA_FILE=/ca"}
	if c, err := load(t, "", env, args); err != nil || !cmp.Equal(*c, want) {
		t.Errorf("flags: %v\n%s", err, cmp.Diff(&want, c))
	}
}

// TestVariables: every key has one of its own, and none that Kubernetes sets for a Service called capsulet-something.
func TestVariables(t *testing.T) {
	c := Default()
	service := regexp.MustCompile(`(_SERVICE_HOST|_SERVICE_PORT|_PORT)$|_PORT_\d`)
	seen := map[string]string{fileVariable: "--config"}
	for _, k := range keys(&c) {
		v := k.variable()
		if seen[v] != "" {
			t.Errorf("%s is the variable of %s and %s", v, seen[v], k.path)
		}
		seen[v] = k.path
		if service.MatchString(v) && v != "CAPSULET_NODE_KUBELET_PORT" { // a Service capsulet-node-kubelet would be odd
			t.Errorf("%s could come from Kubernetes", v)
		}
		if err := k.set(k.text()); err != nil {
			t.Errorf("%s cannot be set to its default: %v", k.path, err)
		}
	}
	if seen["CAPSULET_API_TLS_CERT_FILE"] != "api.tlsCertFile" || seen["CAPSULET_STATE_DIR"] != "stateDir" {
		t.Errorf("names: %v", seen)
	}
}

func TestBad(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		args       []string
		want       []string
	}{
		{"unknown key", "nodes: {}\n", nil, []string{`c.yaml: line 1: unknown key "nodes"`}},
		{"unknown inner key", "log:\n  colour: red\n", nil, []string{`c.yaml: line 2: unknown key "colour" in log`}},
		{"unknown key of a host", "hosts:\n- endpont: x\n", nil, []string{`line 2: unknown key "endpont" in hosts`}},
		{"two unknown keys", "a: 1\nb: 2\n", nil, []string{`line 1: unknown key "a"`, `line 2: unknown key "b"`}},
		{"wrong type", "node: {maxPods: many}\n", nil, []string{"c.yaml: line 1: a str `many` stands where a int should be"}},
		{"section of a wrong type", "log: loud\n", nil, []string{"c.yaml: line 1: a str `loud` stands where a Log should be"}},
		{"no YAML", "a: [\n", nil, []string{"c.yaml: line"}},
		{"two documents", "instance: a\n---\ninstance: b\n", nil, []string{"c.yaml: there is a second document"}},
		{"doubled key", "instance: a\ninstance: b\n", nil, []string{`line 2: mapping key "instance" already defined`}},
		{"no file", "", []string{"--config=/no/such/file"}, []string{"read the configuration", "/no/such/file"}},
		{"number flag", "", []string{"--kubelet-port=x"}, []string{`"x" is not a number`, "--kubelet-port"}},
		{"instance", "instance: Ä\n", nil, []string{`instance: "Ä" is not a name`}},
		{"paths", "stateDir: a\nrunDir: ''\n", nil, []string{`stateDir: "a" is not an absolute path`, `runDir: "" is not`}},
		{"log", "log: {level: loud, format: xml}\n", nil, []string{`log.level: "loud" is none of`, `log.format: "xml" is neither`}},
		{"open without TLS", "", []string{"--api-listen=0.0.0.0:9517"},
			[]string{"api.listen: 0.0.0.0:9517 is reachable from other machines, and without TLS the token of every caller could be read on the way; set api.tlsCertFile"}},
		{"every address without TLS", "", []string{"--api-listen=:9517"}, []string{"api.listen: :9517 is reachable"}},
		{"name without TLS", "", []string{"--api-listen=host:9517"}, []string{"api.listen: host:9517 is reachable"}},
		{"listen", "", []string{"--api-listen=9517"}, []string{`api.listen: "9517" is not host:port or unix:///path`}},
		{"listen nowhere", "api: {listen: []}\n", nil, []string{"api.listen: names no address"}},
		{"one of two without TLS", "api: {listen: ['127.0.0.1:1', '0.0.0.0:1']}\n", nil, []string{"api.listen: 0.0.0.0:1 is reachable"}},
		{"listen on a map", "api: {listen: {a: b}}\n", nil, []string{"c.yaml: line 1: a map"}},
		{"socket of no path", "", []string{"--api-listen=unix://api.sock"}, []string{`api.listen: "unix://api.sock" names no absolute path`}},
		{"socket for all", "api: {socketMode: '0666'}\n", nil, []string{`api.socketMode: "0666" is neither 0600 nor 0660`}},
		{"open without tokens", "", []string{"--api-listen=10.0.0.1:1", "--api-insecure-no-auth", "--api-tls-cert=/c", "--api-tls-key=/k"},
			[]string{"api.insecureNoAuth: makes everybody the administrator who reaches 10.0.0.1:1"}},
		{"client CA", "", []string{"--api-client-ca=/ca"}, []string{"api.clientCAFile: is for TLS", "api.callersFile says"}},
		{"limits", "api: {limits: {perIdentity: -1, unknownBurst: -2}}\n", nil, []string{"api.limits.perIdentity: -1 is negative", "api.limits.unknownBurst: -2"}},
		{"Keystone's user", "api: {keystone: {url: 'http://k:5000/v3', userDomain: ''}}\n", nil, []string{"api.keystone.username: is missing",
			"api.keystone.passwordFile: is missing", "api.keystone.project: is missing", "api.keystone.userDomain: is missing"}},
		{"Keystone's URL", "api: {keystone: {url: 'k:5000', publicURL: k, cacheTTL: 0s}}\n", nil, []string{`api.keystone.url: "k:5000" is not like`,
			`api.keystone.publicURL: "k" is not like`, `api.keystone.cacheTTL: "0s" is no duration above 0, such as 1m`}},
		{"no Keystone", "api: {keystone: {username: u, caFile: /c}}\n", nil, []string{"api.keystone.username: is for a Keystone", "api.keystone.caFile: is for"}},
		{"port", "", []string{"--api-listen=127.0.0.1:99999"}, []string{`is not host:port`}},
		{"half TLS", "", []string{"--api-tls-cert=/c"}, []string{"api.tlsKeyFile: is missing: api.tlsCertFile is set"}},
		{"other half", "", []string{"--api-tls-key=/k"}, []string{"api.tlsCertFile: is missing"}},
		{"idle for a word", "api: {streamIdleTimeout: long}\n", nil, []string{`api.streamIdleTimeout: "long" is no duration above 0, such as 4h`}},
		{"sockets of HTTP", "api: {websocketURL: 'http://zun.example'}\n", nil, []string{`api.websocketURL: "http://zun.example" is not like wss://`}},
		{"public nowhere", "hosts: [{endpoint: 'unix:///a', publicAddress: 'a b'}]\n", nil, []string{`hosts[0].publicAddress: "a b" is neither`}},
		{"told in the clear", "notifications: [{url: 'http://hooks.example'}]\n", nil, []string{`notifications[0].url: hooks.example is on another machine`}},
		{"told of no event", "notifications: [{url: 'https://hooks.example', events: ['[']}]\n", nil, []string{`notifications[0].events: "[" is not like`}},
		{"told nowhere", "notifications: [{secretFile: /x}]\n", nil, []string{`notifications[0].url: is not like https://`}},
		{"idle for nothing", "api: {streamIdleTimeout: 0s}\n", nil, []string{`api.streamIdleTimeout: "0s" is no duration above 0`}},
		{"body", "api: {maxBodyBytes: 0}\n", nil, []string{"api.maxBodyBytes: 0 is not positive"}},
		{"etcd endpoint", "", []string{"--etcd-endpoints=etcd:2379"}, []string{`store.endpoints: "etcd:2379" is not like`}},
		{"etcd certificate", "", []string{"--etcd-cert=/c", "--etcd-key=/k"}, []string{"store.certFile: is for an etcd cluster"}},
		{"etcd password", "store: {endpoints: ['https://e:1'], username: u}\n", nil, []string{"store.username: and store.passwordFile go together"}},
		{"prefix", "store: {prefix: x}\n", nil, []string{`store.prefix: "x" is not like /capsulet/`}},
		{"quota", "quota: {cpu: -2}\n", nil, []string{"quota.cpu: -2 is less than -1, which is no limit"}},
		{"engine network", "networks: {engine: [host, 'a b']}\n", nil,
			[]string{"networks.engine[0]: host is not a network that can be chosen", `networks.engine[1]: "a b" is not the name of a network`}},
		{"no hosts", "hosts: []\n", nil, []string{"hosts: names no Docker host"}},
		{"hosts twice", "hosts: [{name: a, endpoint: 'unix:///a'}, {name: a, endpoint: 'unix:///a'}]\n", nil,
			[]string{`hosts[1].name: "a" is the name of hosts[0] too`, `hosts[1].endpoint: "unix:///a" is the endpoint of hosts[0] too`}},
		{"host name", "hosts: [{name: a/b, endpoint: 'unix:///a'}]\n", nil, []string{`hosts[0].name: "a/b" has other`}},
		{"host address", "hosts: [{address: here, endpoint: 'unix:///a'}]\n", nil, []string{`hosts[0].address: "here" is not an IP`}},
		{"engine on the network", "", []string{"--docker-endpoint=tcp://10.0.0.1:2375"},
			[]string{"hosts[0].endpoint: tcp://10.0.0.1:2375 is on the network, and without mutual TLS whoever reaches it is root there"}},
		{"engine without port", "", []string{"--docker-endpoint=tcp://10.0.0.1"}, []string{"is not like tcp://host:2376"}},
		{"engine scheme", "", []string{"--docker-endpoint=ssh://a"}, []string{"neither unix nor tcp"}},
		{"engine path", "", []string{"--docker-endpoint=/var/run/docker.sock"}, []string{"is not like unix:///"}},
		{"relative socket", "", []string{"--docker-endpoint=unix://docker.sock"}, []string{"names no absolute path"}},
		{"node", "node: {name: A, address: x, kubeletListen: y, kubeletPort: 0, maxPods: 0}\n", nil, []string{`node.name: "A"`,
			`node.address: "x"`, `node.kubeletListen: "y"`, "node.kubeletPort: 0", "node.maxPods: 0"}},
		{"labels", "node: {labels: {'a b': c, d: 'e f'}}\n", nil, []string{"node.labels: a b=c:", "node.labels: d=e f:"}},
		{"taint", "", []string{"--node-taint=a=b"}, []string{`node.taint: "a=b" is not key[=value]:effect`}},
		{"reserved", "node: {reserved: {cpu: much, memory: -1}}\n", nil, []string{`node.reserved.cpu: "much"`, `node.reserved.memory: "-1"`}},
		{"kubelet certificate", "node: {servingKeyFile: /k}\n", nil, []string{"node.servingCertFile: is missing"}},
	} {
		_, err := load(t, tc.file, nil, tc.args)
		if err == nil {
			t.Errorf("%s: was accepted", tc.name)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in:\n%v", tc.name, want, err)
			}
		}
	}
	if _, err := load(t, "", []string{"CAPSULET_NODE_MAX_PODS=x"}, nil); err == nil || !strings.Contains(err.Error(), "CAPSULET_NODE_MAX_PODS") {
		t.Errorf("bad environment: %v", err)
	}
}

func TestGood(t *testing.T) {
	for name, args := range map[string][]string{
		"open with TLS": {"--api-listen=0.0.0.0:9517", "--api-tls-cert=/c", "--api-tls-key=/k"},
		"loopback 6":    {"--api-listen=[::1]:0"},
		"localhost":     {"--api-listen=localhost:9517"},
		"socket too":    {"--api-listen=unix:///run/c.sock", "--api-listen=127.0.0.1:0"},
		"open here":     {"--api-listen=[::1]:1", "--api-insecure-no-auth"},
		"tcp loopback":  {"--docker-endpoint=tcp://127.0.0.1:2375"},
		"no taint":      {"--node-no-taint", "--node-taint="},
		"short taint":   {"--node-taint=a:NoExecute"},
	} {
		if _, err := load(t, "", nil, args); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, file := range []string{"api: {listen: 'unix:///a'}\n", "api: {listen: [unix:///a]}\n"} {
		if c, err := load(t, file, nil, nil); err != nil || !cmp.Equal(c.API.Listen, Addresses{"unix:///a"}) {
			t.Errorf("%s: %v %v", file, c, err)
		}
	}
	for url, want := range map[string]bool{"http://k:5000": true, "https://k:5000": false, "http://127.0.0.1:5000/v3": false, "": false} {
		if k := (Keystone{URL: url}); k.Clear() != want {
			t.Errorf("%q: in the clear: %v", url, !want)
		}
	}
	if _, err := load(t, "# nothing\n", nil, nil); err != nil {
		t.Errorf("empty file: %v", err)
	}
}
