package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

// refusal is an error that the API itself decides on.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return r.message }

// Refuse is an error with its status and code, which is the part after "container."; Zun's routing errors have none.
func Refuse(status int, code, format string, args ...any) error {
	return &refusal{status, code, fmt.Sprintf(format, args...)}
}

// InvalidValue refuses a request because of what a parameter or a field says.
func InvalidValue(format string, args ...any) error {
	return Refuse(http.StatusBadRequest, "invalid-value", format, args...)
}

// NotFound is Zun's sentence, which says Container for capsules too.
func NotFound(ident string) error {
	return Refuse(http.StatusNotFound, "container-not-found", "Container %.255s could not be found.", ident)
}

// NotAllowed refuses an action that the caller may not ask for.
func NotAllowed(action auth.Action) error {
	return Refuse(http.StatusForbidden, "policy-not-authorized", "Policy doesn't allow %s to be performed.", action)
}

// classes is the only place where an error class becomes a status and a code.
var classes = []struct {
	class  error
	status int
	code   string
}{
	{errdefs.ErrInvalidArgument, http.StatusBadRequest, "invalid-value"},
	{errdefs.ErrUnauthenticated, http.StatusUnauthorized, ""},
	{errdefs.ErrPermissionDenied, http.StatusForbidden, "policy-not-authorized"},
	{errdefs.ErrNotFound, http.StatusNotFound, "container-not-found"},
	{errdefs.ErrAlreadyExists, http.StatusConflict, "container-already-exists"},
	{errdefs.ErrConflict, http.StatusConflict, "conflict"},
	{errdefs.ErrFailedPrecondition, http.StatusConflict, "invalid-state-exception"},
	{errdefs.ErrOutOfRange, http.StatusGone, "revision-compacted"},
	{errdefs.ErrResourceExhausted, http.StatusTooManyRequests, "resource-exhausted"},
	{errdefs.ErrNotImplemented, http.StatusNotImplemented, "not-implemented"},
	{errdefs.ErrUnavailable, http.StatusServiceUnavailable, "service-unavailable"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout"},
}

// Verdict is what the caller is told about an error.
func (c *Call) Verdict(err error) (status int, code, message string) {
	var r *refusal
	var t *template.Error
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &r):
		return r.status, r.code, r.message
	case errors.As(err, &t):
		return http.StatusBadRequest, "schema-validation-error", t.Error()
	case errors.As(err, &big):
		return http.StatusRequestEntityTooLarge, "request-too-large",
			fmt.Sprintf("The request body is larger than the %d bytes that are allowed", big.Limit)
	}
	for _, row := range classes {
		if errors.Is(err, row.class) {
			return row.status, row.code, strings.TrimSuffix(err.Error(), ": "+row.class.Error())
		}
	}
	correlation := uuid.NewString()
	c.Log.WithError(err).WithField("correlation", correlation).Error("request failed")
	return http.StatusInternalServerError, "", "Your request could not be handled because of a problem in the server. " +
		"Error Correlation id is: " + correlation
}

// fail answers with Zun's error body (zun/api/middleware/parsable_error.py), unless an answer has begun: then it is cut, so
// that it does not look complete.
func (c *Call) fail(err error) {
	if c.gone() {
		c.Log.WithError(err).Debug("caller hung up")
		return
	}
	status, code, message := c.Verdict(err)
	if c.W.status != 0 {
		c.Log.WithError(err).Debug("answer was cut")
		panic(http.ErrAbortHandler)
	}
	if status == http.StatusUnauthorized {
		// As keystonemiddleware's, which answers before Zun does.
		c.W.Header().Set("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", c.Base()))
		message = "The request you have made requires authentication. (" + message + ")"
		_ = c.JSON(status, c.asStatus(status, message, map[string]any{"error": map[string]any{"code": status, "title": "Unauthorized",
			"message": message}}))
		return
	}
	_ = c.JSON(status, c.asStatus(status, message, errorBody(c.id, status, code, message)))
}

// asStatus makes a body for who would have spoken a protocol of Kubernetes also what its clients expect: metav1.Status.
func (c *Call) asStatus(status int, message string, body map[string]any) map[string]any {
	if c.Upgrades() {
		body["kind"], body["apiVersion"], body["status"], body["message"], body["code"] = "Status", "v1", "Failure", message, status
	}
	return body
}

// Errors is what Zun's error body says of an error, for a line in a stream.
func (c *Call) Errors(err error) (status int, message string, errors any) {
	status, code, message := c.Verdict(err)
	return status, message, errorBody(c.id, status, code, message)["errors"]
}

func errorBody(id string, status int, code, message string) map[string]any {
	title := message
	if status == http.StatusInternalServerError {
		title = "Internal Server Error"
	}
	e := map[string]any{"request_id": id, "code": "container." + code, "status": status, "title": title, "detail": message,
		"links": []any{}}
	if code == "microversion-unsupported" { // zun/api/http_error.py
		e["max_version"], e["min_version"] = MaxVersion.String(), MinVersion.String()
	}
	return map[string]any{"errors": []any{e}}
}
