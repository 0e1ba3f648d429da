package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// capsulet runs the program with args and returns what it prints and how it ends.
func capsulet(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&bytes.Buffer{})
	root.SetArgs(args)
	err = root.ExecuteContext(ctx)
	if ctx.Err() != nil {
		t.Fatalf("capsulet %v did not end", args)
	}
	return out.String(), err
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBadInputIsNamed: whatever is wrong, the message says which thing it is.
func TestBadInputIsNamed(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	state := t.TempDir()
	dirs := []string{"--state-dir", filepath.Join(state, "state"), "--run-dir", filepath.Join(state, "run")}
	token := file(t, "token", strings.Repeat("0123456789abcdef", 2))
	for _, row := range []struct {
		name string
		args []string
		want []string
	}{
		{"unknown command", []string{"fly"}, []string{`unknown command "fly"`}},
		{"unknown flag", []string{"serve", "--fly"}, []string{"unknown flag: --fly"}},
		{"configuration that is not there", []string{"serve", "--config", "/nope.yaml"}, []string{"/nope.yaml"}},
		{"unknown key", []string{"serve", "--config", file(t, "c.yaml", "api:\n  listne: 127.0.0.1:1\n")}, []string{"c.yaml", "listne"}},
		{"open to others without TLS", []string{"serve", "--api-listen", "0.0.0.0:9517"}, []string{"api.listen", "TLS"}},
		{"port in use", append([]string{"serve", "--api-listen", busy.Addr().String(), "--log-level", "error"}, dirs...),
			[]string{"api.listen", "address already in use"}},
		{"kubeconfig that is not there", append([]string{"run", "--kubeconfig", "/nope.kubeconfig"}, dirs...),
			[]string{"/nope.kubeconfig"}},
		{"kubeconfig that is none", append([]string{"run", "--kubeconfig", file(t, "k", "not: [a kubeconfig")}, dirs...),
			[]string{"node.kubeconfig"}},
		{"token file that everybody reads", append([]string{"serve", "--api-token-file", open(t)}, dirs...), []string{"token"}},
		{"no token for a client", []string{"capsule", "list", "--token-file", "/nope.token"}, []string{"/nope.token", "CAPSULET_TOKEN"}},
		{"server that is not there", []string{"capsule", "list", "--token-file", token, "--url", "http://127.0.0.1:1"},
			[]string{"127.0.0.1:1", "refused"}},
		{"URL that is none", []string{"capsule", "list", "--token-file", token, "--url", "127.0.0.1:9517"}, []string{"127.0.0.1:9517"}},
		{"unknown output", []string{"host", "list", "--token-file", token, "-o", "xml"}, []string{"xml", "json"}},
		{"unknown verb", []string{"capsule", "lst"}, []string{`"lst"`, "capsulet capsule", "list"}},
		{"nothing chosen", []string{"capsule", "delete"}, []string{"--selector", "--all"}},
		{"chosen twice", []string{"capsule", "wait", "web", "--all"}, []string{"exclude each other"}},
		{"two ways to choose", []string{"container", "stop", "-l", "a=b", "--all"}, []string{"selector", "all"}},
		{"selector that is none", []string{"capsule", "list", "-l", "a in"}, []string{"--selector"}},
		{"unknown condition", []string{"capsule", "wait", "web", "--for", "happy"}, []string{"happy", "stopped"}},
		{"watch for programs", []string{"capsule", "list", "-w", "-o", "json"}, []string{"--watch"}},
		{"negative grace", []string{"capsule", "delete", "web", "--grace-period", "-1"}, []string{"--grace-period"}},
		{"grace and force", []string{"capsule", "delete", "web", "--grace-period", "1", "--force"}, []string{"grace-period", "force"}},
		{"directory without templates", []string{"capsule", "create", "-f", t.TempDir()}, []string{"no document"}},
		{"container without an image", []string{"container", "create"}, []string{"image", "-f"}},
		{"image and documents", []string{"container", "create", "web", "-f", "-"}, []string{"exclude each other"}},
		{"nothing to change of a container", []string{"container", "update", "web"}, []string{"--memory"}},
		{"nothing to change of a quota", []string{"quota", "update", "p"}, []string{"--containers"}},
		{"no Keystone", []string{"keystone", "register", "https://zun.example"}, []string{"OS_AUTH_URL", "--os-cloud"}},
		{"pull without a host", []string{"image", "pull", "web"}, []string{"--host"}},
		{"registry without a domain", []string{"registry", "create"}, []string{"--domain"}},
		{"two passwords", []string{"registry", "create", "--domain", "d", "--password-stdin", "--password-file", "f"}, []string{"password"}},
		{"password as an argument", []string{"registry", "create", "--password", "p"}, []string{"unknown flag: --password"}},
		{"network and port", []string{"container", "network-attach", "web", "net", "--port", "p"}, []string{"--port"}},
		{"socket that is not there", []string{"capsule", "list", "--token-file", token, "--endpoint", "unix:///nope.sock"}, []string{"/nope.sock"}},
		{"certificate that is not there", []string{"capsule", "list", "--token-file", token, "--ca-file", "/nope.pem"}, []string{"/nope.pem", "--ca-file"}},
		{"key without a certificate", []string{"capsule", "list", "--token-file", token, "--key", "/nope.key"}, []string{"--cert"}},
		{"template that is not there", []string{"capsule", "create", "-f", "/nope.yaml"}, []string{"/nope.yaml"}},
		{"template with an unknown field", []string{"capsule", "create", "-f", file(t, "t.yaml",
			"kind: capsule\nmetadata: {name: ab}\nspec:\n  containers:\n  - {image: web, imagee: x}\n")}, []string{"t.yaml", "imagee"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := capsulet(t, row.args...)
			if err == nil {
				t.Fatal("it succeeded")
			}
			for _, w := range row.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not name %q", err, w)
				}
			}
		})
	}
}

// open is a token file that everybody may read.
func open(t *testing.T) string {
	t.Helper()
	path := file(t, "open.token", strings.Repeat("0123456789abcdef", 2))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSampleConfigIsPrinted(t *testing.T) {
	out, err := capsulet(t, "config")
	if err != nil || !strings.Contains(out, "stateDir:") {
		t.Errorf("printed %q, error %v", out, err)
	}
}
