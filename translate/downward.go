package translate

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// references are the fields that only the agent knows.
var references = map[string]capsule.Reference{
	"status.podIP":   capsule.RefCapsuleAddress,
	"status.podIPs":  capsule.RefCapsuleAddresses,
	"status.hostIP":  capsule.RefHostAddress,
	"status.hostIPs": capsule.RefHostAddresses,
}

// podField is the value of a field that does not depend on where the capsule runs.
func podField(pod *corev1.Pod, path string, src *Sources) string {
	if field, key, ok := podspec.Subscript(path); ok {
		if field == "metadata.labels" {
			return pod.Labels[key]
		}
		return pod.Annotations[key]
	}
	switch path {
	case "metadata.name":
		return pod.Name
	case "metadata.namespace":
		return pod.Namespace
	case "metadata.uid":
		return string(pod.UID)
	case "metadata.labels":
		return formatMap(pod.Labels)
	case "metadata.annotations":
		return formatMap(pod.Annotations)
	case "spec.nodeName":
		if pod.Spec.NodeName != "" {
			return pod.Spec.NodeName
		}
		return src.NodeName
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName
	}
	return ""
}

// formatMap is the downward API's format: one key="quoted value" for each line, sorted.
func formatMap(m map[string]string) string {
	lines := make([]string, 0, len(m))
	for _, k := range sortedKeys(m) {
		lines = append(lines, fmt.Sprintf("%s=%q", k, m[k]))
	}
	return strings.Join(lines, "\n")
}

// resourceField is the value of limits or requests divided by the divisor, rounded up. A limit that is not set is what
// the node can give.
func resourceField(pod *corev1.Pod, c *corev1.Container, ref *corev1.ResourceFieldSelector, src *Sources) (string, error) {
	if ref.ContainerName != "" {
		if c = podspec.Container(pod, ref.ContainerName); c == nil {
			return "", support.Refusals{{Field: "resourceFieldRef.containerName", Reason: fmt.Sprintf("there is no container %q", ref.ContainerName)}}
		}
	}
	if c == nil {
		return "", support.Refusals{{Field: "resourceFieldRef.containerName", Reason: "it is needed in a volume"}}
	}
	which, name, _ := strings.Cut(ref.Resource, ".")
	var q resource.Quantity
	switch which {
	case "limits":
		q = c.Resources.Limits[corev1.ResourceName(name)]
		if q.IsZero() && pod.Spec.Resources != nil {
			q = pod.Spec.Resources.Limits[corev1.ResourceName(name)]
		}
		if q.IsZero() {
			q = src.Allocatable[corev1.ResourceName(name)]
		}
	case "requests":
		q = c.Resources.Requests[corev1.ResourceName(name)]
	default:
		return "", support.Refusals{{Field: "resourceFieldRef.resource", Reason: fmt.Sprintf("%q is no limit and no request", ref.Resource)}}
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if corev1.ResourceName(name) == corev1.ResourceCPU {
		return ceilDiv(q.MilliValue(), divisor.MilliValue()), nil
	}
	return ceilDiv(q.Value(), divisor.Value()), nil
}

func ceilDiv(a, b int64) string { return strconv.FormatInt((a+b-1)/b, 10) }
