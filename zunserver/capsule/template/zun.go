package template

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
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

// rewrite turns Zun's forms into the canonical ones, in place. What has an unexpected type is left to the shape check.
func rewrite(doc map[string]any) error {
	spec, ok := doc["spec"].(map[string]any)
	if !ok {
		return nil
	}
	for _, key := range []string{"availabilityZone", "restartPolicy"} { // Zun has these beside the spec
		top, ok := doc[key]
		delete(doc, key)
		if !ok || top == nil {
			continue
		}
		if inside := spec[key]; inside != nil && inside != top {
			return invalid("template."+key, top, "spec.%s says something else", key)
		}
		spec[key] = top
	}
	nets, _ := spec["nets"].([]any)
	for i, e := range nets {
		if net, ok := e.(map[string]any); ok {
			if err := rename(net, fmt.Sprintf("template.spec.nets[%d]", i), "v4-fixed-ip", "ipv4", "v6-fixed-ip", "ipv6"); err != nil {
				return err
			}
		}
	}
	for _, key := range []string{"initContainers", "containers", "ephemeralContainers"} {
		list, _ := spec[key].([]any)
		for i, e := range list {
			if c, ok := e.(map[string]any); ok {
				if err := rewriteContainer(c, fmt.Sprintf("template.spec.%s[%d]", key, i)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rename gives properties, by pairs, the names that they have in the canonical form.
func rename(m map[string]any, path string, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		v, ok := m[pairs[i]]
		if !ok {
			continue
		}
		if _, twice := m[pairs[i+1]]; twice {
			return errorAt(path+"."+pairs[i], "'%s' is there too, and means the same", pairs[i+1])
		}
		delete(m, pairs[i])
		m[pairs[i+1]] = v
	}
	return nil
}

func rewriteContainer(c map[string]any, path string) error {
	if env, ok := c["env"].(map[string]any); ok {
		list := []any{}
		for _, name := range sortedKeys(env) {
			value, ok := env[name].(string)
			if !ok {
				return errorAt(path+".env."+name, "Invalid input for field '%s'. The value is not of type 'string'", name)
			}
			// Zun hands values over as they are: $(NAME) means nothing there.
			list = append(list, map[string]any{"name": name, "value": value, "literal": true})
		}
		c["env"] = list
	}
	if word, ok := c["imagePullPolicy"].(string); ok {
		policy, ok := pullPolicies[strings.ToLower(word)]
		if !ok {
			return notOneOf(path+".imagePullPolicy", word, "never", "always", "ifnotpresent")
		}
		c["imagePullPolicy"] = string(policy)
	}
	for _, key := range []string{"stdin", "tty"} {
		if word, ok := c[key].(string); ok {
			truth, ok := booleans[strings.ToLower(word)]
			if !ok {
				return notOfType(path+"."+key, word, "boolean")
			}
			c[key] = truth
		}
	}
	if r, ok := c["resources"].(map[string]any); ok {
		return rewriteResources(r, path+".resources")
	}
	return nil
}

var pullPolicies = map[string]corev1.PullPolicy{
	"never": corev1.PullNever, "always": corev1.PullAlways, "ifnotpresent": corev1.PullIfNotPresent,
}

// booleans are the words of Zun's schema (parameter_types.py, boolean).
var booleans = map[string]bool{
	"true": true, "1": true, "on": true, "yes": true, "false": false, "0": false, "off": false, "no": false,
}

func rewriteResources(r map[string]any, path string) error {
	inMiB := false
	for _, key := range []string{"limits", "requests"} {
		list, ok := r[key].(map[string]any)
		if !ok {
			continue
		}
		for _, name := range sortedKeys(list) {
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
			return notOfType(path, v, "integer", "string")
		}
	default:
		return nil
	}
	f, err := n.Float64()
	switch {
	case err != nil:
		return notOfType(path, v, "number", "string")
	case f < low:
		return invalid(path, v, "%s is less than the minimum of %s", n, strconv.FormatFloat(low, 'f', -1, 64))
	case f > high:
		return invalid(path, v, "%s is greater than the maximum of %s", n, strconv.FormatFloat(high, 'f', -1, 64))
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
