package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

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
