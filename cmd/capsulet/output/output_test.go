package output

import (
	"strings"
	"testing"
)

// TestTable: columns are aligned by characters, rows end without spaces, and later rows keep the columns.
func TestTable(t *testing.T) {
	var b strings.Builder
	table := Table{Head: []string{"NAME", "STATUS"}, Rows: [][]string{{"größe", "Running"}, {"a", ""}}, Colour: func(int, string) string { return "coloured" }}
	if err := table.Write(&b); err != nil {
		t.Fatal(err)
	}
	table.Rows = [][]string{{"b", "Stopped"}}
	if err := table.Write(&b); err != nil {
		t.Fatal(err)
	}
	if want := "NAME    STATUS\ngröße   Running\na\nb       Stopped\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestFormats(t *testing.T) {
	v := map[string]string{"a": "<b>"}
	for format, want := range map[Format]string{
		JSON: "{\n  \"a\": \"<b>\"\n}\n", YAML: "a: <b>\n", Name: "n\nm\n", People: "", Wide: "",
	} {
		var b strings.Builder
		if err := format.Print(&b, v, "n", "m"); err != nil || b.String() != want {
			t.Errorf("%s: %q, %v", format, b.String(), err)
		}
	}
	var f Format
	if err := f.Set("xml"); err == nil || !strings.Contains(err.Error(), "json") {
		t.Errorf("xml: %v", err)
	}
}

func TestStatus(t *testing.T) {
	for word, want := range map[string]string{
		"Running": "\x1b[32mRunning\x1b[0m", "Down,Disabled": "\x1b[31mDown,Disabled\x1b[0m", "web": "web",
	} {
		if got := Status(word); got != want {
			t.Errorf("%s: %q", word, got)
		}
	}
}

func TestWords(t *testing.T) {
	if got := Words([]string{"sh", "-c", "a b", ""}); got != `sh -c "a b" ""` {
		t.Error(got)
	}
}
