package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/runtime"
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
		if got := mayLowerOOMScore(machine(t, tt.files)); got != tt.may {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// A far host's engine is not asked before: the first start that it refuses for the score tells, and what is made after that
// has none that is negative. Scores that are not negative stay.
func TestScoresOfAnEngineThatRefusesNegativeOnes(t *testing.T) {
	score, made, created := -997, []int{}, 0
	h := against(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
		case strings.HasSuffix(r.URL.Path, "/containers/create"):
			var asked struct{ HostConfig struct{ OomScoreAdj int } }
			if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
				t.Error(err)
			}
			made = append(made, asked.HostConfig.OomScoreAdj)
			created++
			_, _ = fmt.Fprintf(w, `{"Id":"c%d"}`, created)
		case strings.HasSuffix(r.URL.Path, "/start"):
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprintf(w, `{"message":"runc did not start: %s"}`, "can't get final child's PID from pipe: EOF")
		default: // inspect
			_, _ = io.WriteString(w, `{"Id":"c1","State":{"Status":"created"},"Config":{"Labels":{"io.capsulet.instance":"i"}},
				"HostConfig":{"OomScoreAdj":-997}}`)
		}
	})
	cfg := runtime.ContainerConfig{Name: "n", Identity: runtime.Identity{Capsule: "u"}, Image: "x", OOMScoreAdj: &score}
	id, err := h.Create(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context(), id); err == nil || !h.dropOOMScore.Load() {
		t.Errorf("start: %v", err)
	}
	for _, score = range []int{-997, 1000} {
		if _, err := h.Create(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(made, []int{-997, 0, 1000}) {
		t.Errorf("scores %v", made)
	}
}
