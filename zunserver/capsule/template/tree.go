package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	goyaml "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

// maxDepth is how deep a document may nest; the deepest field of a template is at about 10.
const maxDepth = 32

// Unwrap takes the template out of the body of a create request: {"template": {…} | "<JSON or YAML text>"}. What it
// returns is for [Parse].
func Unwrap(body []byte) ([]byte, error) {
	root, err := decodeJSON(body)
	if err != nil {
		return nil, err
	}
	request, ok := root.(map[string]any)
	if !ok {
		return nil, problem.NotOfType("", root, "object")
	}
	for _, key := range sortedKeys(request) {
		if key != "template" {
			return nil, problem.At("", "Additional properties are not allowed ('%s' was unexpected)", key)
		}
	}
	doc, ok := request["template"]
	if !ok {
		return nil, problem.Missing("", "template")
	}
	return json.Marshal(doc)
}

// Kind returns the kind of a document in any of the forms that [Parse] reads, empty when it names none, and the document as JSON.
func Kind(body []byte) (kind string, doc []byte, err error) {
	tree, err := decode(body)
	if err != nil {
		return "", nil, err
	}
	kind, _ = tree["kind"].(string)
	doc, err = json.Marshal(tree)
	return kind, doc, err
}

// decode reads a document: a JSON object, a JSON string that holds JSON or YAML, or YAML.
func decode(body []byte) (map[string]any, error) {
	text := bytes.TrimSpace(body)
	var inside string
	if len(text) > 0 && text[0] == '"' && json.Unmarshal(text, &inside) == nil {
		text = bytes.TrimSpace([]byte(inside))
	}
	if len(text) == 0 {
		return nil, problem.At("template", "the template is empty")
	}
	text, err := toJSON(text)
	if err != nil {
		return nil, err
	}
	root, err := decodeJSON(text)
	if err != nil {
		return nil, err
	}
	doc, ok := root.(map[string]any)
	if !ok {
		return nil, problem.NotOfType("template", root, "object", "string")
	}
	return doc, nil
}

// toJSON returns JSON as it is and YAML as JSON. What looks like JSON and is neither gets the words of JSON: YAML may look so,
// too, in its flow style or with quotes around its first key.
func toJSON(text []byte) ([]byte, error) {
	looks := bytes.ContainsAny(text[:1], "{[\"-0123456789") && !bytes.HasPrefix(text, []byte("---"))
	if looks && json.Valid(text) {
		return text, nil
	}
	if several(text) && (!looks || bytes.Contains(text, []byte("\n---"))) {
		return nil, problem.At("template", "there are several documents: each makes a capsule of its own")
	}
	converted, err := yaml.YAMLToJSONStrict(text)
	switch {
	case err == nil && !several(text):
		return converted, nil
	case looks:
		return text, nil // decodeJSON says what is wrong with it
	}
	return nil, problem.At("template", "Malformed YAML: %s", cleanYAML(err))
}

// several says whether a second document has something in it: the parser would not look at it.
func several(text []byte) bool {
	documents := goyaml.NewDecoder(bytes.NewReader(text))
	found := 0
	for {
		var node goyaml.Node
		if err := documents.Decode(&node); err != nil {
			// What is malformed after the first would not be looked at either; in the first the parser says what it is.
			return found > 1 || found == 1 && !errors.Is(err, io.EOF)
		}
		if len(node.Content) > 0 && node.Content[0].Tag != "!!null" {
			found++
		}
	}
}

// cleanYAML takes the library's prefixes off and puts its lists on one line.
func cleanYAML(err error) string {
	return strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")), " ")
}

// decodeJSON reads one JSON value with exact numbers and refuses keys that occur twice.
func decodeJSON(b []byte) (any, error) {
	var raw json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, malformed(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return value(d, "", 0)
}

func malformed(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return problem.At("", "Malformed JSON: %s at offset %d", syntax.Error(), syntax.Offset)
	}
	return problem.At("", "Malformed JSON: %s", err)
}

// value reads one value of a document that is known to be valid.
func value(d *json.Decoder, path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, problem.At(path, "the document nests deeper than %d levels", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, malformed(err)
	}
	switch token {
	case json.Delim('{'):
		return object(d, path, depth)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := value(d, fmt.Sprintf("%s[%d]", path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return token, nil
}

func object(d *json.Decoder, path string, depth int) (any, error) {
	m := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, malformed(err)
		}
		key, _ := token.(string)
		at := strings.TrimPrefix(path+"."+key, ".")
		if _, twice := m[key]; twice {
			return nil, problem.At(at, "Malformed JSON: the key '%s' occurs twice at offset %d", key, d.InputOffset())
		}
		if m[key], err = value(d, at, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return m, err
}
