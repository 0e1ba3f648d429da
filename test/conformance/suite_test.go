package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const sampleReport = `[{"SpecReports":[
 {"LeafNodeType":"SynchronizedBeforeSuite","State":"passed"},
 {"ContainerHierarchyTexts":["[sig-node] Pods Extended (pod generation) [Feature:X]","inner"],"LeafNodeText":"works","LeafNodeType":"It","State":"passed","NumAttempts":1,"RunTime":2000000000},
 {"ContainerHierarchyTexts":["[sig-node] Pods"],"LeafNodeText":"is filtered out","LeafNodeType":"It","State":"skipped","NumAttempts":0},
 {"ContainerHierarchyTexts":["[sig-node] Pods"],"LeafNodeText":"skips itself","LeafNodeType":"It","State":"skipped","NumAttempts":1,
  "Failure":{"Message":"\n  not here\nreally","Location":{"FileName":"/a/test/e2e/b.go","LineNumber":7}}},
 {"ContainerHierarchyTexts":["[sig-storage] EmptyDir"],"LeafNodeText":"fails","LeafNodeType":"It","State":"failed","NumAttempts":1,
  "Failure":{"Message":"Told to stop\n status:\n  message: 'no a|b'\n  message: 'no a|b'","Location":{"FileName":"x@v1/test/e2e/c.go","LineNumber":9}}}
]}]`

func sample(t *testing.T) result {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(path, []byte(sampleReport), 0o600); err != nil {
		t.Fatal(err)
	}
	specs, err := readReport(path)
	if err != nil {
		t.Fatal(err)
	}
	return result{specs: specs, began: time.Unix(0, 0), procs: 2, about: []string{"engine: Docker 1"}}
}

func TestReadReport(t *testing.T) {
	got := sample(t).specs
	want := []spec{
		{Name: "[sig-node] Pods Extended (pod generation) [Feature:X] inner works", Family: "[sig-node] Pods Extended (pod generation)", State: "passed", Took: 2 * time.Second},
		{Name: "[sig-node] Pods skips itself", Family: "[sig-node] Pods", State: "skipped", Failure: "not here", Where: "test/e2e/b.go:7"},
		{Name: "[sig-storage] EmptyDir fails", Family: "[sig-storage] EmptyDir", State: "failed", Failure: "Told to stop; no a|b", Where: "test/e2e/c.go:9"},
	}
	if len(got) != len(want) {
		t.Fatalf("specs: %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("spec %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func TestVerdict(t *testing.T) {
	r := sample(t)
	defer func(was map[string]string) { known = was }(known)
	for _, c := range []struct {
		name  string
		known map[string]string
		whole bool
		want  string // in the error; empty: none
	}{
		{"nothing known", nil, true, "EmptyDir fails"},
		{"all known", map[string]string{"skips itself": "a", "EmptyDir fails": "b"}, true, ""},
		{"one is not needed", map[string]string{"skips itself": "a", "EmptyDir fails": "b", "gone": "c"}, true, `"gone"`},
		{"one is not needed by a part", map[string]string{"skips itself": "a", "EmptyDir fails": "b", "gone": "c"}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			known = c.known
			err := r.verdict(c.whole)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("verdict: %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestMarkdown(t *testing.T) {
	defer func(was map[string]string) { known = was }(known)
	known = map[string]string{"EmptyDir fails": "the reason"}
	text := sample(t).markdown()
	for _, want := range []string{
		"**1 of 3 specs passed** on 1970-01-01", "| engine | Docker 1 |", "| [sig-node] Pods Extended (pod generation) | 1 | 0 | 2s |",
		`| [sig-storage] EmptyDir fails | Told to stop; no a\|b (test/e2e/c.go:9) | the reason |`, "| not known yet |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestWithoutSlow(t *testing.T) {
	defer func(was []string) { slow = was }(slow)
	slow = []string{"waits", "gone"}
	fast, unused := withoutSlow([]string{"this waits", "this does not", "that waits"})
	if len(fast) != 1 || fast[0] != "this does not" || len(unused) != 1 || unused[0] != "gone" {
		t.Errorf("fast %q, unused %q", fast, unused)
	}
}
