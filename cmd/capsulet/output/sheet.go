package output

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Sheet is what people read of one thing: titles and values.
type Sheet struct{ b strings.Builder }

// sheetColumn is where values begin.
const sheetColumn = 18

// Line adds a title and its value. An empty value leaves the line out.
func (s *Sheet) Line(title, value string) {
	if value != "" {
		s.Head(title+":", value)
	}
}

// Head adds a title that has lines beneath it, indented by who writes them, or a value.
func (s *Sheet) Head(title, value string) {
	line := fmt.Sprintf("%-*s %s", sheetColumn, title, value)
	s.b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// Write keeps what is printed into the sheet: it implements io.Writer.
func (s *Sheet) Write(b []byte) (int, error) { return s.b.Write(b) }

// Print writes the sheet.
func (s *Sheet) Print(w io.Writer) error {
	_, err := io.WriteString(w, s.b.String())
	return err
}

// Pairs prints a map in the order of its keys.
func Pairs(m map[string]string) string {
	list := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+"="+m[k])
	}
	return strings.Join(list, ", ")
}

// Words prints a command so that it could be typed again.
func Words(list []string) string {
	quoted := make([]string, len(list))
	for i, w := range list {
		quoted[i] = w
		if w == "" || strings.ContainsAny(w, " \t\n\"'\\$&|;<>()*?#~`") {
			quoted[i] = strconv.Quote(w)
		}
	}
	return strings.Join(quoted, " ")
}

// Size prints bytes in the unit that people read.
func Size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
}
