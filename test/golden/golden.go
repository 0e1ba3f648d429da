// Package golden compares what a function makes of testdata/<dir>/*.in.yaml with the .out.yaml beside it, for tests of pure
// rooms. -update writes the outputs anew; a diff of them is then reviewed like code.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// Update says that golden files are written, not compared.
var Update = flag.Bool("update", false, "write the golden files")

// Run runs every testdata/<dir>/*.in.yaml and compares with its .out.yaml.
func Run(t *testing.T, dir string, run func(*testing.T, []byte) any) {
	t.Helper()
	inputs, err := filepath.Glob(filepath.Join("testdata", dir, "*.in.yaml"))
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no golden files in %s: %v", dir, err)
	}
	for _, path := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".in.yaml"), func(t *testing.T) {
			in, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := yaml.Marshal(run(t, in))
			if err != nil {
				t.Fatal(err)
			}
			out := strings.TrimSuffix(path, ".in.yaml") + ".out.yaml"
			if *Update {
				if err := os.WriteFile(out, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != string(got) {
				t.Errorf("%s differs (go test -update rewrites it); got\n%s", out, got)
			}
		})
	}
}

// Parse reads an input; a field that is not known fails.
func Parse(t *testing.T, in []byte, to any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(in, to); err != nil {
		t.Fatal(err)
	}
}
