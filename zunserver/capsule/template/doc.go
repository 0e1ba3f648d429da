// Package template reads and writes capsule templates, the documents that a capsule is created from.
//
// # One way in
//
//	bytes (JSON object, JSON string of it, YAML) ─► tree ─► zun forms rewritten ─► shape checked ─► capsule.Spec
//	                                                                                     defaults ─► rules ─►
//
// Two dialects share one grammar. Zun's (openstack/zun: zun/common/… schemas/parameter_types.py, capsule_template) has env
// as a map and resources as numbers; the canonical one is the JSON of [capsule.Spec]. The rewriting turns the first into
// the second and leaves the second alone, so that everything after it knows one form only, and a document may mix them.
//
// The shape check walks the tree along the Go types: an unknown property or a value of another type is an error that
// names the JSON path, in Zun's words. Nothing in a template is ignored.
//
// # What Zun's forms mean here
//
//   - A number, or a string of digits, is a memory size in MiB; "512MB" and "2GB" are binary units. Zun has no limits:
//     its requests are the hard memory limit. So a container that gives its memory in one of these forms and has no
//     resources.limits gets limits.memory = requests.memory. Kubernetes quantities with a suffix never have this effect.
//     The resources of the capsule as a whole, which Zun has not, are Kubernetes quantities and nothing else.
//   - Containers keep the names that were given; Zun accepts and then replaces them.
//   - Zun's default pull policy is always. Here it is the kubelet's: Always for :latest and for no tag, else IfNotPresent.
//     That is deliberate: an image that exists only on the host must work.
//
// Decisions (2026-11-20): a bare number of bytes cannot be told from Zun's MiB, so [Encode] writes such a memory quantity
// with the exponent e0, which Kubernetes' parser reads as the same number. Null means unset everywhere, because Zun's
// schema allows it nearly everywhere. Values are quoted in errors except those of environment variables, files and HTTP
// headers, which may be secret.
package template
