package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What `down` deletes depends on whose cluster it is, so .dev decides, not the environment of today's shell.
func TestWhoseClusterItIs(t *testing.T) {
	for _, row := range []struct {
		name string
		dev  []string // what is in .dev
		env  string   // $ is .dev
		own  bool
		want string
		not  string // what of the environment is ignored
	}{
		{"a fresh clone", nil, "", true, "$/controlplane/admin.kubeconfig", ""},
		{"a fresh clone and a cluster", nil, "/etc/k", false, "/etc/k", ""},
		{"our control plane runs", []string{"controlplane", "kubeconfig"}, "", true, "$/controlplane/admin.kubeconfig", ""},
		{"our control plane and .dev/env", []string{"controlplane", "kubeconfig"}, "$/kubeconfig", true, "$/controlplane/admin.kubeconfig", ""},
		{"our control plane and another cluster", []string{"controlplane", "kubeconfig"}, "/etc/k", true, "$/controlplane/admin.kubeconfig", "/etc/k"},
		{"a cluster was joined", []string{"kubeconfig"}, "/etc/k", false, "/etc/k", ""},
		{"a cluster was joined, from another shell", []string{"kubeconfig"}, "", false, "$/kubeconfig", ""},
		{"a cluster was joined, and .dev/env", []string{"kubeconfig"}, "$/kubeconfig", false, "$/kubeconfig", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			dev := t.TempDir()
			for _, name := range row.dev {
				if err := os.Mkdir(filepath.Join(dev, name), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			env, want := strings.Replace(row.env, "$", dev, 1), strings.Replace(row.want, "$", dev, 1)
			w := &world{dir: dev}
			if err := w.chooseCluster(env); err != nil {
				t.Fatal(err)
			}
			if w.ownCluster != row.own || w.kubeconfig != want || w.ignored != row.not {
				t.Errorf("own=%v kubeconfig=%s ignored=%q", w.ownCluster, w.kubeconfig, w.ignored)
			}
		})
	}
}
