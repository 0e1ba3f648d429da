package zun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/containerd/errdefs"
	"github.com/gophercloud/gophercloud/v2"
)

// classes is the only place where an HTTP status becomes an error class.
var classes = map[int]error{
	http.StatusBadRequest:            errdefs.ErrInvalidArgument,
	http.StatusUnauthorized:          errdefs.ErrUnauthenticated,
	http.StatusForbidden:             errdefs.ErrPermissionDenied,
	http.StatusNotFound:              errdefs.ErrNotFound,
	http.StatusNotAcceptable:         errdefs.ErrInvalidArgument,
	http.StatusConflict:              errdefs.ErrAlreadyExists,
	http.StatusGone:                  errdefs.ErrOutOfRange,
	http.StatusPreconditionFailed:    errdefs.ErrFailedPrecondition,
	http.StatusRequestEntityTooLarge: errdefs.ErrInvalidArgument,
	http.StatusUnprocessableEntity:   errdefs.ErrInvalidArgument,
	http.StatusTooManyRequests:       errdefs.ErrResourceExhausted,
	http.StatusNotImplemented:        errdefs.ErrNotImplemented,
	http.StatusBadGateway:            errdefs.ErrUnavailable,
	http.StatusServiceUnavailable:    errdefs.ErrUnavailable,
	http.StatusGatewayTimeout:        errdefs.ErrUnavailable,
}

// classOf is the class of an HTTP status.
func classOf(status int) error {
	if class, ok := classes[status]; ok {
		return class
	}
	if status >= http.StatusInternalServerError {
		return errdefs.ErrInternal
	}
	return errdefs.ErrUnknown
}

// classify gives an error of gophercloud or of the transport its class, and keeps the server's own words.
func classify(err error) error {
	var answer gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &answer) {
		return fmt.Errorf("%s: %w", detail(answer.Body, answer.Actual), classOf(answer.Actual))
	}
	var transport *url.Error
	if errors.As(err, &transport) {
		if errors.Is(err, context.Canceled) {
			return err
		}
		// The URL error repeats method and address; its cause is what is new.
		return fmt.Errorf("%w: %w", transport.Err, errdefs.ErrUnavailable)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", err, errdefs.ErrUnavailable)
	}
	return err
}

// detail is the server's explanation (Zun: api/middleware/parsable_error.py).
func detail(body []byte, status int) string {
	var parsed struct {
		Errors []struct {
			Detail string `json:"detail"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &parsed) == nil && len(parsed.Errors) > 0 && parsed.Errors[0].Detail != "" {
		return parsed.Errors[0].Detail
	}
	return fmt.Sprintf("the server answered %d %s", status, http.StatusText(status))
}
