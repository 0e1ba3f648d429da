package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

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
	var busy interface{ RetryAfter() time.Duration }
	if errors.As(err, &busy) {
		c.W.Header().Set("Retry-After", strconv.Itoa(int(busy.RetryAfter()/time.Second)))
	}
	if status == http.StatusUnauthorized {
		message = "The request you have made requires authentication. (" + message + ")"
		_ = c.JSON(status, c.asStatus(status, message, map[string]any{"error": Stranger{Code: status, Title: "Unauthorized", Message: message}}))
		return
	}
	_ = c.JSON(status, c.asStatus(status, message, map[string]any{"errors": failure(c.id, status, code, message).Errors}))
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
	return status, message, failure(c.id, status, code, message).Errors
}

// Unauthorized is the body of 401 (keystonemiddleware).
type Unauthorized struct {
	Error Stranger `json:"error"`
}

// Stranger says why the caller is not known.
type Stranger struct {
	Code    int    `json:"code"`
	Title   string `json:"title"`
	Message string `json:"message"`
}

// Failure is Zun's body of an error, with what asStatus adds.
type Failure struct {
	Errors []FailureDetail `json:"errors"`
}

// FailureDetail is the one error of a Failure.
type FailureDetail struct {
	RequestID string `json:"request_id"`
	// Code is "container." and a word; routing errors have none.
	Code   string `json:"code"`
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Links  []any  `json:"links"`
	// The range of microversions, when the request's is not in it (zun/api/http_error.py).
	MaxVersion string `json:"max_version,omitempty"`
	MinVersion string `json:"min_version,omitempty"`
}

func failure(id string, status int, code, message string) Failure {
	d := FailureDetail{RequestID: id, Code: "container." + code, Status: status, Title: message, Detail: message, Links: []any{}}
	if status == http.StatusInternalServerError {
		d.Title = "Internal Server Error"
	}
	if code == "microversion-unsupported" {
		d.MaxVersion, d.MinVersion = MaxVersion.String(), MinVersion.String()
	}
	return Failure{Errors: []FailureDetail{d}}
}
