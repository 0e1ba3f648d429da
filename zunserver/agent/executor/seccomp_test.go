package executor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSeccompProfile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seccomp")
	outside := filepath.Join(filepath.Dir(dir), "secret.json")
	for path, content := range map[string]string{"a.json": `{"defaultAction":"SCMP_ACT_LOG"}`, "sub/b.json": `{}`, "bad": "{",
		"large": strings.Repeat(" ", maxProfile+1), outside: `{}`} {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"out": outside, "within": "a.json", "up": "../secret.json"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ name, want, failed string }{
		{"a.json", `{"defaultAction":"SCMP_ACT_LOG"}`, ""},
		{"sub/b.json", `{}`, ""},
		{"within", `{"defaultAction":"SCMP_ACT_LOG"}`, ""},
		{"none.json", "", `none.json": no such file or directory`},
		{"bad", "", "it is not JSON"},
		{"large", "", "it is too large"},
		{"sub", "", "is a directory"},
		{"../secret.json", "", "path escapes from parent"},
		{"out", "", "path escapes from parent"},
		{"up", "", "path escapes from parent"},
	} {
		got, err := seccompProfile(dir, row.name)
		if got != row.want || (err == nil) != (row.failed == "") || err != nil && !strings.Contains(err.Error(), row.failed) {
			t.Errorf("%s: %q, %v; want %q, %q", row.name, got, err, row.want, row.failed)
		}
	}
	if _, err := seccompProfile(filepath.Join(dir, "nowhere"), "x"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no directory: %v", err)
	}
}
