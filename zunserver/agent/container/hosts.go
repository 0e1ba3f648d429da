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
	return s.ManagedHosts || len(s.HostAliases) > 0
}

// Hosts is the content of /etc/hosts as the kubelet writes it (pkg/kubelet/kubelet_pods.go, managedHostsFileContent).
// host is the host's own file, which a capsule in the host's network gets.
func Hosts(s *capsule.Spec, addresses []string, host []byte) []byte {
	var b bytes.Buffer
	if s.HostNetwork {
		b.WriteString("# Kubernetes-managed hosts file (host network).\n")
		b.Write(host)
	} else {
		b.WriteString("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
			"fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n")
		names := shortHostname(s)
		if s.HostDomain != "" {
			names = names + "." + s.HostDomain + "\t" + names
		}
		for _, a := range addresses {
			fmt.Fprintf(&b, "%s\t%s\n", a, names)
		}
	}
	if len(s.HostAliases) > 0 {
		b.WriteString("\n# Entries added by HostAliases.\n")
	}
	for _, a := range s.HostAliases {
		fmt.Fprintf(&b, "%s\t%s\n", a.IP, strings.Join(a.Hostnames, "\t"))
	}
	return b.Bytes()
}
