package container

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestHosts(t *testing.T) {
	const head = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
	for _, row := range []struct {
		name string
		edit func(*capsule.Spec)
		want string
	}{
		{"plain", func(*capsule.Spec) {}, head + "10.0.0.2\tweb\nfd00::2\tweb\n"},
		{"with a domain", func(s *capsule.Spec) { s.Hostname, s.HostDomain = "a", "sub.ns.svc.cluster.local" },
			head + "10.0.0.2\ta.sub.ns.svc.cluster.local\ta\nfd00::2\ta.sub.ns.svc.cluster.local\ta\n"},
		{"a long name is cut", func(s *capsule.Spec) { s.Hostname = strings.Repeat("x", 70) },
			head + "10.0.0.2\t" + strings.Repeat("x", 63) + "\nfd00::2\t" + strings.Repeat("x", 63) + "\n"},
		{"with aliases", func(s *capsule.Spec) {
			s.HostAliases = []corev1.HostAlias{{IP: "1.2.3.4", Hostnames: []string{"foo", "bar"}}, {IP: "1.2.3.5", Hostnames: []string{"x"}}}
		}, head + "10.0.0.2\tweb\nfd00::2\tweb\n\n# Entries added by HostAliases.\n1.2.3.4\tfoo\tbar\n1.2.3.5\tx\n"},
		{"host network", func(s *capsule.Spec) { s.HostNetwork = true }, "# Kubernetes-managed hosts file (host network).\n127.0.0.1 here\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &capsule.Spec{Name: "web"}
			row.edit(s)
			before, own, after := Hosts(s, []string{"10.0.0.2", "fd00::2"})
			if own {
				before = append(before, "127.0.0.1 here\n"...)
			}
			if got := string(before) + string(after); got != row.want {
				t.Errorf("got\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}

func TestWantsHosts(t *testing.T) {
	own := &capsule.ContainerSpec{VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/etc/hosts/"}}}
	plain := &capsule.ContainerSpec{VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/etc"}}}
	managed, aliased := &capsule.Spec{ManagedHosts: true}, &capsule.Spec{HostAliases: []corev1.HostAlias{{IP: "1.1.1.1"}}}
	if WantsHosts(managed, own) || !WantsHosts(managed, plain) || !WantsHosts(aliased, plain) || WantsHosts(&capsule.Spec{}, plain) {
		t.Error("wrong containers get a hosts file")
	}
}

func TestFullHostname(t *testing.T) {
	s := &capsule.Spec{Name: "web", HostDomain: "sub.ns.svc.x", SetHostnameAsFQDN: true}
	c := &capsule.Capsule{UUID: "u", Spec: *s}
	if got := Sandbox(c, Place{}, 0).Hostname; got != "web.sub.ns.svc.x" {
		t.Errorf("hostname %q", got)
	}
	c.Spec.SetHostnameAsFQDN = false
	if got := Sandbox(c, Place{}, 0).Hostname; got != "web" {
		t.Errorf("hostname %q", got)
	}
}
