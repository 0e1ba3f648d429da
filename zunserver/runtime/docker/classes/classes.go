// Package classes gives the errors of the Docker client the classes of github.com/containerd/errdefs, once and in one place:
// engines say much of what is wrong in words only.
package classes

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// classed is an error of the engine under one class of ours. It keeps the engine's words and hides its own classes.
type classed struct {
	message string
	class   error
}

func (c *classed) Error() string { return c.message }

func (c *classed) Unwrap() error { return c.class }

// Of gives an error of the Docker client its class. Context errors stay what they are.
func Of(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if c := (*classed)(nil); errors.As(err, &c) {
		return err
	}
	message := words(err)
	switch {
	case client.IsErrConnectionFailed(err), broken(err), errdefs.IsUnavailable(err):
		return &classed{message, errdefs.ErrUnavailable}
	case errdefs.IsNotFound(err):
		return &classed{message, errdefs.ErrNotFound}
	case errdefs.IsConflict(err), errdefs.IsFailedPrecondition(err):
		return &classed{message, errdefs.ErrFailedPrecondition}
	case errdefs.IsInvalidArgument(err):
		return &classed{message, errdefs.ErrInvalidArgument}
	case errdefs.IsPermissionDenied(err), errdefs.IsUnauthorized(err):
		return &classed{message, errdefs.ErrPermissionDenied}
	case errdefs.IsNotImplemented(err):
		return &classed{message, errdefs.ErrNotImplemented}
	default:
		return errors.New(message)
	}
}

// words is the message without what the client library says of its origin.
func words(err error) string {
	return strings.TrimPrefix(err.Error(), "Error response from daemon: ")
}

// broken: the connection went away in the middle.
func broken(err error) bool {
	var netErr net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, &netErr) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// OfCreate is Of for the creation of a container, whose 404 and 409 mean more than one thing.
func OfCreate(err error) error {
	message := words(err)
	switch {
	case errdefs.IsConflict(err) && strings.Contains(message, "is already in use by container"):
		return &classed{message, errdefs.ErrAlreadyExists}
	case strings.Contains(strings.ToLower(message), "no such container"):
		// The sandbox; 20.10 calls it a bad request.
		return &classed{message, errdefs.ErrFailedPrecondition}
	default:
		return Of(err)
	}
}

// OfStart is Of for a start: what the engine calls a bad request there is a command that does not run, and what it
// calls not found may be a network.
func OfStart(err error) error {
	message := words(err)
	if errdefs.IsInvalidArgument(err) ||
		errdefs.IsNotFound(err) && !strings.Contains(strings.ToLower(message), "no such container") {
		return errors.New(message)
	}
	return Of(err)
}

// OfNetwork is Of for networks, where engines call much forbidden or broken that is in the way of something else.
func OfNetwork(err error) error {
	message := words(err)
	lower := strings.ToLower(message)
	for _, w := range []string{"has active endpoints", "overlaps with", "address already in use", "already exists in network"} {
		if strings.Contains(lower, w) {
			return &classed{message, errdefs.ErrFailedPrecondition}
		}
	}
	return Of(err)
}

// The words by which registries and what is on the way to them say what is wrong; engines pass them on as text.
var pullWords = []struct {
	class error
	words []string
}{
	{errdefs.ErrInvalidArgument, []string{"invalid reference format"}},
	{errdefs.ErrNotFound, []string{
		"repository does not exist", "manifest unknown", "name unknown", "not found", "no matching manifest",
	}},
	{errdefs.ErrPermissionDenied, []string{
		"unauthorized", "authentication required", "no basic auth credentials", "denied", "forbidden", "incorrect username",
	}},
	{errdefs.ErrUnavailable, []string{
		"dial tcp", "no such host", "connection refused", "connection reset", "timeout", "timed out", "deadline exceeded",
		"canceled while", "unreachable", "service unavailable", "bad gateway", "toomanyrequests", ": eof", "unexpected eof",
		"proxyconnect", "server misbehaving",
	}},
}

// OfPull is Of for a pull: an engine answers most of a registry's errors as 404 or 500 with the truth in
// the text.
func OfPull(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || client.IsErrConnectionFailed(err) {
		return Of(err)
	}
	message := words(err)
	lower := strings.ToLower(message)
	for _, c := range pullWords {
		for _, w := range c.words {
			if strings.Contains(lower, w) {
				return &classed{message, c.class}
			}
		}
	}
	return Of(err)
}
