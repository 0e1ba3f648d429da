package forms

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

// volume rewrites a volume that something else than the host's own files would have to serve: {cinder: {…}} of Zun's schema,
// or the properties of the composition specification.
func (o Options) volume(v map[string]any, at string) error {
	asked, path, err := properties(v, at)
	if asked == nil || err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(asked)) {
		if asked[key] == nil {
			delete(asked, key)
			continue
		}
		switch key {
		case "size", "autoRemove":
		case "volumeID":
			return lacks(path+"."+key, key, "it is the ID of a volume of Cinder, and no Cinder driver is configured")
		case "driverOptions", "volumeType", "image":
			return lacks(path+"."+key, key, "it is for Cinder, and no Cinder driver is configured")
		default:
			return problem.At(path+"."+key, "Additional properties are not allowed ('%s' was unexpected)", key)
		}
	}
	if asked["size"] == nil {
		return problem.At(path, "Volume size or volumeID is needed")
	}
	limit, ok := size(asked["size"])
	if !ok {
		return problem.Invalid(path+".size", asked["size"], "it is not a size: a number of GiB from 1 on, or like 512MB or 5GB")
	}
	if err := truths(asked, path, "autoRemove"); err != nil {
		return err
	}
	switch remove, isBool := asked["autoRemove"].(bool); {
	case asked["autoRemove"] != nil && !isBool:
		return problem.NotOfType(path+".autoRemove", asked["autoRemove"], "boolean")
	case o.Sized != Local:
		return lacks(path, "size", "no Cinder driver is configured, and the operator lets no other one serve volumes with a size (volumes.sized)")
	case !remove:
		return lacks(path, "size", "without autoRemove: true the volume outlives its capsule, which takes Cinder, and no Cinder driver is configured")
	case v["emptyDir"] != nil:
		return problem.At(at, "a volume has one source, and this one has a size and emptyDir")
	}
	v["emptyDir"] = map[string]any{"sizeLimit": limit}
	return nil
}

func lacks(path, field, why string) error {
	return problem.At(path, "'%s' is not supported: %s", field, why)
}

// ofSpecification are the properties that the composition specification puts into the volume itself.
var ofSpecification = []string{"driver", "drivers", "driverOptions", "size", "volumeType", "image", "autoRemove", "volumeID"}

// properties takes out of the volume what is asked of a driver; asked is nil when nothing is. path is where it stood.
func properties(v map[string]any, at string) (asked map[string]any, path string, err error) {
	path = at
	if c, ok := v["cinder"]; ok {
		delete(v, "cinder")
		if asked, ok = c.(map[string]any); c != nil && !ok {
			return nil, path, problem.NotOfType(at+".cinder", c, "object")
		}
		path += ".cinder"
	}
	for _, key := range ofSpecification {
		value, ok := v[key]
		if !ok {
			continue
		}
		delete(v, key)
		if asked == nil {
			asked = map[string]any{}
		}
		if key == "driver" || key == "drivers" {
			if word, isWord := value.(string); value != nil && (!isWord || word != "cinder" && word != Local) {
				return nil, path, problem.NotOneOf(at+"."+key, word, "cinder", Local)
			}
			continue
		}
		if asked[key] != nil {
			return nil, path, problem.At(at+"."+key, "'%s' is in the volume and in its 'cinder'", key)
		}
		asked[key] = value
	}
	return asked, path, nil
}

var sizes = regexp.MustCompile(`^([1-9][0-9]{0,6})(?i:([kmgt])i?b?)?$`)

// size is a quantity in binary units; a bare number is GiB, as Cinder's.
func size(v any) (string, bool) {
	text, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		text, ok = n.String(), true
	}
	m := sizes.FindStringSubmatch(text)
	if !ok || m == nil {
		return "", false
	}
	if m[2] == "" {
		return m[1] + "Gi", true
	}
	return m[1] + strings.ToUpper(m[2]) + "i", true
}
