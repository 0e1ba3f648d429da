package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// Body reads the body of a request that has to be JSON: another content type is 415. Too large a body is 413. What it says is the
// caller's to check.
func (c *Call) Body() ([]byte, error) {
	if sent := c.R.Header.Get("Content-Type"); sent != "" {
		if t, _, err := mime.ParseMediaType(sent); err != nil || t != "application/json" && t != NativeType {
			return nil, Refuse(http.StatusUnsupportedMediaType, "", "The content type '%.64s' is not supported: send application/json", sent)
		}
	}
	body, err := io.ReadAll(c.R.Body)
	var big *http.MaxBytesError
	if err != nil && !errors.As(err, &big) {
		return nil, InvalidValue("The request body could not be read: %s", err)
	}
	return body, err
}

// Decode reads the body into v, a pointer to a struct: malformed JSON, a value of another type and an unknown property are 400
// and named, as Zun's schema validation does it. An empty body is an empty object.
func (c *Call) Decode(v any) error {
	body, err := c.Body()
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err = d.Decode(v)
	if err == nil && d.More() {
		return InvalidValue("The request body is not JSON: there is more after its end")
	}
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return InvalidField(wrong.Field, "a %s cannot be read as %s", wrong.Value, wrong.Type)
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		return InvalidValue("The request body is not JSON: %s", err)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return Refuse(http.StatusBadRequest, "schema-validation-error",
			"Additional properties are not allowed (%s was unexpected)", strings.Trim(name, `"`))
	}
	return InvalidValue("The request body cannot be read: %s", err)
}

// InvalidField refuses a body because of one of its fields, in the words of Zun's schema validation.
func InvalidField(field, format string, args ...any) error {
	r := Refuse(http.StatusBadRequest, "schema-validation-error", format, args...).(*refusal)
	r.message = "Invalid input for field '" + field + "'. " + r.message
	return r
}

// KnownOnly refuses parameters that the route does not have, as Zun's container list does.
func (c *Call) KnownOnly(names ...string) error {
	known := map[string]bool{}
	for _, name := range names {
		known[name] = true
	}
	var unknown []string
	for name := range c.R.URL.Query() {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return InvalidValue("Unknown parameters: %.255s", strings.Join(unknown, ", "))
	}
	return nil
}

// NewIn refuses a parameter that the caller's microversion does not have yet (zun/common/exception.py, InvalidParamInVersion).
func (c *Call) NewIn(name string, since Version) error {
	if !c.Version.Before(since) || c.Native {
		return nil
	}
	return Refuse(http.StatusBadRequest, "invalid-param-in-version",
		"Invalid param %s because current request version is %s. %s is only supported from version %s", name, c.Version, name, since)
}
