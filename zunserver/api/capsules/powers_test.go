package capsules

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Every field of these types was looked at: it gives power over the host, and powersOverHost names it, or it does not. A new field
// fails this test until somebody has decided.
var decided = map[reflect.Type]struct{ power, harmless string }{
	reflect.TypeFor[capsule.Spec](): {
		"HostNetwork HostPID HostIPC Volumes SecurityContext InitContainers Containers EphemeralContainers",
		"Name Labels Annotations AvailabilityZone HostSelector HostLabels RestartPolicy TerminationGracePeriodSeconds ActiveDeadlineSeconds " +
			"Hostname Subdomain DNS HostAliases HostDomain SetHostnameAsFQDN ManagedHosts Resources Nets ShareProcessNamespace Runtime Hash",
	},
	reflect.TypeFor[capsule.Volume](): {"HostPath NFS Local", "Name EmptyDir Files MountOptions ReadOnly"},
	reflect.TypeFor[corev1.PodSecurityContext](): {
		"SELinuxOptions Sysctls SeccompProfile AppArmorProfile",
		"WindowsOptions RunAsUser RunAsGroup RunAsNonRoot SupplementalGroups SupplementalGroupsPolicy FSGroup FSGroupChangePolicy SELinuxChangePolicy",
	},
	reflect.TypeFor[corev1.SecurityContext](): {
		"SELinuxOptions Privileged Capabilities ProcMount SeccompProfile AppArmorProfile",
		"WindowsOptions RunAsUser RunAsGroup RunAsNonRoot ReadOnlyRootFilesystem AllowPrivilegeEscalation",
	},
}

func TestEveryFieldIsDecidedOn(t *testing.T) {
	for of, fields := range decided {
		all := append(strings.Fields(fields.power), strings.Fields(fields.harmless)...)
		for i := range of.NumField() {
			if name := of.Field(i).Name; !slices.Contains(all, name) {
				t.Errorf("%s.%s: does it give power over the host? Name it in powersOverHost if it does, and here", of, name)
			}
		}
		if len(all) != of.NumField() {
			t.Errorf("%s has %d fields, and %d are decided on", of, of.NumField(), len(all))
		}
	}
}
