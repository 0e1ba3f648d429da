package template

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

var (
	quantityType = reflect.TypeFor[resource.Quantity]()
	intOrString  = reflect.TypeFor[intstr.IntOrString]()
	bytesType    = reflect.TypeFor[[]byte]()
)

// elsewhere are the properties of the types that a template may not set where the types have them, and why.
var elsewhere = map[reflect.Type]map[string]string{
	reflect.TypeFor[capsule.Spec](): {
		"name": "it is metadata.name", "labels": "they are metadata.labels", "annotations": "they are metadata.annotations",
	},
	reflect.TypeFor[capsule.ContainerSpec](): {"uuid": "the server gives it"},
	reflect.TypeFor[capsule.Net]():           {"port": "no port is there before its container; name a network"},
}

// checkShape checks that v is what encoding/json would store in a t without loss. Properties that are
// null, and empty lists and maps, are removed.
func checkShape(v any, t reflect.Type, path string) error {
	switch {
	case t.Kind() == reflect.Pointer:
		return checkShape(v, t.Elem(), path)
	case t == quantityType:
		return checkQuantity(v, path)
	case t == intOrString:
		if _, ok := v.(string); ok {
			return nil
		}
		return checkInteger(v, 32, path, "integer", "string")
	case t == bytesType:
		return checkBytes(v, path)
	}
	switch t.Kind() {
	case reflect.Struct:
		return checkStruct(v, t, path)
	case reflect.Map:
		m, ok := v.(map[string]any)
		if !ok {
			return problem.NotOfType(path, v, "object")
		}
		for _, key := range sortedKeys(m) {
			if err := checkShape(m[key], t.Elem(), path+"."+key); err != nil {
				return err
			}
		}
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			return problem.NotOfType(path, v, "array")
		}
		for i, e := range list {
			if err := checkShape(e, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case reflect.String:
		if _, ok := v.(string); !ok {
			return problem.NotOfType(path, v, "string")
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			return problem.NotOfType(path, v, "boolean")
		}
	default: // the types have no numbers but integers
		return checkInteger(v, t.Bits(), path, "integer")
	}
	return nil
}

func checkBytes(v any, path string) error {
	s, ok := v.(string)
	if !ok {
		return problem.NotOfType(path, v, "string")
	}
	if _, err := base64.StdEncoding.DecodeString(s); err != nil {
		return problem.At(path, "the content is not base64: %s", err)
	}
	return nil
}

func checkStruct(v any, t reflect.Type, path string) error {
	m, ok := v.(map[string]any)
	if !ok {
		return problem.NotOfType(path, v, "object")
	}
	known := properties(t)
	for _, key := range sortedKeys(m) {
		if why, ok := elsewhere[t][key]; ok {
			return problem.At(path+"."+key, "Additional properties are not allowed ('%s' was unexpected: %s)", key, why)
		}
		of, ok := known[key]
		if !ok {
			return problem.At(path+"."+key, "Additional properties are not allowed ('%s' was unexpected)", key)
		}
		if m[key] == nil {
			delete(m, key)
			continue
		}
		if err := checkShape(m[key], of, path+"."+key); err != nil {
			return err
		}
		if empty(m[key], of) { // nil and empty are the same, so that equal templates are equal specs
			delete(m, key)
		}
	}
	return nil
}

func empty(v any, t reflect.Type) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0 && t.Kind() == reflect.Map
	}
	return false
}

// properties are the JSON properties of a struct type, those of embedded structs included.
func properties(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			maps.Copy(all, properties(f.Type))
		case name != "" && name != "-":
			all[name] = f.Type
		}
	}
	return all
}

func checkInteger(v any, bits int, path string, types ...string) error {
	n, ok := v.(json.Number)
	if !ok {
		return problem.NotOfType(path, v, types...)
	}
	if _, err := strconv.ParseInt(n.String(), 10, bits); err != nil {
		return problem.NotOfType(path, v, types...)
	}
	return nil
}

// sane quantities have few digits and small exponents: the parser computes with what it is given, and 1e-2147483647 would
// keep it busy for good.
var sane = regexp.MustCompile(`^[+-]?[0-9.]{1,24}([eE][+-]?[0-9]{1,2}|[a-zA-Z]{0,2})$`)

func checkQuantity(v any, path string) error {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case json.Number:
		s = v.String()
	default:
		return problem.NotOfType(path, v, "number", "string")
	}
	if sane.MatchString(s) {
		if _, err := resource.ParseQuantity(s); err == nil {
			return nil
		}
	}
	return problem.Invalid(path, v, "%s is not a quantity (like 0.5, 500m or 64Mi)", problem.Show(path, v))
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
