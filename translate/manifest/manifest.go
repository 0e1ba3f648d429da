// Package manifest makes a capsule of a Pod's manifest where there is no Kubernetes: what `kubectl apply` would be given, given
// to the capsule server in place of a template. It is pure, as all under translate.
//
// A Pod that says all of itself is translated as for a node. What takes a cluster is refused by the name of its field: objects
// that it refers to (ConfigMaps, Secrets, claims, service accounts, runtime classes) and what only Kubernetes' scheduler knows.
// An object that is marked optional is one that does not exist. nodeName and nodeSelector are the capsule's host and the labels of
// its host, with the name of the host for kubernetes.io/hostname. Tolerations, schedulerName, preemptionPolicy and
// enableServiceLinks have nothing to act on and are left out of account.
package manifest

import (
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/capsulet/capsulet/translate"
	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

// Capsule reads a Pod's manifest, YAML or JSON. It returns the specification with its defaults, and metadata.uid, which is empty when
// the manifest has none. Every error is a [template.Error] that names all the fields that stand in the way.
func Capsule(doc []byte) (spec capsule.Spec, uid string, err error) {
	var pod corev1.Pod
	asJSON, err := yaml.YAMLToJSONStrict(doc)
	var unknown []error
	if err == nil {
		unknown, err = json.UnmarshalStrict(asJSON, &pod)
	}
	if err = errors.Join(append(unknown, err)...); err != nil {
		return spec, "", problem.At("template", "The manifest is not a Pod: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	if pod.APIVersion != "v1" {
		return spec, "", problem.NotOneOf("template.apiVersion", pod.APIVersion, "v1")
	}
	if pod.Name == "" {
		return spec, "", problem.Missing("template.metadata", "name")
	}
	if pod.Namespace == "" {
		pod.Namespace = corev1.NamespaceDefault
	}
	if refused := append(support.Refuse(&pod), outside(&pod)...); len(refused) > 0 {
		return spec, "", problem.At("template", "The Pod cannot be a capsule: %s", refused)
	}
	spec, lacking, err := translate.Template(&pod, translate.Sources{}, nil)
	if err == nil && len(lacking) > 0 {
		err = lacking[0]
	}
	if err != nil {
		return capsule.Spec{}, "", problem.At("template", "The Pod cannot be a capsule: %s", err)
	}
	spec.Annotations = pod.Annotations
	place(&spec, &pod)
	canonical, err := template.Encode(spec, string(pod.UID))
	if err != nil {
		return capsule.Spec{}, "", problem.At("template", "%s", err)
	}
	return template.Parse(canonical) // its defaults and its rules
}

// place takes over where the Pod has to live.
func place(spec *capsule.Spec, pod *corev1.Pod) {
	spec.HostSelector = pod.Spec.NodeName
	for key, value := range pod.Spec.NodeSelector {
		switch key {
		case corev1.LabelHostname:
			spec.HostSelector = value
		case corev1.LabelOSStable: // every host is
		default:
			if spec.HostLabels == nil {
				spec.HostLabels = map[string]string{}
			}
			spec.HostLabels[key] = value
		}
	}
}

// refusals collects what takes a cluster.
type refusals struct{ list support.Refusals }

func (r *refusals) needs(is bool, field, what string) {
	if is {
		r.list = append(r.list, &support.Refusal{Field: field, Reason: "needs Kubernetes, which " + what})
	}
}

// outside is what of the Pod takes a cluster.
func outside(pod *corev1.Pod) support.Refusals {
	r, s := &refusals{}, &pod.Spec
	r.needs(s.ServiceAccountName != "" && s.ServiceAccountName != "default", "spec.serviceAccountName", "has the service accounts")
	r.needs(s.RuntimeClassName != nil && *s.RuntimeClassName != "", "spec.runtimeClassName", "has the runtime classes")
	r.needs(s.PriorityClassName != "" || s.Priority != nil, "spec.priorityClassName", "has the priority classes")
	r.needs(s.Affinity != nil, "spec.affinity", "has the scheduler for it; here there are nodeName and nodeSelector")
	r.needs(len(s.TopologySpreadConstraints) > 0, "spec.topologySpreadConstraints", "has the scheduler for them")
	r.needs(len(s.SchedulingGates) > 0, "spec.schedulingGates", "would lift them")
	r.needs(s.NodeSelector[corev1.LabelOSStable] != "" && s.NodeSelector[corev1.LabelOSStable] != "linux",
		"spec.nodeSelector", "may have nodes that are not Linux")
	r.needs(s.NodeName != "" && s.NodeSelector[corev1.LabelHostname] != "" && s.NodeName != s.NodeSelector[corev1.LabelHostname],
		"spec.nodeSelector", "is not here to find out that nodeName says something else")
	for i := range s.ImagePullSecrets {
		r.needs(true, fmt.Sprintf("spec.imagePullSecrets[%d]", i), "has the Secrets; here a registry's login is pullCredentials of a template")
	}
	for i := range s.InitContainers {
		r.container(pod, &s.InitContainers[i], fmt.Sprintf("spec.initContainers[%d]", i))
	}
	for i := range s.Containers {
		r.container(pod, &s.Containers[i], fmt.Sprintf("spec.containers[%d]", i))
	}
	for i := range s.EphemeralContainers {
		r.needs(true, fmt.Sprintf("spec.ephemeralContainers[%d]", i), "adds them to Pods that are there")
	}
	for i := range s.Volumes {
		r.volume(pod, &s.Volumes[i], fmt.Sprintf("spec.volumes[%d]", i))
	}
	return r.list
}

func optional(o *bool) bool { return o != nil && *o }

func (r *refusals) container(pod *corev1.Pod, c *corev1.Container, at string) {
	for i := range c.EnvFrom {
		e, p := &c.EnvFrom[i], fmt.Sprintf("%s.envFrom[%d]", at, i)
		r.needs(e.ConfigMapRef != nil && !optional(e.ConfigMapRef.Optional), p+".configMapRef", "has the ConfigMaps")
		r.needs(e.SecretRef != nil && !optional(e.SecretRef.Optional), p+".secretRef", "has the Secrets")
	}
	for i := range c.Env {
		from, p := c.Env[i].ValueFrom, fmt.Sprintf("%s.env[%d].valueFrom", at, i)
		if from == nil {
			continue
		}
		r.needs(from.ConfigMapKeyRef != nil && !optional(from.ConfigMapKeyRef.Optional), p+".configMapKeyRef", "has the ConfigMaps")
		r.needs(from.SecretKeyRef != nil && !optional(from.SecretKeyRef.Optional), p+".secretKeyRef", "has the Secrets")
		if f := from.FieldRef; f != nil {
			r.field(pod, f.FieldPath, p+".fieldRef.fieldPath")
		}
		if f := from.ResourceFieldRef; f != nil {
			r.resource(pod, c, f, p+".resourceFieldRef")
		}
	}
}

// field refuses a field that is known to a cluster only.
func (r *refusals) field(pod *corev1.Pod, path, at string) {
	r.needs(path == "spec.nodeName" && pod.Spec.NodeName == "", at, "gives the Pod its node before it starts")
	r.needs(path == "metadata.uid" && pod.UID == "", at, "gives the Pod its UID; here the manifest may give one")
}

// resource refuses a limit that the Pod does not give: then it would be the node's. c may be nil.
func (r *refusals) resource(pod *corev1.Pod, c *corev1.Container, f *corev1.ResourceFieldSelector, at string) {
	if f.ContainerName != "" {
		c = podspec.Container(pod, f.ContainerName)
	}
	name, limit := strings.CutPrefix(f.Resource, "limits.")
	if c == nil || !limit {
		return // the translation says what is wrong
	}
	_, given := c.Resources.Limits[corev1.ResourceName(name)]
	r.needs(!given, at, "knows what a container without a limit may use of its node")
}

func (r *refusals) volume(pod *corev1.Pod, v *corev1.Volume, at string) {
	if v.DownwardAPI != nil {
		r.downward(pod, v.DownwardAPI.Items, at+".downwardAPI")
	}
	r.needs(v.ConfigMap != nil && !optional(v.ConfigMap.Optional), at+".configMap", "has the ConfigMaps")
	r.needs(v.Secret != nil && !optional(v.Secret.Optional), at+".secret", "has the Secrets")
	r.needs(v.PersistentVolumeClaim != nil, at+".persistentVolumeClaim", "has the claims")
	r.needs(v.Ephemeral != nil, at+".ephemeral", "has the claims")
	if v.Projected == nil {
		return
	}
	for i := range v.Projected.Sources {
		s, p := &v.Projected.Sources[i], fmt.Sprintf("%s.projected.sources[%d]", at, i)
		r.needs(s.ConfigMap != nil && !optional(s.ConfigMap.Optional), p+".configMap", "has the ConfigMaps")
		r.needs(s.Secret != nil && !optional(s.Secret.Optional), p+".secret", "has the Secrets")
		r.needs(s.ServiceAccountToken != nil, p+".serviceAccountToken", "has the service accounts")
		r.needs(s.ClusterTrustBundle != nil, p+".clusterTrustBundle", "has the trust bundles")
		if s.DownwardAPI != nil {
			r.downward(pod, s.DownwardAPI.Items, p+".downwardAPI")
		}
	}
}

func (r *refusals) downward(pod *corev1.Pod, items []corev1.DownwardAPIVolumeFile, at string) {
	for i := range items {
		p := fmt.Sprintf("%s.items[%d]", at, i)
		if f := items[i].FieldRef; f != nil {
			r.field(pod, f.FieldPath, p+".fieldRef.fieldPath")
		}
		if f := items[i].ResourceFieldRef; f != nil {
			r.resource(pod, nil, f, p+".resourceFieldRef")
		}
	}
}
