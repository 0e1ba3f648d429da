// Package forms turns the ways in which a template may be written into the canonical one, in place: those of Zun's schema
// (openstack/zun: schemas/parameter_types.py, capsule_template), of its capsule quick start, and of the specification of container
// composition, which differ.
//
//	of the document             becomes
//	apiVersion: beta            capsuleVersion (the specification)
//	metadata.lables             metadata.labels (as the specification spells it)
//	availabilityZone,           those of spec, where Zun 1.16 moved the last one; a value in both places has to be the same
//	hostSelector, restartPolicy
//	v4-fixed-ip, v6-fixed-ip    ipv4, ipv6 of an entry of nets
//	hostSelector: a map         hostLabels, labels of the host; a string is a host's name
//	env: a map                  a list of literal values, because $(NAME) means nothing to Zun
//	memory: 1024, 512MB, 2GB    binary units, and the limit where there are no limits (package template says why)
//	imagePullPolicy             in any capitals
//	stdin, tty, readOnly        the words that Zun takes for booleans: "True", "on" …
//	imageDriver                 nothing: every image comes from a registry. Glance is refused.
//	cinder: {size, autoRemove}  a volume of that size, if the operator lets something serve it
//	driver or drivers, size …   the same, as the specification writes it
//
// # Volumes
//
// Volumes of Cinder need a Cinder driver, and there is none yet. Without it the operator may let a local driver serve those
// that have a size and autoRemove: such a volume is a directory of the host (a volume of the engine on a far host) that is empty
// at first and goes with its capsule, so it is an emptyDir whose sizeLimit is the size, which is measured and enforced as any.
// What only Cinder has (volumeID, a volume that outlives its capsule, volumeType, driverOptions, an image to fill it) is refused by
// name: a volume that is silently empty, or silently gone, is worse than none.
//
// # The example of the specification
//
// As it is printed it is not YAML: the properties of its volume stand under the dash of the list and not under its first
// property, so every parser ends there. Indented by two more it is read as what it says, and refused for Glance and for what
// only Cinder has. The example of the quick start is read as printed; its volumes with a volumeID are refused.
//
// What has an unexpected type is left to the shape check of package template.
package forms

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

// Local is the driver that serves volumes with a size from the disk of the host.
const Local = "local"

// Options are what the operator has decided.
type Options struct {
	// Sized is the driver of volumes with a size: Local, or empty for none.
	Sized string
}

// Head rewrites what is beside the spec.
func Head(doc map[string]any) error {
	if err := renamed(doc, "apiVersion", "capsuleVersion", "template"); err != nil {
		return err
	}
	metadata, ok := doc["metadata"].(map[string]any)
	if !ok {
		return nil
	}
	if err := renamed(metadata, "lables", "labels", "template.metadata"); err != nil {
		return err
	}
	for _, key := range []string{"labels", "annotations"} {
		words(metadata[key])
	}
	return nil
}

// words makes strings of the numbers and booleans in a table, as Zun keeps them (oslo.versionedobjects, DictOfStrings).
func words(table any) {
	m, _ := table.(map[string]any)
	for key, v := range m {
		switch v := v.(type) {
		case json.Number:
			m[key] = v.String()
		case bool:
			m[key] = map[bool]string{true: "True", false: "False"}[v]
		}
	}
}

// renamed gives a property its name. Both names at once have to say the same.
func renamed(m map[string]any, from, to, path string) error {
	v, ok := m[from]
	if !ok {
		return nil
	}
	delete(m, from)
	if v == nil {
		return nil
	}
	if other := m[to]; other != nil && !reflect.DeepEqual(other, v) {
		return problem.At(path+"."+from, "'%s' says something else than '%s'", from, to)
	}
	m[to] = v
	return nil
}

// Spec rewrites the spec, and moves into it what Zun has beside it.
func Spec(doc map[string]any, o Options) error {
	spec, ok := doc["spec"].(map[string]any)
	if !ok {
		return nil
	}
	for _, key := range []string{"availabilityZone", "hostSelector", "restartPolicy"} {
		top, ok := doc[key]
		delete(doc, key)
		if !ok || top == nil {
			continue
		}
		if inside := spec[key]; inside != nil && !reflect.DeepEqual(inside, top) {
			return problem.Invalid("template."+key, top, "spec.%s says something else", key)
		}
		spec[key] = top
	}
	if labels, ok := spec["hostSelector"].(map[string]any); ok {
		delete(spec, "hostSelector")
		if spec["hostLabels"] != nil {
			return problem.At("template.spec.hostSelector", "'hostSelector' and 'hostLabels' both have labels of the host")
		}
		spec["hostLabels"] = labels
	}
	if err := each(spec, "nets", net); err != nil {
		return err
	}
	for _, key := range []string{"initContainers", "containers", "ephemeralContainers"} {
		if err := each(spec, key, container); err != nil {
			return err
		}
	}
	return each(spec, "volumes", o.volume)
}

// each does something with the objects of a list of the spec.
func each(spec map[string]any, key string, rewrite func(one map[string]any, path string) error) error {
	list, _ := spec[key].([]any)
	for i, e := range list {
		if one, ok := e.(map[string]any); ok {
			if err := rewrite(one, fmt.Sprintf("template.spec.%s[%d]", key, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// net gives the addresses of a network the names that they have in the canonical form.
func net(one map[string]any, path string) error {
	for from, to := range map[string]string{"v4-fixed-ip": "ipv4", "v6-fixed-ip": "ipv6"} {
		v, ok := one[from]
		if !ok {
			continue
		}
		if _, twice := one[to]; twice {
			return problem.At(path+"."+from, "'%s' is there too, and means the same", to)
		}
		delete(one, from)
		one[to] = v
	}
	return nil
}
