package translate

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func finishHTTP(c *corev1.Container, h *corev1.HTTPGetAction) {
	resolvePort(c, &h.Port)
	h.Scheme = cmp.Or(h.Scheme, corev1.URISchemeHTTP)
	h.Path = cmp.Or(h.Path, "/")
}

// resolvePort replaces the name of one of the container's ports by its number. A name that no port has stays, and the
// probe fails with it, as on a kubelet.
func resolvePort(c *corev1.Container, port *intstr.IntOrString) {
	if port.Type != intstr.String {
		return
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			*port = intstr.FromInt32(p.ContainerPort)
			return
		}
	}
}
