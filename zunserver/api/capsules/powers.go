package capsules

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// refusePowers refuses a spec with something in it that gives power over the host, unless the caller may have every one of them.
// Each is an action of the policy; Zun keeps create:privileged from everybody by default.
func refusePowers(c *rest.Call, s *capsule.Spec) error {
	for _, power := range powersOverHost(s) {
		action := auth.Action("capsule:create:" + power)
		if auth.Allowed(action, c.Caller, c.Caller.Project) != nil {
			return rest.NotAllowed(action)
		}
	}
	return nil
}

// powersOverHost names what in the spec gives power over the host.
func powersOverHost(s *capsule.Spec) (powers []string) {
	has := func(power string, given bool) {
		if given {
			powers = append(powers, power)
		}
	}
	has("hostNetwork", s.HostNetwork)
	has("hostPID", s.HostPID)
	has("hostIPC", s.HostIPC)
	for i := range s.Volumes {
		v := &s.Volumes[i]
		has("hostPath", v.HostPath != nil)
		has("local", v.Local != nil) // a path of the host, too
		has("nfs", v.NFS != nil)     // the host mounts it, as root and with options
	}
	if p := s.SecurityContext; p != nil {
		has("seLinuxOptions", p.SELinuxOptions != nil)
		has("sysctls", len(p.Sysctls) > 0)
		has("seccompProfile", p.SeccompProfile != nil && p.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined)
		has("appArmorProfile", p.AppArmorProfile != nil && p.AppArmorProfile.Type == corev1.AppArmorProfileTypeUnconfined)
	}
	for _, list := range [][]capsule.ContainerSpec{s.InitContainers, s.Containers, s.EphemeralContainers} {
		for i := range list {
			p := list[i].SecurityContext
			if p == nil {
				continue
			}
			has("seLinuxOptions", p.SELinuxOptions != nil)
			has("privileged", p.Privileged != nil && *p.Privileged)
			has("capabilities", p.Capabilities != nil && len(p.Capabilities.Add) > 0)
			has("procMount", p.ProcMount != nil && *p.ProcMount == corev1.UnmaskedProcMount)
			has("seccompProfile", p.SeccompProfile != nil && p.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined)
			has("appArmorProfile", p.AppArmorProfile != nil && p.AppArmorProfile.Type == corev1.AppArmorProfileTypeUnconfined)
		}
	}
	return powers
}
