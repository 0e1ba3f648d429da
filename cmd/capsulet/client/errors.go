package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/spf13/cobra"
)

// The exit codes that are not 0 and 1. 124 is that of timeout(1).
const (
	exitTimeout     = 124
	exitInterrupted = 130
)

// ExitError ends the program with a code of its own. Without a cause nothing is printed.
type ExitError struct {
	Code  int
	Cause error
}

func (e *ExitError) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("the command exited with %d", e.Code)
	}
	return e.Cause.Error()
}

func (e *ExitError) Unwrap() error { return e.Cause }

// TimedOut is the end of a wait that was too long.
func TimedOut(format string, args ...any) error {
	return &ExitError{Code: exitTimeout, Cause: fmt.Errorf(format, args...)}
}

// Tell is what people are told of an error of the command c, and the exit code.
func Tell(c *cobra.Command, err error) (message string, code int) {
	code = 1
	var exit *ExitError
	switch {
	case err == nil:
		return "", 0
	case errors.As(err, &exit):
		if code = exit.Code; exit.Cause == nil {
			return "", code
		}
	case errors.Is(err, context.Canceled):
		if !Is(c) {
			return "", 0 // a server that was told to end
		}
		return "", exitInterrupted
	}
	message = "capsulet: " + words(err)
	if hint := hint(c, err); hint != "" && Is(c) {
		message += "\n" + hint
	}
	return message + "\n", code
}

// words is the text of an error without the class, which is for programs.
func words(err error) string {
	text := err.Error()
	for _, class := range []error{errdefs.ErrInvalidArgument, errdefs.ErrUnauthenticated, errdefs.ErrPermissionDenied, errdefs.ErrNotFound,
		errdefs.ErrAlreadyExists, errdefs.ErrFailedPrecondition, errdefs.ErrResourceExhausted, errdefs.ErrNotImplemented,
		errdefs.ErrUnavailable, errdefs.ErrInternal, errdefs.ErrUnknown} {
		text = strings.ReplaceAll(text, ": "+class.Error(), "")
	}
	return text
}

// hint says what to do about an error; empty when there is nothing that its message does not say.
func hint(c *cobra.Command, err error) string {
	family := c
	for family.HasParent() && family.Parent().HasParent() {
		family = family.Parent()
	}
	text := err.Error()
	switch {
	case errdefs.IsUnauthorized(err):
		return "The server does not know who is asking: see 'capsulet help connection'."
	case errdefs.IsPermissionDenied(err) && strings.Contains(text, "Policy"):
		return "That is for administrators, or for the project that owns it."
	case strings.Contains(text, "Multiple containers exist"):
		return "See the UUIDs with 'capsulet " + family.Name() + " list -o wide'."
	case errdefs.IsNotFound(err) && c != family:
		return "See what there is with 'capsulet " + family.Name() + " list'."
	case errdefs.IsUnavailable(err) && (strings.Contains(text, "refused") || strings.Contains(text, "no such")):
		return "Is the capsule server running, and is this its address? See 'capsulet help connection'."
	case strings.Contains(text, "x509:"):
		return "Name the certificates that sign the server's with --ca-file."
	case strings.HasPrefix(text, "unknown ") || strings.Contains(text, "flag") && strings.Contains(text, "argument") ||
		strings.Contains(text, "arg(s)"):
		return "See '" + c.CommandPath() + " --help'."
	}
	return ""
}

// unknownVerb names the verbs that were perhaps meant.
func unknownVerb(c *cobra.Command, word string) error {
	text := fmt.Sprintf("unknown command %q for %q", word, c.CommandPath())
	if near := c.SuggestionsFor(word); len(near) > 0 {
		text += "; perhaps " + strings.Join(near, " or ")
	}
	return errors.New(text)
}
