package template

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template/forms"
	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

// MaxBytes is how large a spec may be as JSON: it has to fit into one value of etcd (1.5 MiB by default) together with
// the facts of the capsule.
const MaxBytes = 1 << 20

// document is a capsule template in its canonical form.
type document struct {
	Kind           string       `json:"kind"`
	CapsuleVersion string       `json:"capsuleVersion"`
	Metadata       metadata     `json:"metadata"`
	Spec           capsule.Spec `json:"spec"`
}

type metadata struct {
	Name        string            `json:"name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	UID         string            `json:"uid,omitempty"`
}

// Parse reads a template: a JSON object, a JSON string that holds JSON or YAML, or YAML. It returns the normalised spec
// with every default filled in, and metadata.uid in lower case, which is empty when the template has none. Every error
// is an [*Error].
func Parse(body []byte) (spec capsule.Spec, uid string, err error) {
	return ParseWith(body, Options{})
}

// Options are what the operator has decided about templates.
type Options = forms.Options

// Local is the driver that serves volumes with a size from the disk of the host.
const Local = forms.Local

// ParseWith is [Parse] with what the operator has decided.
func ParseWith(body []byte, o Options) (spec capsule.Spec, uid string, err error) {
	doc, err := decode(body)
	if err != nil {
		return capsule.Spec{}, "", err
	}
	if err := forms.Head(doc); err != nil {
		return capsule.Spec{}, "", err
	}
	if err := checkHead(doc); err != nil {
		return capsule.Spec{}, "", err
	}
	if err := forms.Spec(doc, o); err != nil {
		return capsule.Spec{}, "", err
	}
	if err := checkShape(doc, reflect.TypeFor[document](), "template"); err != nil {
		return capsule.Spec{}, "", err
	}
	canonical, err := json.Marshal(doc)
	if err != nil {
		return capsule.Spec{}, "", problem.At("template", "%s", err)
	}
	if len(canonical) > MaxBytes {
		return capsule.Spec{}, "", problem.At("template", "the template is %d bytes as JSON, and at most %d are allowed",
			len(canonical), MaxBytes)
	}
	var d document
	if err := json.Unmarshal(canonical, &d); err != nil {
		return capsule.Spec{}, "", problem.At("template", "%s", err)
	}
	spec = d.Spec
	spec.Name, spec.Labels, spec.Annotations = d.Metadata.Name, d.Metadata.Labels, d.Metadata.Annotations
	if d.Metadata.UID != "" {
		id, err := uuid.Parse(d.Metadata.UID)
		if err != nil || len(d.Metadata.UID) != 36 {
			return capsule.Spec{}, "", problem.Invalid("template.metadata.uid", d.Metadata.UID, "'%.80s' is not a 'uuid'", d.Metadata.UID)
		}
		uid = id.String()
	}
	setDefaults(&spec)
	if err := check(&spec); err != nil {
		return capsule.Spec{}, "", err
	}
	return spec, uid, nil
}

// checkHead checks what Zun's schema says of the document itself.
func checkHead(doc map[string]any) error {
	for _, key := range []string{"kind", "metadata", "spec"} {
		if doc[key] == nil {
			return problem.Missing("template", key)
		}
	}
	if k, ok := doc["kind"].(string); ok && k != "capsule" && k != "Capsule" {
		return problem.NotOneOf("template.kind", k, "capsule", "Capsule")
	}
	if v, ok := doc["capsuleVersion"].(string); ok && v != "beta" && v != "Beta" {
		return problem.NotOneOf("template.capsuleVersion", v, "beta", "Beta")
	}
	spec, ok := doc["spec"].(map[string]any)
	if !ok {
		return nil
	}
	if spec["containers"] == nil {
		return problem.Missing("template.spec", "containers")
	}
	for _, key := range []string{"initContainers", "containers", "ephemeralContainers"} {
		list, _ := spec[key].([]any)
		for i, e := range list {
			if c, ok := e.(map[string]any); ok && c["image"] == nil {
				return problem.Missing(fmt.Sprintf("template.spec.%s[%d]", key, i), "image")
			}
		}
	}
	return nil
}

// Encode writes the canonical document of a spec. For a spec that [Parse] returned, or that has its defaults and keeps
// the rules, Parse(Encode(spec, uid)) is the same spec and uid; UUIDs of containers, which are the server's, are left out.
func Encode(spec capsule.Spec, uid string) ([]byte, error) {
	spec.InitContainers = encodable(spec.InitContainers)
	spec.Containers = encodable(spec.Containers)
	spec.EphemeralContainers = encodable(spec.EphemeralContainers)
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode the spec of capsule %q: %w", spec.Name, err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("encode the spec of capsule %q: %w", spec.Name, err)
	}
	for _, key := range []string{"name", "labels", "annotations"} {
		delete(fields, key)
	}
	for _, key := range []string{"initContainers", "containers"} {
		if fields[key] != nil {
			if fields[key], err = markBytes(fields[key]); err != nil {
				return nil, fmt.Errorf("encode the spec of capsule %q: %w", spec.Name, err)
			}
		}
	}
	return json.Marshal(struct {
		Kind           string                     `json:"kind"`
		CapsuleVersion string                     `json:"capsuleVersion"`
		Metadata       metadata                   `json:"metadata"`
		Spec           map[string]json.RawMessage `json:"spec"`
	}{
		"capsule", "beta",
		metadata{Name: spec.Name, Labels: spec.Labels, Annotations: spec.Annotations, UID: uid}, fields,
	})
}

func encodable(in []capsule.ContainerSpec) []capsule.ContainerSpec {
	out := make([]capsule.ContainerSpec, len(in))
	copy(out, in)
	for i := range out {
		out[i].UUID = ""
	}
	return out
}

// bare is a quantity without a suffix, which Zun would take for MiB.
var bare = regexp.MustCompile(`^[0-9]+$`)

// markBytes gives every memory quantity of the containers that has no suffix the exponent e0.
func markBytes(containers json.RawMessage) (json.RawMessage, error) {
	root, err := decodeJSON(containers)
	if err != nil {
		return nil, err
	}
	list, _ := root.([]any)
	for _, e := range list {
		c, _ := e.(map[string]any)
		r, _ := c["resources"].(map[string]any)
		for _, key := range []string{"limits", "requests"} {
			q, _ := r[key].(map[string]any)
			if s, ok := q[string(corev1.ResourceMemory)].(string); ok && bare.MatchString(s) {
				q[string(corev1.ResourceMemory)] = s + "e0"
			}
		}
	}
	return json.Marshal(root)
}

// plainQuantities gives every quantity the format that its own text stands for, so that equal templates are equal specs.
func plainQuantities(list corev1.ResourceList) {
	for name, q := range list {
		list[name] = plainQuantity(q)
	}
}

func plainQuantity(q resource.Quantity) resource.Quantity {
	if p, err := resource.ParseQuantity(q.String()); err == nil {
		return p
	}
	return q
}
