package logs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/pkg/stdcopy"
)

// kept is a log as an engine keeps it.
type kept struct {
	at   []time.Time
	text []string // with the end of the line, if it has one
}

func (k *kept) add(at time.Time, text string) { k.at, k.text = append(k.at, at), append(k.text, text) }

// sent are the last entries of those since then, as the engine sends them.
func (k *kept) sent(since time.Time, tail int) *bytes.Buffer {
	var b bytes.Buffer
	w := stdcopy.NewStdWriter(&b, stdcopy.Stdout)
	for i := max(0, len(k.at)-tail); i < len(k.at); i++ {
		if !k.at[i].Before(since) {
			fmt.Fprintf(w, "%s %s", k.at[i].UTC().Format(stampForm), k.text[i])
		}
	}
	return &b
}

// Whatever the readings are, of long lines and of entries that are a little older than the one before: what is written is the
// log, each entry once.
func TestFollower(t *testing.T) {
	for range 30 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test's
		var k kept
		var out strings.Builder
		f := NewFollower(false, &out, nil)
		at := time.Unix(1000, 0)
		if err := f.Begin(k.sent(time.Time{}, 100), false); err != nil {
			t.Fatal(err)
		}
		for range 40 {
			for range r.IntN(20) {
				at = at.Add(time.Duration(1+r.IntN(50_000_000)) * time.Nanosecond)
				made := at.Add(-time.Duration(r.IntN(30_000_000)) * time.Nanosecond)
				for range max(0, r.IntN(40)-35) { // few, because each is 16 KiB
					k.add(made, strings.Repeat("x", partLength))
				}
				k.add(made, fmt.Sprintf("line %d\n", len(k.at)))
			}
			for tail, done := 20, false; !done; tail *= 4 { // more than a line has parts
				var err error
				all := tail > len(k.at)
				if done, err = f.Take(k.sent(f.Since(), tail), all); err != nil || all && !done {
					t.Fatalf("seed %d: %v, %v", seed, done, err)
				}
			}
		}
		if want := strings.Join(k.text, ""); out.String() != want {
			t.Fatalf("seed %d: %d bytes, want %d", seed, out.Len(), len(want))
		}
	}
}

func TestFollowerSkips(t *testing.T) {
	at := time.Unix(1000, 0)
	var k kept
	k.add(at, "old\n")
	k.add(at.Add(time.Second), "last\n")
	var out strings.Builder
	f := NewFollower(true, &out, nil)
	if err := f.Begin(k.sent(time.Time{}, 1), true); err != nil || out.Len() > 0 {
		t.Fatalf("%q, %v", out.String(), err)
	}
	k.add(at.Add(time.Minute), "new\n")
	if done, err := f.Take(k.sent(f.Since(), 1), false); done || err != nil || out.Len() > 0 {
		t.Errorf("a reading that does not begin in what is known: %v, %v, %q", done, err, out.String())
	}
	if done, err := f.Take(k.sent(f.Since(), 5), false); !done || err != nil || out.String() != "1970-01-01T00:17:40.000000000Z new\n" {
		t.Errorf("%v, %v, %q", done, err, out.String())
	}
}
