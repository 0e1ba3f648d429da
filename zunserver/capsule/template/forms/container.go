package forms

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

func container(c map[string]any, path string) error {
	if env, ok := c["env"].(map[string]any); ok {
		list := []any{}
		for _, name := range slices.Sorted(maps.Keys(env)) {
			value, ok := env[name].(string)
			if !ok {
				return problem.At(path+".env."+name, "Invalid input for field '%s'. The value is not of type 'string'", name)
			}
			// Zun hands values over as they are: $(NAME) means nothing there.
			list = append(list, map[string]any{"name": name, "value": value, "literal": true})
		}
		c["env"] = list
	}
	if word, ok := c["imagePullPolicy"].(string); ok {
		policy, ok := pullPolicies[strings.ToLower(word)]
		if !ok {
			return problem.NotOneOf(path+".imagePullPolicy", word, "never", "always", "ifnotpresent")
		}
		c["imagePullPolicy"] = string(policy)
	}
	if err := imageDriver(c, path); err != nil {
		return err
	}
	if err := truths(c, path, "stdin", "tty"); err != nil {
		return err
	}
	mounts, _ := c["volumeMounts"].([]any)
	for i, e := range mounts {
		if m, ok := e.(map[string]any); ok {
			if err := truths(m, fmt.Sprintf("%s.volumeMounts[%d]", path, i), "readOnly"); err != nil {
				return err
			}
		}
	}
	if r, ok := c["resources"].(map[string]any); ok {
		return resources(r, path+".resources")
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

// truths reads words that Zun's schema takes for booleans.
func truths(m map[string]any, path string, keys ...string) error {
	for _, key := range keys {
		word, ok := m[key].(string)
		if !ok {
			continue
		}
		if m[key], ok = booleans[strings.ToLower(word)]; !ok {
			return problem.NotOfType(path+"."+key, word, "boolean")
		}
	}
	return nil
}

// imageDriver takes the word of the composition specification for where an image comes from, spelt as there too. Every image
// comes from a registry, or is on the host.
func imageDriver(c map[string]any, path string) error {
	word, ok := c["imageDriver"].(string)
	if !ok {
		return nil
	}
	switch strings.ToLower(word) {
	case "docker", "dockerregistry", "dockerregistory":
		delete(c, "imageDriver")
		return nil
	case "glance":
		return problem.At(path+".imageDriver", "'imageDriver' %s is not supported: no image service is configured, images come from "+
			"registries (docker)", word)
	default:
		return problem.NotOneOf(path+".imageDriver", word, "docker", "dockerRegistry", "glance")
	}
}
