package oomscore

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCapability(t *testing.T) {
	if !hasCapability([]byte("Name:\tx\nCapEff:\t000001ffffffffff\n"), capSysResource) {
		t.Error("it has the capability")
	}
	if hasCapability([]byte("CapEff:\t00000000fe7fffff\nCapBnd:\t000001ffffffffff\n"), 23) {
		t.Error("it lacks the capability")
	}
	if !hasCapability([]byte("nothing"), capSysResource) {
		t.Error("when in doubt it may")
	}
}

// machine is a tree of files below a new root.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMayLowerOOMScore(t *testing.T) {
	const all, lacks = "CapEff:\t000001ffffffffff\n", "CapEff:\t000001fffeffffff\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		may   bool
	}{
		{"the engine may", map[string]string{"var/run/docker.pid": "7\n", "proc/7/status": all, "proc/self/status": lacks}, true},
		{"the engine lacks it", map[string]string{"var/run/docker.pid": "7", "proc/7/status": lacks, "proc/self/status": all}, false},
		{"no engine is found, we may", map[string]string{"proc/self/status": all}, true},
		{"no engine is found, we lack it", map[string]string{"proc/self/status": lacks}, false},
		{"no number", map[string]string{"var/run/docker.pid": "x", "proc/self/status": lacks}, false},
		{"nothing is known", nil, true},
	} {
		if got := MayLower(machine(t, tt.files)); got != tt.may {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
