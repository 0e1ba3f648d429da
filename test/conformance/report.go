package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/capsulet/capsulet/test/controlplane"
)

// result is a run of the suite.
type result struct {
	specs []spec
	began time.Time
	took  time.Duration
	procs int
	about []string // the engine and capsulet
}

// tally counts the specs of one family.
type tally struct {
	family         string
	passed, failed int
	took           time.Duration
}

func (r result) families() []tally {
	by := map[string]*tally{}
	for _, s := range r.specs {
		t := by[s.Family]
		if t == nil {
			t = &tally{family: s.Family}
			by[s.Family] = t
		}
		t.took += s.Took
		if s.passed() {
			t.passed++
		} else {
			t.failed++
		}
	}
	var list []tally
	for _, t := range by {
		list = append(list, *t)
	}
	slices.SortFunc(list, func(a, b tally) int { return strings.Compare(a.family, b.family) })
	return list
}

func (r result) total() tally {
	t := tally{family: "all"}
	for _, f := range r.families() {
		t.passed += f.passed
		t.failed += f.failed
		t.took += f.took
	}
	return t
}

func (r result) failures() []spec {
	list := slices.DeleteFunc(slices.Clone(r.specs), spec.passed)
	slices.SortFunc(list, func(a, b spec) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// verdict is nil when all is as the table of known failures says. Whole: every entry of it must have been needed.
func (r result) verdict(whole bool) error {
	var errs []error
	needed := map[string]bool{}
	for _, s := range r.failures() {
		entry, _ := reasonFor(s.Name)
		if entry == "" {
			errs = append(errs, fmt.Errorf("%s %s: %s (%s)", s.State, s.Name, s.Failure, s.Where))
		}
		needed[entry] = true
	}
	if whole {
		for entry := range known {
			if !needed[entry] {
				errs = append(errs, fmt.Errorf("nothing called %q fails any more: take it out of known.go", entry))
			}
		}
	}
	return errors.Join(errs...)
}

// table prints what a reader at the terminal wants to see.
func (r result) table(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "passed\tfailed\ttime\t")
	for _, f := range append(r.families(), r.total()) {
		fmt.Fprintf(t, "%d\t%d\t%s\t %s\n", f.passed, f.failed, f.took.Round(time.Second), f.family)
	}
	_ = t.Flush()
	for _, s := range r.failures() {
		fmt.Fprintf(w, "%s %s (%s)\n    %s (%s)\n", s.State, s.Name, s.Took.Round(time.Second), s.Failure, s.Where)
	}
}

// markdown is docs/conformance.md.
func (r result) markdown() string {
	var b strings.Builder
	sum := r.total()
	fmt.Fprintf(&b, `# Conformance

Written by `+"`make conformance`"+`; do not edit. How it works: test/conformance/doc.go.

Kubernetes' own conformance suite, its pod family: what `+"`[sig-node]` and `[sig-storage]`"+` ask of pods, containers and what
they mount, without the serial specs.

**%d of %d specs passed** on %s in %s with %d processes.

| | |
|---|---|
| suite and control plane | Kubernetes %s |
`, sum.passed, sum.passed+sum.failed, r.began.UTC().Format("2006-01-02"), r.took.Round(time.Second), r.procs, controlplane.Version)
	for _, a := range r.about {
		name, value, _ := strings.Cut(a, ": ")
		fmt.Fprintf(&b, "| %s | %s |\n", name, value)
	}
	b.WriteString("\n## Families\n\n| family | passed | failed | time of all its specs |\n|---|---:|---:|---:|\n")
	for _, f := range r.families() {
		fmt.Fprintf(&b, "| %s | %d | %d | %s |\n", f.family, f.passed, f.failed, f.took.Round(time.Second))
	}
	b.WriteString("\n## Not passed\n\n")
	if sum.failed == 0 {
		b.WriteString("None.\n")
		return b.String()
	}
	b.WriteString("| spec | first line of the failure | reason |\n|---|---|---|\n")
	for _, s := range r.failures() {
		_, reason := reasonFor(s.Name)
		if reason == "" {
			reason = "not known yet"
		}
		fmt.Fprintf(&b, "| %s | %s (%s) | %s |\n", cell(s.Name), cell(s.Failure), cell(s.Where), cell(reason))
	}
	return b.String()
}

func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(s)
}
