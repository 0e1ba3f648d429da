// Package output is how client commands print: tables for people, JSON and YAML for programs, names for shells, and what is under
// way on a terminal.
//
// Tables are the same on a terminal and in a pipe, but for colours, which only a terminal gets and NO_COLOR takes away
// (no-color.org). What is said about the work itself goes to the error output, so that what is printed stays clean.
package output

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"sigs.k8s.io/yaml"
)

// Format is what -o says: empty for a table.
type Format string

// The formats.
const (
	People Format = ""
	Wide   Format = "wide"
	JSON   Format = "json"
	YAML   Format = "yaml"
	Name   Format = "name"
)

// Bind adds the flag.
func (f *Format) Bind(c *cobra.Command) {
	c.Flags().VarP(f, "output", "o", "json, yaml, name or wide; for people when empty")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml", "name", "wide"}, cobra.ShellCompDirectiveNoFileComp))
}

// String implements pflag.Value.
func (f *Format) String() string { return string(*f) }

// Type implements pflag.Value.
func (*Format) Type() string { return "format" }

// Set implements pflag.Value.
func (f *Format) Set(s string) error {
	switch Format(s) {
	case People, Wide, JSON, YAML, Name:
		*f = Format(s)
		return nil
	}
	return fmt.Errorf("the formats are json, yaml, name and wide")
}

// ForPeople says whether a table or a text is wanted.
func (f Format) ForPeople() bool { return f == People || f == Wide }

// Print writes v for programs, or names, one on a line. It does nothing for people.
func (f Format) Print(w io.Writer, v any, names ...string) error {
	switch f {
	case JSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	case YAML:
		b, err := yaml.Marshal(v)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	case Name:
		_, err := io.WriteString(w, strings.Join(append(names, ""), "\n"))
		return err
	default:
		return nil
	}
}

// Table is rows under a head. Rows are as long as Head.
type Table struct {
	Head []string
	Rows [][]string
	// Colour, when set, chooses how a cell looks on a terminal: see [Status].
	Colour func(column int, cell string) string
	widths []int
}

const gap = "   "

// Write writes the table, at first with its head. Rows may be replaced and written again: columns keep their width, or grow.
func (t *Table) Write(w io.Writer) error {
	first := t.widths == nil
	if first {
		t.widths = make([]int, len(t.Head))
	}
	lines := t.Rows
	if first && len(t.Head) > 0 {
		lines = append([][]string{t.Head}, lines...)
	}
	for _, cells := range lines {
		for i, cell := range cells {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
	colours := Colours(w)
	var b strings.Builder
	for n, cells := range lines {
		var line strings.Builder
		for i, cell := range cells {
			pad := strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(cell))
			if colours && t.Colour != nil && (n > 0 || !first) {
				cell = t.Colour(i, cell)
			}
			line.WriteString(cell + pad + gap)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Terminal says whether w is one.
func Terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Colours says whether w shows colours and nobody has asked for none.
func Colours(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && Terminal(w)
}

// Status gives a word for the state of something its colour; what follows a comma, or stands before one, does not count.
func Status(word string) string {
	head, _, _ := strings.Cut(word, ",")
	code := ""
	switch strings.ToLower(head) {
	case "running", "succeeded", "up", "enabled", "ready":
		code = "32"
	case "error", "failed", "dead", "down":
		code = "31"
	case "creating", "created", "pending", "restarting", "rebuilding", "deleting", "unknown", "paused", "disabled":
		code = "33"
	case "stopped", "deleted":
		code = "2"
	default:
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}
