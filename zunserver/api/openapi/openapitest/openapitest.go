// Package openapitest holds answers of the API to its own OpenAPI document, in tests: put [Handler] around a server and every
// answer that is not as described fails the test.
package openapitest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/capsulet/capsulet/zunserver/api/rest"
)

// maxBody is how much of an answer is looked at; longer ones are streams.
const maxBody = 8 << 20

// Validator checks answers against one document. It is safe for concurrent use.
type Validator struct {
	mu sync.Mutex // the library keeps state
	v  validator.Validator
}

// New reads the document that next serves, and fails the test if it is not OpenAPI 3.1.
func New(tb testing.TB, next http.Handler) *Validator {
	tb.Helper()
	w := httptest.NewRecorder()
	next.ServeHTTP(w, httptest.NewRequest(http.MethodGet, rest.OpenAPIPath, nil))
	if w.Code != http.StatusOK {
		tb.Fatalf("GET %s: %d %s", rest.OpenAPIPath, w.Code, w.Body)
	}
	known.Lock()
	defer known.Unlock()
	if v := known.of[w.Body.String()]; v != nil {
		return v
	}
	doc, err := libopenapi.NewDocument(w.Body.Bytes())
	if err != nil {
		tb.Fatalf("read the OpenAPI document: %v", err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		tb.Fatalf("read the OpenAPI document: %v", errs)
	}
	if ok, found := v.ValidateDocument(); !ok {
		for _, e := range found {
			tb.Errorf("the OpenAPI document is not one: %s: %s", e.Message, e.Reason)
		}
	}
	made := &Validator{v: v}
	known.of[w.Body.String()] = made
	return made
}

// known are the validators of the documents that were read in this process: to read one takes a second.
var known = struct {
	sync.Mutex
	of map[string]*Validator
}{of: map[string]*Validator{}}

// Handler serves next and reports to tb every answer that the document does not describe. What leaves HTTP, and what is longer than
// 8 MiB, is not looked at.
func Handler(tb testing.TB, next http.Handler) http.Handler {
	tb.Helper()
	v := New(tb, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept := &answer{ResponseWriter: w}
		next.ServeHTTP(kept, r)
		if problem := v.Check(r, kept.status, w.Header(), kept.body.Bytes()); problem != "" && kept.body.Len() < maxBody {
			tb.Errorf("%s %s answered %d, which the OpenAPI document does not describe: %s\n%.2000s", r.Method, r.URL, kept.status, problem, &kept.body)
		}
	})
}

// Check says what of an answer is not as the document has it; empty when all is.
func (v *Validator) Check(r *http.Request, status int, header http.Header, body []byte) string {
	stream := status == http.StatusOK && r.URL.Query().Get("watch") != "" // OpenAPI has no word for lines of JSON
	upgrade := r.Header.Get("Upgrade") != ""                              // a library of Kubernetes may answer in its own words
	if status == 0 || upgrade || status == http.StatusSwitchingProtocols || r.Method == http.MethodHead || stream {
		return ""
	}
	asked, err := http.NewRequestWithContext(r.Context(), r.Method, "http://localhost"+rest.Clean(r.URL.Path), nil)
	if err != nil {
		return err.Error()
	}
	asked.URL.RawQuery = r.URL.RawQuery
	resp := &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: asked}
	v.mu.Lock()
	defer v.mu.Unlock()
	ok, found := v.v.ValidateHttpResponse(asked, resp)
	if ok {
		return ""
	}
	var problems []string
	for _, e := range found {
		if e.IsPathMissingError() || e.IsOperationMissingError() {
			if status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusUnauthorized || status == http.StatusNotAcceptable {
				return ""
			}
		}
		problems = append(problems, e.Message+": "+e.Reason)
		for _, s := range e.SchemaValidationErrors {
			problems = append(problems, "  "+s.FieldPath+": "+s.Reason)
		}
	}
	return strings.Join(problems, "\n")
}

// answer keeps what is written.
type answer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.body.Len() < maxBody {
		a.body.Write(b)
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
