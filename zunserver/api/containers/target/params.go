package target

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/capsulet/capsulet/zunserver/api/containers/creation"
	"github.com/capsulet/capsulet/zunserver/api/rest"
)

// Params are the parameters of an action: those of the query, and those of a JSON body, which go before.
type Params map[string]any

// ParamsOf reads the parameters of an action, which has those named.
func ParamsOf(c *rest.Call, names ...string) (Params, error) {
	p := Params{}
	for name, values := range c.R.URL.Query() {
		if name != CapsuleParam {
			p[name] = values[0]
		}
	}
	body := map[string]json.RawMessage{}
	if err := c.Decode(&body); err != nil {
		return nil, err
	}
	for name, raw := range body {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, rest.InvalidField(name, "%s", err)
		}
		p[name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !slices.Contains(names, name) {
			return nil, rest.Refuse(http.StatusBadRequest, "schema-validation-error",
				"Additional properties are not allowed ('%.64s' was unexpected)", name)
		}
	}
	return p, nil
}

// Text is a parameter that is a word; the word None, which Zun's clients send, is none.
func (p Params) Text(name string) (string, error) {
	switch v := p[name].(type) {
	case nil:
		return "", nil
	case string:
		if v == "None" {
			return "", nil
		}
		return v, nil
	default:
		return "", rest.InvalidField(name, "'%.64v' is not of type 'string'", v)
	}
}

// Needed is a word that has to be there.
func (p Params) Needed(name string) (string, error) {
	word, err := p.Text(name)
	if err == nil && word == "" {
		err = rest.Refuse(http.StatusBadRequest, "schema-validation-error", "'%s' is a required property", name)
	}
	return word, err
}

// Whole is a number from low on; ok is false when it is not given.
func (p Params) Whole(name string, low float64) (int64, bool, error) {
	v := p[name]
	if v == "None" || v == "" {
		v = nil
	}
	return creation.Whole(name, v, low, 1<<31-1)
}

// Truth is a boolean, otherwise when it is not given.
func (p Params) Truth(name string, otherwise bool) (bool, error) {
	is, given, err := creation.Truth(name, p[name])
	if !given && err == nil {
		return otherwise, nil
	}
	return is, err
}

// Since says whether the caller's microversion has what came with 1.minor.
func Since(c *rest.Call, minor int) bool { return c.Native || !c.Version.Before(rest.V(minor)) }
