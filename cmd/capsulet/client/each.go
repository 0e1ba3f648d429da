package client

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
)

// Target is one of the things that a command is about, by what its user calls it and by what the API knows it as.
type Target struct{ Name, ID string }

// Each acts on targets one after another and prints "KIND NAME DONE" for each that went. One that does not go hinders no other: its
// error is printed, and the last error says how many there were. done may be empty: then nothing is printed.
func (c *Call) Each(kind, done string, targets []Target, act func(Target) error) error {
	failed := 0
	var last error
	for _, t := range targets {
		if err := act(t); err != nil {
			if len(targets) == 1 || c.Context().Err() != nil {
				return err
			}
			failed, last = failed+1, err
			fmt.Fprintln(c.Err(), "capsulet: "+words(err))
			continue
		}
		if done != "" {
			fmt.Fprintf(c.Out(), "%s %s %s\n", kind, t.Name, done)
		}
	}
	var exit *ExitError
	switch {
	case failed == 0:
		return nil
	case errors.As(last, &exit):
		return &ExitError{Code: exit.Code, Cause: fmt.Errorf("%d of %d failed", failed, len(targets))}
	default:
		return fmt.Errorf("%d of %d failed", failed, len(targets))
	}
}

// Named are targets by name or UUID.
func Named(names []string) []Target {
	targets := make([]Target, len(names))
	for i, n := range names {
		targets[i] = Target{n, n}
	}
	return targets
}

// Selection is how several things are chosen without naming them.
type Selection struct {
	selector string
	all      bool
}

// Bind adds -l and --all.
func (s *Selection) Bind(c *cobra.Command) {
	s.BindSelector(c)
	c.Flags().BoolVar(&s.all, "all", false, "all of the project")
	c.MarkFlagsMutuallyExclusive("selector", "all")
}

// BindSelector adds -l alone.
func (s *Selection) BindSelector(c *cobra.Command) {
	c.Flags().StringVarP(&s.selector, "selector", "l", "", "labels, such as app=web,tier!=test or 'app in (a,b)'")
}

// Matcher says which labels are chosen.
func (s *Selection) Matcher() (func(map[string]string) bool, error) {
	selector, err := labels.Parse(s.selector)
	if err != nil {
		return nil, fmt.Errorf("--selector: %w", err)
	}
	return func(l map[string]string) bool { return selector.Matches(labels.Set(l)) }, nil
}

// Given says whether things are chosen by the selection, and checks that they are chosen in one way and not in two.
func (s *Selection) Given(args []string) (bool, error) {
	chosen := s.selector != "" || s.all
	switch {
	case chosen && len(args) > 0:
		return false, errors.New("names and --selector or --all exclude each other")
	case !chosen && len(args) == 0:
		return false, errors.New("give a name or a UUID, or choose with --selector or --all")
	}
	return chosen, nil
}
