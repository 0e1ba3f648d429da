package documents

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.yml": "b: 1\n", "a.yaml": "# head\n---\na: 1\n---\n# nothing\n---\na: 2\n", "c.json": `{"c": 1}`, "d.txt": "d", "empty.yaml": "# nothing\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "e.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	docs, err := Files{dir, "-"}.Read(strings.NewReader("input: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range docs {
		got = append(got, filepath.Base(d.Source)+" "+strings.TrimSpace(string(d.Body)))
	}
	want := "a.yaml, document 1 a: 1|a.yaml, document 2 a: 2|b.yml b: 1|c.json {\"c\": 1}|input input: 1"
	if strings.Join(got, "|") != want {
		t.Errorf("%q, want %q", strings.Join(got, "|"), want)
	}
	for _, files := range []Files{{filepath.Join(dir, "nope.yaml")}, {filepath.Join(dir, "empty.yaml")}} {
		if _, err := files.Read(nil); err == nil || !strings.Contains(err.Error(), files[0]) {
			t.Errorf("%v: %v", files, err)
		}
	}
	if _, err := (Files{"-"}).Read(strings.NewReader(strings.Repeat("a", maxBytes+1))); err == nil || !strings.Contains(err.Error(), "16 MiB") {
		t.Errorf("a large input: %v", err)
	}
}
