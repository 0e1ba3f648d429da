package podspec

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// IsSidecar says whether an init container runs beside the containers.
func IsSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// Ephemeral are the Pod's ephemeral containers as containers: the API made their fields the same for this.
func Ephemeral(pod *corev1.Pod) []corev1.Container {
	var list []corev1.Container
	for i := range pod.Spec.EphemeralContainers {
		list = append(list, corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
	return list
}

// IsEphemeral says whether the Pod has an ephemeral container of that name.
func IsEphemeral(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.EphemeralContainers, func(e corev1.EphemeralContainer) bool { return e.Name == name })
}

// IsInit says whether the Pod has an init container of that name.
func IsInit(pod *corev1.Pod, name string) bool {
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == name {
			return true
		}
	}
	return false
}

// Container is the container of that name, of whatever kind; nil when there is none.
func Container(pod *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers, Ephemeral(pod)} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// AppArmor says whether the Pod asks for an AppArmor profile to be enforced (kubelet: pkg/security/apparmor/validate.go).
func AppArmor(pod *corev1.Pod) bool {
	asked := func(p *corev1.AppArmorProfile) bool {
		return p != nil && p.Type != corev1.AppArmorProfileTypeUnconfined
	}
	if sc := pod.Spec.SecurityContext; sc != nil && asked(sc.AppArmorProfile) {
		return true
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers, Ephemeral(pod)} {
		for i := range list {
			if sc := list[i].SecurityContext; sc != nil && asked(sc.AppArmorProfile) {
				return true
			}
		}
	}
	return false
}

// SysctlName is the name with dots, also of one that was written with slashes, where a dot stands for a slash.
func SysctlName(s string) string {
	at := strings.IndexAny(s, "./")
	if at < 0 || s[at] == '.' {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, s)
}

// Climbs says whether one of the path's elements is "..".
func Climbs(p string) bool {
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// Subscript splits metadata.labels['x'].
func Subscript(path string) (field, key string, ok bool) {
	field, rest, ok := strings.Cut(path, "['")
	if !ok || !strings.HasSuffix(rest, "']") {
		return "", "", false
	}
	return field, strings.TrimSuffix(rest, "']"), true
}
