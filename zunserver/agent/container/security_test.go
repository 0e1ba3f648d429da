package container_test

import (
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/agent/container"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

func ptr[T any](v T) *T { return &v }

func TestSecurity(t *testing.T) {
	t.Parallel()
	type pod = corev1.PodSecurityContext
	type app = corev1.SecurityContext
	for _, row := range []struct {
		name string
		pod  *pod
		app  *app
		user string // of the image
		want runtime.Security
	}{
		{"nothing asked", nil, nil, "www", runtime.Security{}},
		{"the capsule's user", &pod{RunAsUser: ptr(int64(7))}, nil, "", runtime.Security{User: "7"}},
		{"the container's wins", &pod{RunAsUser: ptr(int64(7)), RunAsGroup: ptr(int64(8))}, &app{RunAsUser: ptr(int64(0))}, "",
			runtime.Security{User: "0:8"}},
		{"a group for the image's user", &pod{RunAsGroup: ptr(int64(8))}, nil, "www:www", runtime.Security{User: "www:8"}},
		{"a group for the image's root", &pod{RunAsGroup: ptr(int64(8))}, nil, "", runtime.Security{User: "0:8"}},
		{"groups", &pod{SupplementalGroups: []int64{5, 6}, FSGroup: ptr(int64(9))}, nil, "", runtime.Security{Groups: []string{"5", "6", "9"}}},
		{"privileges", nil, &app{Privileged: ptr(true), ReadOnlyRootFilesystem: ptr(true), AllowPrivilegeEscalation: ptr(false)}, "",
			runtime.Security{Privileged: true, ReadOnlyRoot: true, NoNewPrivileges: true}},
		{"no privileges", nil, &app{Privileged: ptr(false), ReadOnlyRootFilesystem: ptr(false), AllowPrivilegeEscalation: ptr(true)}, "",
			runtime.Security{}},
		{"capabilities", nil, &app{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}, Drop: []corev1.Capability{"ALL"}}},
			"", runtime.Security{CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"ALL"}}},
		{"all of /proc", nil, &app{ProcMount: ptr(corev1.UnmaskedProcMount)}, "", runtime.Security{UnmaskProc: true}},
		{"a SELinux context", &pod{SELinuxOptions: &corev1.SELinuxOptions{Level: "s0"}}, &app{SELinuxOptions: &corev1.SELinuxOptions{
			Type: "t", Level: "s0:c1,c2"}}, "", runtime.Security{SELinux: []string{"type:t", "level:s0:c1,c2"}}},
		{"no seccomp", &pod{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}}, nil, "",
			runtime.Security{Seccomp: "unconfined"}},
		{"the container's seccomp wins", &pod{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}},
			&app{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}, "", runtime.Security{}},
		{"a seccomp profile of the machine", nil, &app{SeccompProfile: &corev1.SeccompProfile{
			Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: ptr("x.json")}}, "", runtime.Security{Seccomp: `{"profile":1}`}},
		{"an AppArmor profile of the host", &pod{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}},
			&app{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: ptr("k8s-web")}},
			"", runtime.Security{AppArmor: "k8s-web"}},
		{"no AppArmor", &pod{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}}, nil, "",
			runtime.Security{AppArmor: "unconfined"}},
		{"profiles do not hold what is privileged", &pod{SeccompProfile: &corev1.SeccompProfile{
			Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: ptr("x.json")}}, &app{Privileged: ptr(true)}, "",
			runtime.Security{Privileged: true}},
		{"not root by number", &pod{RunAsNonRoot: ptr(true)}, nil, "101:0", runtime.Security{}},
		{"the container may be root all the same", &pod{RunAsNonRoot: ptr(true)}, &app{RunAsNonRoot: ptr(false)}, "", runtime.Security{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := good()
			s.c.Spec.SecurityContext, s.app().SecurityContext, s.img.User = row.pod, row.app, row.user
			s.place.Seccomp = `{"profile":1}`
			if diff := cmp.Diff(row.want, s.must(t).Security); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestSecurityThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		app  corev1.SecurityContext
		user string
		want string
	}{
		{"root is asked for", corev1.SecurityContext{RunAsNonRoot: ptr(true), RunAsUser: ptr(int64(0))}, "www",
			"container's runAsUser breaks non-root policy"},
		{"the image says nothing", corev1.SecurityContext{RunAsNonRoot: ptr(true)}, "",
			"container has runAsNonRoot and image will run as root"},
		{"the image says root", corev1.SecurityContext{RunAsNonRoot: ptr(true)}, "0:0",
			"container has runAsNonRoot and image will run as root"},
		{"the image has a name", corev1.SecurityContext{RunAsNonRoot: ptr(true)}, "www:www",
			"container has runAsNonRoot and image has non-numeric user (www), cannot verify user is non-root"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := good()
			s.app().SecurityContext, s.img.User = &row.app, row.user
			_, err := s.config()
			if !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want InvalidArgument with %q", err, row.want)
			}
		})
	}
}

func TestSeccompProfileByName(t *testing.T) {
	t.Parallel()
	local := func(name string) *corev1.SeccompProfile {
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: &name}
	}
	for _, row := range []struct {
		name string
		pod  *corev1.SeccompProfile
		app  *corev1.SecurityContext
		want string
	}{
		{"none", nil, nil, ""},
		{"the capsule's", local("a"), nil, "a"},
		{"the container's wins", local("a"), &corev1.SecurityContext{SeccompProfile: local("b")}, "b"},
		{"also when it is the engine's", local("a"), &corev1.SecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}, ""},
		{"for nothing privileged", local("a"), &corev1.SecurityContext{Privileged: ptr(true)}, ""},
	} {
		s := good()
		s.c.Spec.SecurityContext, s.app().SecurityContext = &corev1.PodSecurityContext{SeccompProfile: row.pod}, row.app
		if got := container.SeccompProfile(&s.c.Spec, s.app()); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
