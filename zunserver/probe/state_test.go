package probe

import "testing"

// TestState walks sequences of results (+ success, - failure) and says what the verdict is after each of them: good (g),
// not good (b), to be killed (k).
func TestState(t *testing.T) {
	for _, row := range []struct {
		name              string
		kind              Kind
		success, failure  int32
		results, verdicts string
	}{
		{"readiness begins as not ready and fails at once", Readiness, 1, 1, "-+-+", "bgbg"},
		{"readiness waits for its thresholds in both directions", Readiness, 2, 3, "++---++", "bgggbbg"},
		{"a result of the other kind starts the count anew", Readiness, 2, 2, "+-+-++-+-", "bbbbbgggg"},
		{"readiness kills nobody", Readiness, 1, 1, "------", "bbbbbb"},
		{"liveness begins as healthy", Liveness, 1, 3, "--+--+", "gggggg"},
		{"liveness kills at its threshold", Liveness, 1, 3, "---", "ggk"},
		{"start-up begins as not started", Startup, 1, 3, "--+", "bbg"},
		{"start-up kills at its threshold", Startup, 1, 2, "--", "bk"},
		{"thresholds of zero are one", Readiness, 0, 0, "+-", "gb"},
	} {
		t.Run(row.name, func(t *testing.T) {
			st, got := newState(row.kind), ""
			for _, r := range row.results {
				st = st.next(r == '+', row.success, row.failure)
				switch {
				case st.fatal(row.failure):
					got += "k"
				case st.good:
					got += "g"
				default:
					got += "b"
				}
			}
			if got != row.verdicts {
				t.Errorf("after %s: %s, want %s", row.results, got, row.verdicts)
			}
		})
	}
}
