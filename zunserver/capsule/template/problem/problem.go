// Package problem says what is wrong with a template, in the words of Zun's schema validation where it has some.
package problem

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
)

// Error says what is wrong with a template and where. Its class is errdefs.ErrInvalidArgument.
type Error struct {
	// Path is the JSON path from the request's root, as in template.spec.containers[0].image; empty for the whole.
	Path string
	// Message is a sentence, in Zun's words where Zun has one.
	Message string
}

// Error is the message and the path.
func (e *Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Message + " (at " + e.Path + ")"
}

// Unwrap is the class.
func (e *Error) Unwrap() error { return errdefs.ErrInvalidArgument }

// At is a problem at a path, in a sentence.
func At(path, format string, args ...any) error {
	return &Error{Path: path, Message: fmt.Sprintf(format, args...)}
}

// Invalid is Zun's sentence for a value that breaks a rule of its schema.
func Invalid(path string, value any, format string, args ...any) error {
	field := path[strings.LastIndexByte(path, '.')+1:]
	if i := strings.IndexByte(field, '['); i >= 0 {
		field = strings.TrimSuffix(field[i+1:], "]") // Zun names an element by its index
	}
	v := Show(path, value)
	if value == nil {
		v = ""
	}
	if v == "" {
		return At(path, "Invalid input for field '%s'. "+format, append([]any{field}, args...)...)
	}
	return At(path, "Invalid input for field '%s'.Value: '%s'. "+format,
		append([]any{field, strings.Trim(v, "'")}, args...)...)
}

// Missing is a property that has to be there.
func Missing(path, property string) error {
	return At(path, "'%s' is a required property", property)
}

// NotOfType is jsonschema's sentence.
func NotOfType(path string, value any, types ...string) error {
	what := Show(path, value)
	if what == "" {
		what = "the value"
	}
	return Invalid(path, value, "%s is not of type '%s'", what, strings.Join(types, "', '"))
}

// NotOneOf is a word that is not among those that are known.
func NotOneOf[T ~string](path string, value any, words ...T) error {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + string(w) + "'"
	}
	return Invalid(path, value, "%s is not one of [%s]", Show(path, value), strings.Join(quoted, ", "))
}

// Show prints a scalar as Python does, because Zun does; "" for what is long, compound or possibly secret.
func Show(path string, value any) string {
	for _, secret := range []string{".env", ".files", ".httpHeaders", ".annotations"} {
		if strings.Contains(path, secret+"[") || strings.Contains(path, secret+".") {
			return ""
		}
	}
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case json.Number:
		return v.String()
	case int, int32, int64:
		return fmt.Sprint(v)
	case string:
		if len(v) > 80 {
			v = v[:77] + "..."
		}
		return "'" + v + "'"
	default:
		return ""
	}
}
