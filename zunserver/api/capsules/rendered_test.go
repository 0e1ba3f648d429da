package capsules

import (
	"fmt"
	"testing"
)

// TestRendered: what is kept is made once, for a second, and not more of it than is allowed.
func TestRendered(t *testing.T) {
	var k rendered
	made := 0
	get := func(key rendering, second int64, size int) string {
		b, err := k.get(key, second, func() ([]byte, error) {
			made++
			return fmt.Appendf(make([]byte, size), "%d", made), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(b[size:])
	}
	a, b := rendering{uuid: "a", revision: 1}, rendering{uuid: "a", revision: 2}
	for i, row := range []struct {
		key    rendering
		second int64
		want   string
	}{{a, 7, "1"}, {a, 7, "1"}, {b, 7, "2"}, {a, 7, "1"}, {a, 8, "3"}, {b, 8, "4"}, {b, 8, "4"}} {
		if got := get(row.key, row.second, 0); got != row.want {
			t.Errorf("%d: %+v in second %d is %s, want %s", i, row.key, row.second, got, row.want)
		}
	}
	for i := range 100 {
		get(rendering{uuid: fmt.Sprint(i)}, 9, 1<<20)
		if k.bytes > maxRendered+1<<20+10 {
			t.Fatalf("%d bytes are kept", k.bytes)
		}
	}
	if _, err := k.get(rendering{uuid: "bad"}, 9, func() ([]byte, error) { return nil, fmt.Errorf("no") }); err == nil {
		t.Error("an error is not told")
	}
}
