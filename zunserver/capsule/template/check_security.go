package template

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

// security refuses what no host carries out yet; the rest is Kubernetes' to check.
func (c *checker) security(s *corev1.SecurityContext, at string) {
	if s == nil {
		return
	}
	c.seLinux(s.SELinuxOptions, at+".seLinuxOptions")
	c.unsupported(s.WindowsOptions != nil, at+".windowsOptions", "capsules are Linux containers")
	c.profiles(s.SeccompProfile, s.AppArmorProfile, at)
	c.ids(at, map[string]*int64{"runAsUser": s.RunAsUser, "runAsGroup": s.RunAsGroup})
	if s.ProcMount != nil {
		oneOf(c, *s.ProcMount, at+".procMount", corev1.DefaultProcMount, corev1.UnmaskedProcMount)
	}
	privileged := s.Privileged != nil && *s.Privileged
	c.that(!privileged || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation, at+".allowPrivilegeEscalation",
		false, "a privileged container cannot be kept from it")
}

func (c *checker) podSecurity(s *corev1.PodSecurityContext, at string) {
	if s == nil {
		return
	}
	c.seLinux(s.SELinuxOptions, at+".seLinuxOptions")
	c.unsupported(s.SELinuxChangePolicy != nil, at+".seLinuxChangePolicy", "volumes are not relabelled")
	c.unsupported(s.WindowsOptions != nil, at+".windowsOptions", "capsules are Linux containers")
	if p := s.SupplementalGroupsPolicy; p != nil {
		oneOf(c, *p, at+".supplementalGroupsPolicy", corev1.SupplementalGroupsPolicyMerge)
	}
	if p := s.FSGroupChangePolicy; p != nil {
		oneOf(c, *p, at+".fsGroupChangePolicy", corev1.FSGroupChangeAlways, corev1.FSGroupChangeOnRootMismatch)
	}
	c.profiles(s.SeccompProfile, s.AppArmorProfile, at)
	ids := map[string]*int64{"runAsUser": s.RunAsUser, "runAsGroup": s.RunAsGroup, "fsGroup": s.FSGroup}
	for i := range s.SupplementalGroups {
		ids[fmt.Sprintf("supplementalGroups[%d]", i)] = &s.SupplementalGroups[i]
	}
	c.ids(at, ids)
	for i, y := range s.Sysctls {
		ok := y.Name != "" && !strings.ContainsAny(y.Name+y.Value, "= \t\r\n\x00")
		c.that(ok || y.Name != "" && strings.Trim(y.Value, "0123456789 \t") == "", fmt.Sprintf("%s.sysctls[%d]", at, i), nil,
			"it is not a sysctl")
	}
}

func (c *checker) seLinux(o *corev1.SELinuxOptions, at string) {
	if o == nil {
		return
	}
	for field, v := range map[string]string{"user": o.User, "role": o.Role, "type": o.Type, "level": o.Level} {
		c.that(!strings.ContainsAny(v, " \t\r\n\x00"), at+"."+field, v, "it has blanks in it")
	}
}

func (c *checker) ids(at string, ids map[string]*int64) {
	for field, id := range ids {
		if id != nil {
			c.between(*id, 0, 1<<31-1, at+"."+field)
		}
	}
}

func (c *checker) profiles(s *corev1.SeccompProfile, a *corev1.AppArmorProfile, at string) {
	if s != nil {
		oneOf(c, s.Type, at+".seccompProfile.type", corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeUnconfined,
			corev1.SeccompProfileTypeLocalhost)
		c.localhost(s.Type == corev1.SeccompProfileTypeLocalhost, s.LocalhostProfile, at+".seccompProfile")
		if p := s.LocalhostProfile; p != nil {
			c.that(!path.IsAbs(*p) && !dotDot(*p), at+".seccompProfile.localhostProfile", *p, "it leaves the directory of profiles")
		}
	}
	if a != nil {
		oneOf(c, a.Type, at+".appArmorProfile.type", corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeUnconfined,
			corev1.AppArmorProfileTypeLocalhost)
		c.localhost(a.Type == corev1.AppArmorProfileTypeLocalhost, a.LocalhostProfile, at+".appArmorProfile")
		if p := a.LocalhostProfile; p != nil {
			c.that(!strings.ContainsAny(*p, " \t\r\n\x00"), at+".appArmorProfile.localhostProfile", *p, "it has blanks in it")
		}
	}
}

// localhost: a profile has a name when, and only when, it is one of the host.
func (c *checker) localhost(is bool, profile *string, at string) {
	if is && (profile == nil || *profile == "") {
		c.fail(problem.Missing(at, "localhostProfile"))
	}
	c.unsupported(!is && profile != nil, at+".localhostProfile", "it is for profiles of the type Localhost")
}
