package container

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// HostsPath is the file that [Hosts] is the content of.
const HostsPath = "/etc/hosts"

// WantsHosts says whether the container gets an /etc/hosts of ours: the capsule asks for one, and nothing of the
// container's own is mounted there.
func WantsHosts(s *capsule.Spec, cs *capsule.ContainerSpec) bool {
	for _, m := range cs.VolumeMounts {
		if path.Clean(m.MountPath) == HostsPath {
			return false
		}
	}
	return HasHosts(s)
}

// HasHosts says whether the capsule asks for an /etc/hosts of ours.
func HasHosts(s *capsule.Spec) bool { return s.ManagedHosts || len(s.HostAliases) > 0 }

// Hosts is the content of /etc/hosts as the kubelet writes it (pkg/kubelet/kubelet_pods.go, managedHostsFileContent), around
// the host's own file, which a capsule in the host's network gets: own says so.
func Hosts(s *capsule.Spec, addresses []string) (before []byte, own bool, after []byte) {
	var b, a bytes.Buffer
	if s.HostNetwork {
		b.WriteString("# Kubernetes-managed hosts file (host network).\n")
	} else {
		b.WriteString("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
			"fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n")
		names := s.ShortHostname()
		if s.HostDomain != "" {
			names = names + "." + s.HostDomain + "\t" + names
		}
		for _, address := range addresses {
			fmt.Fprintf(&b, "%s\t%s\n", address, names)
		}
	}
	if len(s.HostAliases) > 0 {
		a.WriteString("\n# Entries added by HostAliases.\n")
	}
	for _, alias := range s.HostAliases {
		fmt.Fprintf(&a, "%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, "\t"))
	}
	return b.Bytes(), s.HostNetwork, a.Bytes()
}
