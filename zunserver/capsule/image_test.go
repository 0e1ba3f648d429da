package capsule

import (
	"testing"
	"time"
)

func TestWhenAPullIsDue(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name string
		of   HostImage
		due  bool
		next time.Duration // after at; 0 is never
	}{
		{"just asked for", HostImage{AskedAt: at}, true, 0},
		{"there", HostImage{AskedAt: at, TriedAt: at.Add(1)}, false, 0},
		{"asked for again", HostImage{AskedAt: at, TriedAt: at.Add(-1), Failure: "x", Final: true}, true, 0},
		{"failed for good", HostImage{AskedAt: at, TriedAt: at, Failure: "x", Final: true, Tries: 1}, false, 0},
		{"failed once", HostImage{AskedAt: at, TriedAt: at, Failure: "x", Tries: 1}, false, 10 * time.Second},
		{"failed three times", HostImage{AskedAt: at, TriedAt: at, Failure: "x", Tries: 3}, false, 40 * time.Second},
		{"failed a while ago", HostImage{AskedAt: at.Add(-time.Hour), TriedAt: at.Add(-time.Hour), Failure: "x", Tries: 3}, true, 0},
	} {
		due, next := row.of.Due(at)
		if due != row.due || row.next > 0 && !next.Equal(at.Add(row.next)) {
			t.Errorf("%s: %v, %v", row.name, due, next)
		}
	}
}
