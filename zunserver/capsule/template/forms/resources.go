package forms

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

// The bounds of Zun's schema for numbers; strings have none there (schemas/parameter_types.py: cpu, memory).
const (
	minCPU, maxCPU       = 0.1, 16
	minMemory, maxMemory = 4, 8192 // MiB
)

var (
	digits    = regexp.MustCompile(`^[0-9]+$`)
	zunMemory = regexp.MustCompile(`^([0-9]+)(?i:(k|m|g|t)b)$`)
)

func resources(r map[string]any, path string) error {
	inMiB := false
	for _, key := range []string{"limits", "requests"} {
		list, ok := r[key].(map[string]any)
		if !ok {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(list)) {
			at := path + "." + key + "." + name
			if list[name] == nil {
				delete(list, name)
				continue
			}
			if err := bounds(name, list[name], at); err != nil {
				return err
			}
			if name == string(corev1.ResourceMemory) {
				list[name], ok = memory(list[name])
				inMiB = inMiB || ok && key == "requests"
			}
		}
	}
	if inMiB && r["limits"] == nil {
		r["limits"] = map[string]any{"memory": r["requests"].(map[string]any)["memory"]}
	}
	return nil
}

// bounds checks a number against Zun's schema.
func bounds(name string, v any, path string) error {
	n, ok := v.(json.Number)
	if !ok {
		return nil
	}
	var low, high float64
	switch corev1.ResourceName(name) {
	case corev1.ResourceCPU:
		low, high = minCPU, maxCPU
	case corev1.ResourceMemory:
		low, high = minMemory, maxMemory
		if !digits.MatchString(n.String()) {
			return problem.NotOfType(path, v, "integer", "string")
		}
	default:
		return nil
	}
	f, err := n.Float64()
	switch {
	case err != nil:
		return problem.NotOfType(path, v, "number", "string")
	case f < low:
		return problem.Invalid(path, v, "%s is less than the minimum of %s", n, strconv.FormatFloat(low, 'f', -1, 64))
	case f > high:
		return problem.Invalid(path, v, "%s is greater than the maximum of %s", n, strconv.FormatFloat(high, 'f', -1, 64))
	}
	return nil
}

// memory turns Zun's forms into a quantity and says whether it was one of them.
func memory(v any) (any, bool) {
	switch v := v.(type) {
	case json.Number:
		return v.String() + "Mi", true
	case string:
		if digits.MatchString(v) {
			return v + "Mi", true
		}
		if m := zunMemory.FindStringSubmatch(v); m != nil {
			return m[1] + strings.ToUpper(m[2][:1]) + "i", true
		}
	}
	return v, false
}
