package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	yaml "go.yaml.in/yaml/v3"
)

// fileVariable names the file in the environment, as --config does.
const fileVariable = "CAPSULET_CONFIG"

// flagTable is the flags and the keys that they set.
var flagTable = []struct{ flag, path, usage string }{
	{"instance", "instance", "tells this server's objects from another's on the same hosts"},
	{"state-dir", "stateDir", "directory that survives reboots"},
	{"run-dir", "runDir", "directory on a tmpfs"},
	{"seccomp-dir", "seccompDir", "directory of the seccomp profiles that containers may ask for"},
	{"log-level", "log.level", "error, warning, info, debug or trace"},
	{"log-format", "log.format", "text or json"},
	{"api-listen", "api.listen", "address of the capsule API, host:port or unix:///path; needs TLS unless it is loopback; may be repeated"},
	{"api-tls-cert", "api.tlsCertFile", "certificate of the capsule API"},
	{"api-tls-key", "api.tlsKeyFile", "key of that certificate"},
	{"api-client-ca", "api.clientCAFile", "authorities of client certificates for the capsule API"},
	{"api-callers-file", "api.callersFile", "callers besides the administrator, by tokens and certificates"},
	{"api-policy-file", "api.policyFile", "who may do what, in the form of oslo.policy"},
	{"api-insecure-no-auth", "api.insecureNoAuth", "take everybody on this machine for the administrator"},
	{"api-token-file", "api.tokenFile", "the administrator's token (default <state-dir>/admin.token, generated)"},
	{"etcd-endpoints", "store.endpoints", "etcd cluster, separated by commas (default: embedded in <state-dir>/etcd)"},
	{"etcd-cert", "store.certFile", "client certificate for etcd"},
	{"etcd-key", "store.keyFile", "key of that certificate"},
	{"etcd-ca", "store.caFile", "CA of etcd's certificate"},
	{"seal-key-file", "store.sealKeyFile", "key that records are sealed with (default <state-dir>/seal.key, generated)"},
	{"docker-endpoint", "hosts", "Docker host; may be repeated, replaces the hosts of the file"},
	{"sandbox-image", "sandboxImage", "image for the sandbox in place of the built-in one"},
	{"kubeconfig", "node.kubeconfig", "kubeconfig of the cluster (default: in-cluster)"},
	{"node-name", "node.name", "name of the virtual node"},
	{"node-address", "node.address", "IP address that the cluster reaches the node by"},
	{"node-labels", "node.labels", "labels of the node, name=value separated by commas"},
	{"node-taint", "node.taint", "taint of the node, key[=value]:effect"},
	{"node-no-taint", "node.noTaint", "leave the node without a taint"},
	{"node-max-pods", "node.maxPods", "how many pods the node takes"},
	{"kubelet-port", "node.kubeletPort", "port of the kubelet API"},
	{"kubelet-listen", "node.kubeletListen", "IP address of the kubelet API (default: every one)"},
}

// Flags are the command line's part of the configuration.
type Flags struct {
	file   string
	values []*flagValue
}

// Bind defines the flags on fs. Load is to be called after fs was parsed.
func Bind(fs *pflag.FlagSet) *Flags {
	f := new(Flags)
	fs.StringVar(&f.file, "config", "", "configuration file (YAML)")
	defaults := Default()
	known := keys(&defaults)
	for _, row := range flagTable {
		i := slices.IndexFunc(known, func(k key) bool { return k.path == row.path })
		v := &flagValue{path: row.path, shown: known[i].text(), kind: known[i].value.Type().String()}
		f.values = append(f.values, v)
		if fs.VarPF(v, row.flag, "", row.usage); v.kind == "bool" {
			fs.Lookup(row.flag).NoOptDefVal = "true"
		}
	}
	return f
}

// flagValue keeps what the command line said, for Load to apply after the file and the environment.
type flagValue struct {
	path, kind string
	shown      string // default or given, for the usage
	given      []string
}

// String implements pflag.Value.
func (v *flagValue) String() string { return v.shown }

// Type implements pflag.Value.
func (v *flagValue) Type() string {
	switch v.kind {
	case "bool", "int", "string":
		return v.kind
	}
	return "list"
}

// Set implements pflag.Value. A list that is given twice is joined.
func (v *flagValue) Set(s string) error {
	if v.Type() != "list" {
		v.given = nil
	}
	v.given = append(v.given, s)
	v.shown = strings.Join(v.given, ",")
	var scratch Config
	return v.apply(&scratch)
}

func (v *flagValue) apply(c *Config) error {
	if v.given == nil {
		return nil
	}
	for _, k := range keys(c) {
		if k.path == v.path {
			return k.set(v.shown)
		}
	}
	return fmt.Errorf("there is no key %s", v.path)
}

// Load returns the valid configuration that the flags, the environment (as os.Environ gives it) and the file named by one
// of them say together.
func (f *Flags) Load(environ []string) (*Config, error) {
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	file := f.file
	if file == "" {
		file = env[fileVariable]
	}
	c := Default()
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the configuration: %w", err)
		}
		if err := decode(file, b, &c); err != nil {
			return nil, err
		}
	}
	var errs []error
	for _, k := range keys(&c) {
		value, ok := env[k.variable()]
		if !ok {
			continue
		}
		if err := k.set(value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: %w", k.variable(), err))
		}
	}
	for _, v := range f.values {
		if err := v.apply(&c); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", v.path, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.complete()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &c, nil
}

// decode reads one YAML document over c; the file's name and the line are in every error.
func decode(file string, b []byte, c *Config) error {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	err := d.Decode(c)
	if errors.Is(err, io.EOF) {
		return nil // nothing but comments
	}
	if err == nil {
		if err = d.Decode(new(yaml.Node)); errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("%s: there is a second document (after ---)", file)
	}
	typed, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var errs []error
	for _, text := range typed.Errors {
		errs = append(errs, fmt.Errorf("%s: %s", file, explain(text)))
	}
	return errors.Join(errs...)
}

var (
	unknownField = regexp.MustCompile(`field (\S+) not found in type config\.(\w+)`)
	wrongType    = regexp.MustCompile("cannot unmarshal !!(\\w+) (`.*` )?into (config\\.)?(\\S+)")
)

// explain turns the decoder's words about Go types into words about the file.
func explain(text string) string {
	text = unknownField.ReplaceAllStringFunc(text, func(s string) string {
		m := unknownField.FindStringSubmatch(s)
		if m[2] == "Config" {
			return fmt.Sprintf("unknown key %q", m[1])
		}
		return fmt.Sprintf("unknown key %q in %s", m[1], sectionOf(m[2]))
	})
	return wrongType.ReplaceAllString(text, "a $1 ${2}stands where a $4 should be")
}

// sectionOf names the section of the file that the type stands for.
func sectionOf(typeName string) string {
	return map[string]string{"Log": "log", "API": "api", "Keystone": "api.keystone", "Limits": "api.limits", "Store": "store", "Host": "hosts", "HostTLS": "hosts.tls",
		"Node": "node", "Reserved": "node.reserved"}[typeName]
}
