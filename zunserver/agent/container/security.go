package container

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// securityOf merges the capsule's and the container's security context; the container's wins. profile is the content of
// [SeccompProfile].
func securityOf(s *capsule.Spec, cs *capsule.ContainerSpec, img runtime.Image, profile string) (runtime.Security, error) {
	var out runtime.Security
	psc, sc := s.SecurityContext, cs.SecurityContext
	if psc == nil {
		psc = &corev1.PodSecurityContext{}
	}
	if sc == nil {
		sc = &corev1.SecurityContext{}
	}
	uid, gid := first(sc.RunAsUser, psc.RunAsUser), first(sc.RunAsGroup, psc.RunAsGroup)
	out.User = user(uid, gid, img.User)
	for _, g := range psc.SupplementalGroups {
		out.Groups = append(out.Groups, strconv.FormatInt(g, 10))
	}
	if psc.FSGroup != nil {
		out.Groups = append(out.Groups, strconv.FormatInt(*psc.FSGroup, 10))
	}
	if nonRoot := first(sc.RunAsNonRoot, psc.RunAsNonRoot); nonRoot != nil && *nonRoot {
		if err := verifyNonRoot(uid, img.User); err != nil {
			return out, err
		}
	}
	out.Privileged = sc.Privileged != nil && *sc.Privileged
	out.ReadOnlyRoot = sc.ReadOnlyRootFilesystem != nil && *sc.ReadOnlyRootFilesystem
	out.NoNewPrivileges = sc.AllowPrivilegeEscalation != nil && !*sc.AllowPrivilegeEscalation
	out.UnmaskProc = sc.ProcMount != nil && *sc.ProcMount == corev1.UnmaskedProcMount
	if sc.Capabilities != nil {
		for _, c := range sc.Capabilities.Add {
			out.CapAdd = append(out.CapAdd, string(c))
		}
		for _, c := range sc.Capabilities.Drop {
			out.CapDrop = append(out.CapDrop, string(c))
		}
	}
	out.SELinux = labels(first(sc.SELinuxOptions, psc.SELinuxOptions))
	if p := first(sc.SeccompProfile, psc.SeccompProfile); p != nil {
		switch p.Type {
		case corev1.SeccompProfileTypeUnconfined:
			out.Seccomp = "unconfined"
		case corev1.SeccompProfileTypeLocalhost:
			out.Seccomp = profile
		}
	}
	if p := first(sc.AppArmorProfile, psc.AppArmorProfile); p != nil {
		switch p.Type {
		case corev1.AppArmorProfileTypeUnconfined:
			out.AppArmor = "unconfined"
		case corev1.AppArmorProfileTypeLocalhost:
			out.AppArmor = *first(p.LocalhostProfile, new(string))
		}
	}
	if out.Privileged {
		out.Seccomp, out.AppArmor = "", "" // nothing of it holds a privileged container, as with the kubelet
	}
	return out, nil
}

// SeccompProfile is the name of the profile of the machine that the container asks for, empty when it asks for none.
func SeccompProfile(s *capsule.Spec, cs *capsule.ContainerSpec) string {
	var of, whole *corev1.SeccompProfile
	if cs.SecurityContext != nil {
		of = cs.SecurityContext.SeccompProfile
	}
	if s.SecurityContext != nil {
		whole = s.SecurityContext.SeccompProfile
	}
	p := first(of, whole)
	if sc := cs.SecurityContext; sc != nil && sc.Privileged != nil && *sc.Privileged {
		return "" // nothing of it holds a privileged container
	}
	if p == nil || p.Type != corev1.SeccompProfileTypeLocalhost || p.LocalhostProfile == nil {
		return ""
	}
	return *p.LocalhostProfile
}

// labels are the parts of a SELinux context that are asked for; a host without SELinux leaves them out of account.
func labels(o *corev1.SELinuxOptions) []string {
	var all []string
	if o == nil {
		return nil
	}
	for _, part := range []struct{ name, value string }{{"user", o.User}, {"role", o.Role}, {"type", o.Type}, {"level", o.Level}} {
		if part.value != "" {
			all = append(all, part.name+":"+part.value)
		}
	}
	return all
}

// user is what the engine is asked to run as: the asked IDs, else the image's.
func user(uid, gid *int64, image string) string {
	switch {
	case uid == nil && gid == nil:
		return ""
	case gid == nil:
		return strconv.FormatInt(*uid, 10)
	case uid == nil:
		u, _, _ := strings.Cut(image, ":")
		if u == "" {
			u = "0"
		}
		return fmt.Sprintf("%s:%d", u, *gid)
	default:
		return fmt.Sprintf("%d:%d", *uid, *gid)
	}
}

// verifyNonRoot has the kubelet's words (pkg/kubelet/kuberuntime/security_context.go).
func verifyNonRoot(uid *int64, image string) error {
	if uid != nil {
		if *uid == 0 {
			return fmt.Errorf("container's runAsUser breaks non-root policy")
		}
		return nil
	}
	name, _, _ := strings.Cut(image, ":")
	if name == "" {
		name = "0"
	}
	id, err := strconv.ParseInt(name, 10, 64)
	switch {
	case err != nil:
		return fmt.Errorf("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root", name)
	case id == 0:
		return fmt.Errorf("container has runAsNonRoot and image will run as root")
	}
	return nil
}

func first[T any](ps ...*T) *T {
	for _, p := range ps {
		if p != nil {
			return p
		}
	}
	return nil
}
