package support

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/capsulet/capsulet/translate/podspec"
)

// Refusal says that a field of the Pod asks for something this node will not do: the Pod can never run here as it is.
type Refusal struct { //nolint:errname // it is a verdict first, and an error where one is asked for
	// Field is the path of the field: spec.containers[0].volumeDevices.
	Field string
	// Reason is a clause for people.
	Reason string
}

func (r *Refusal) Error() string { return r.Field + ": " + r.Reason }

// Refusals are all the refusals of one Pod, at least one, in the order of the specification.
type Refusals []*Refusal //nolint:errname // it is a verdict first, and an error where one is asked for

func (r Refusals) Error() string {
	words := make([]string, len(r))
	for i, one := range r {
		words[i] = one.Error()
	}
	return strings.Join(words, "; ")
}

// Unwrap lets errors.As find the first refusal.
func (r Refusals) Unwrap() []error {
	errs := make([]error, len(r))
	for i, one := range r {
		errs[i] = one
	}
	return errs
}

func (r *Refusals) add(field, reason string, args ...any) {
	*r = append(*r, &Refusal{Field: field, Reason: fmt.Sprintf(reason, args...)})
}

// Refuse returns what in the Pod can never work here, nil when nothing is.
func Refuse(pod *corev1.Pod) Refusals {
	var r Refusals
	walk(reflect.ValueOf(pod.Spec), "spec", func(f found) {
		if f.rule.Verdict == Refused {
			r.add(f.path, "%s", f.rule.Why)
		}
	})
	refusePod(pod, &r)
	for i := range pod.Spec.InitContainers {
		refuseContainer(&pod.Spec.InitContainers[i], fmt.Sprintf("spec.initContainers[%d]", i), &r)
	}
	for i := range pod.Spec.Containers {
		refuseContainer(&pod.Spec.Containers[i], fmt.Sprintf("spec.containers[%d]", i), &r)
	}
	for i, c := range podspec.Ephemeral(pod) {
		refuseContainer(&c, fmt.Sprintf("spec.ephemeralContainers[%d]", i), &r)
	}
	for i := range pod.Spec.Volumes {
		refuseVolume(&pod.Spec.Volumes[i], fmt.Sprintf("spec.volumes[%d]", i), &r)
	}
	return r
}

// envField says whether a variable can have the field as its value (kubelet: pkg/kubelet/kubelet_pods.go).
func envField(path string) bool {
	switch path {
	case "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
		"status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs":
		return true
	}
	field, _, ok := podspec.Subscript(path)
	return ok && (field == "metadata.labels" || field == "metadata.annotations")
}

// Warnings returns the fields that are set and left out of account, which whoever wrote the Pod should know.
func Warnings(pod *corev1.Pod) []Refusal {
	var all []Refusal
	walk(reflect.ValueOf(pod.Spec), "spec", func(f found) {
		if f.rule.Verdict == Warned {
			all = append(all, Refusal{f.path, f.rule.Why})
		}
	})
	return all
}

func refusePod(pod *corev1.Pod, r *Refusals) {
	spec := &pod.Spec
	if spec.HostUsers != nil && !*spec.HostUsers {
		r.add("spec.hostUsers", "%s", noUserNamespace)
	}
	if spec.OS != nil && spec.OS.Name != corev1.Linux {
		r.add("spec.os.name", "%q: capsules are Linux containers", spec.OS.Name)
	}
	if spec.Resources != nil {
		refuseResources(spec.Resources.Limits, "spec.resources.limits", r)
		refuseResources(spec.Resources.Requests, "spec.resources.requests", r)
	}
	sc := spec.SecurityContext
	if sc == nil {
		return
	}
	refuseProfiles(sc.SeccompProfile, sc.AppArmorProfile, "spec.securityContext", r)
	if p := sc.SupplementalGroupsPolicy; p != nil && *p != corev1.SupplementalGroupsPolicyMerge {
		r.add("spec.securityContext.supplementalGroupsPolicy", "%q: %s", *p, alwaysMerged)
	}
}

func refuseContainer(c *corev1.Container, at string, r *Refusals) {
	for i, rule := range c.RestartPolicyRules {
		if rule.Action != corev1.ContainerRestartRuleActionRestart {
			r.add(fmt.Sprintf("%s.restartPolicyRules[%d].action", at, i), "%q: %s", rule.Action, onlyRestart)
		}
	}
	refuseResources(c.Resources.Limits, at+".resources.limits", r)
	refuseResources(c.Resources.Requests, at+".resources.requests", r)
	for i, m := range c.VolumeMounts {
		refuseMount(&m, fmt.Sprintf("%s.volumeMounts[%d]", at, i), r)
	}
	for i, e := range c.Env {
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && !envField(e.ValueFrom.FieldRef.FieldPath) {
			r.add(fmt.Sprintf("%s.env[%d].valueFrom.fieldRef.fieldPath", at, i), "%q is no field that a variable can have",
				e.ValueFrom.FieldRef.FieldPath)
		}
	}
	sc := c.SecurityContext
	if sc == nil {
		return
	}
	refuseProfiles(sc.SeccompProfile, sc.AppArmorProfile, at+".securityContext", r)
}

func refuseProfiles(s *corev1.SeccompProfile, a *corev1.AppArmorProfile, at string, r *Refusals) {
	if s != nil {
		switch {
		case !slices.Contains([]corev1.SeccompProfileType{corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeUnconfined,
			corev1.SeccompProfileTypeLocalhost}, s.Type):
			r.add(at+".seccompProfile.type", "%q is no type of a profile", s.Type)
		case s.Type == corev1.SeccompProfileTypeLocalhost && ptr.Deref(s.LocalhostProfile, "") == "":
			r.add(at+".seccompProfile.localhostProfile", "it names no profile")
		case s.LocalhostProfile != nil && (path.IsAbs(*s.LocalhostProfile) || podspec.Climbs(*s.LocalhostProfile)):
			r.add(at+".seccompProfile.localhostProfile", "%q leaves the directory of profiles", *s.LocalhostProfile)
		}
	}
	if a != nil {
		switch {
		case !slices.Contains([]corev1.AppArmorProfileType{corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeUnconfined,
			corev1.AppArmorProfileTypeLocalhost}, a.Type):
			r.add(at+".appArmorProfile.type", "%q is no type of a profile", a.Type)
		case a.Type == corev1.AppArmorProfileTypeLocalhost && ptr.Deref(a.LocalhostProfile, "") == "":
			r.add(at+".appArmorProfile.localhostProfile", "it names no profile")
		}
	}
}

func refuseResources(list corev1.ResourceList, at string, r *Refusals) {
	for _, name := range slices.Sorted(maps.Keys(list)) {
		switch name {
		case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		default:
			r.add(fmt.Sprintf("%s[%s]", at, name), "no host of this node offers this resource")
		}
	}
}

func refuseMount(m *corev1.VolumeMount, at string, r *Refusals) {
	if path.IsAbs(m.SubPath) || podspec.Climbs(m.SubPath) {
		r.add(at+".subPath", "%q leaves the volume", m.SubPath)
	}
}

func refuseVolume(v *corev1.Volume, at string, r *Refusals) {
	if v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumDefault && v.EmptyDir.Medium != corev1.StorageMediumMemory {
		r.add(at+".emptyDir.medium", "%q: %s", v.EmptyDir.Medium, noHugePages)
	}
	if v.HostPath != nil && podspec.Climbs(v.HostPath.Path) {
		r.add(at+".hostPath.path", "%q has .. in it", v.HostPath.Path)
	}
}
