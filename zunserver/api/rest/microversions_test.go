package rest

import (
	"net/http"
	"testing"
)

// The table has no gap, ends at Zun's newest, and says something of each.
func TestMicroversions(t *testing.T) {
	for i, m := range Microversions {
		if m.Minor != i+1 || m.Adds == "" {
			t.Errorf("row %d: %+v", i, m)
		}
	}
	if MinVersion != V(1) || MaxVersion != V(40) {
		t.Errorf("%s to %s", MinVersion, MaxVersion)
	}
}

func TestRequestedVersion(t *testing.T) {
	for _, tc := range []struct {
		header []string
		want   string // empty: refused
	}{
		{nil, "1.1"},
		{[]string{"container 1.32"}, "1.32"},
		{[]string{"Container LATEST"}, "1.40"},
		{[]string{"application-container 1.32"}, "1.32"},
		{[]string{"compute 2.1, container 1.5"}, "1.5"},
		{[]string{"compute 2.1", "container 1.6"}, "1.6"},
		{[]string{"compute 2.1"}, ""},
		{[]string{"container"}, ""},
		{[]string{"container 1"}, ""},
		{[]string{"container 1.41"}, ""},
		{[]string{"container 1.0"}, ""},
		{[]string{"container 2.1"}, ""},
		{[]string{"container 1.-1"}, ""},
		{[]string{"container one"}, ""},
	} {
		h := http.Header{}
		for _, v := range tc.header {
			h.Add("OpenStack-API-Version", v)
		}
		got, err := requested(h)
		if (err != nil) != (tc.want == "") || err == nil && got.String() != tc.want {
			t.Errorf("%q: %s, %v", tc.header, got, err)
		}
	}
}
