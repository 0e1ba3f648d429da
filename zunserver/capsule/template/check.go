package template

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

// How many there may be of each in one template: far above what works, far below what hurts.
const (
	maxContainers = 64 // init containers included
	maxVolumes    = 256
	maxEntries    = 2048 // variables, files, ports, mounts, labels … in one list
)

// name is Zun's pattern, with names of one character allowed as Kubernetes does.
var name = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// checker keeps the first rule that is broken.
type checker struct{ err error }

func (c *checker) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// that fails with a sentence about value unless ok.
func (c *checker) that(ok bool, path string, value any, format string, args ...any) {
	if !ok {
		c.fail(problem.Invalid(path, value, format, args...))
	}
}

// unsupported refuses a field that is set.
func (c *checker) unsupported(set bool, path, why string) {
	if set {
		field := path[strings.LastIndexByte(path, '.')+1:]
		c.fail(problem.At(path, "'%s' is not supported: %s", field, why))
	}
}

func (c *checker) count(n, most int, path string) {
	if n > most {
		c.fail(problem.At(path, "there are %d entries, and at most %d are allowed", n, most))
	}
}

func oneOf[T ~string](c *checker, v T, path string, words ...T) {
	if !slices.Contains(words, v) {
		c.fail(problem.NotOneOf(path, string(v), words...))
	}
}

// check applies the rules that the shape does not show. The spec has its defaults.
func check(s *capsule.Spec) error {
	c := &checker{}
	const at = "template.spec"
	if s.Name != "" {
		c.name(s.Name, 255, "template.metadata.name")
	}
	c.count(len(s.Labels), maxEntries, "template.metadata.labels")
	c.count(len(s.Annotations), maxEntries, "template.metadata.annotations")
	c.that(len(s.AvailabilityZone) <= 255, at+".availabilityZone", s.AvailabilityZone, "it is too long")
	oneOf(c, s.RestartPolicy, at+".restartPolicy", capsule.RestartAlways, capsule.RestartOnFailure, capsule.RestartNever)
	if g := s.TerminationGracePeriodSeconds; g != nil {
		c.between(*g, 0, 1<<31-1, at+".terminationGracePeriodSeconds")
	}
	if d := s.ActiveDeadlineSeconds; d != nil {
		c.between(*d, 1, 1<<31-1, at+".activeDeadlineSeconds")
	}
	if s.Runtime != "" {
		c.name(s.Runtime, 63, at+".runtime")
	}
	if s.HostSelector != "" {
		c.name(s.HostSelector, 255, at+".hostSelector")
	}
	c.count(len(s.HostLabels), maxEntries, at+".hostLabels")
	c.network(s, at)
	c.nets(s, at+".nets")
	c.resources(s.Resources, at+".resources")
	for key, list := range map[string]corev1.ResourceList{"limits": s.Resources.Limits, "requests": s.Resources.Requests} {
		_, set := list[corev1.ResourceEphemeralStorage]
		c.unsupported(set, at+".resources."+key+".ephemeral-storage", "only cpu and memory are of the capsule as a whole")
	}
	c.podSecurity(s.SecurityContext, at+".securityContext")
	volumes := c.volumes(s.Volumes, at+".volumes")
	if len(s.Containers) == 0 {
		c.fail(problem.Invalid(at+".containers", nil, "[] is too short"))
	}
	c.count(len(s.Containers)+len(s.InitContainers)+len(s.EphemeralContainers), maxContainers, at+".containers")
	seen, hostPorts := map[string]bool{}, map[string]bool{}
	for _, l := range []struct {
		list []capsule.ContainerSpec
		key  string
	}{{s.InitContainers, "initContainers"}, {s.Containers, "containers"}, {s.EphemeralContainers, "ephemeralContainers"}} {
		for i := range l.list {
			cs, p := &l.list[i], fmt.Sprintf("%s.%s[%d]", at, l.key, i)
			c.name(cs.Name, 63, p+".name")
			c.that(!seen[cs.Name], p+".name", cs.Name, "another container has this name")
			seen[cs.Name] = true
			c.container(cs, volumes, hostPorts, l.key == "initContainers", p)
			c.ephemeral(s, cs, l.key == "ephemeralContainers", p)
		}
	}
	return c.err
}

func (c *checker) name(s string, most int, path string) {
	c.that(len(s) <= most, path, s, "'%.80s' is too long", s)
	c.that(name.MatchString(s), path, s, "'%.80s' does not match '%s'", s, name)
}

func (c *checker) between(v, low, high int64, path string) {
	c.that(v >= low, path, v, "%d is less than the minimum of %d", v, low)
	c.that(v <= high, path, v, "%d is greater than the maximum of %d", v, high)
}

// network checks names and addresses.
func (c *checker) network(s *capsule.Spec, at string) {
	if s.Hostname != "" {
		c.that(len(s.Hostname) <= 64 && len(validation.IsDNS1123Subdomain(s.Hostname)) == 0, at+".hostname", s.Hostname,
			"it is not a host name of at most 64 characters")
	}
	if s.Subdomain != "" {
		c.that(len(validation.IsDNS1123Label(s.Subdomain)) == 0, at+".subdomain", s.Subdomain, "it is not a DNS label")
	}
	if s.HostDomain != "" {
		c.that(len(validation.IsDNS1123Subdomain(s.HostDomain)) == 0, at+".hostDomain", s.HostDomain, "it is not a DNS name")
	}
	c.count(len(s.HostAliases), maxEntries, at+".hostAliases")
	for i, a := range s.HostAliases {
		p := fmt.Sprintf("%s.hostAliases[%d]", at, i)
		c.address(a.IP, p+".ip")
		for j, h := range a.Hostnames {
			c.that(len(validation.IsDNS1123Subdomain(h)) == 0, fmt.Sprintf("%s.hostnames[%d]", p, j), h, "it is not a host name")
		}
	}
	if s.DNS == nil {
		return
	}
	c.count(len(s.DNS.Nameservers)+len(s.DNS.Searches)+len(s.DNS.Options), maxEntries, at+".dns")
	for i, n := range s.DNS.Nameservers {
		c.address(n, fmt.Sprintf("%s.dns.nameservers[%d]", at, i))
	}
	for key, list := range map[string][]string{"searches": s.DNS.Searches, "options": s.DNS.Options} {
		for i, v := range list {
			c.that(v != "" && !strings.ContainsAny(v, " \t\r\n\x00"), fmt.Sprintf("%s.dns.%s[%d]", at, key, i), v,
				"it is empty or has blanks in it")
		}
	}
}

func (c *checker) address(s, path string) {
	_, err := netip.ParseAddr(s)
	c.that(err == nil, path, s, "it is not an IP address")
}

// volumes checks the volumes and returns their names.
func (c *checker) volumes(vs []capsule.Volume, at string) map[string]bool {
	names := map[string]bool{}
	c.count(len(vs), maxVolumes, at)
	for i := range vs {
		v, p := &vs[i], fmt.Sprintf("%s[%d]", at, i)
		if v.Name == "" {
			c.fail(problem.Missing(p, "name"))
		}
		c.name(v.Name, 253, p+".name")
		c.that(!names[v.Name], p+".name", v.Name, "another volume has this name")
		names[v.Name] = true
		sources := 0
		if e := v.EmptyDir; e != nil {
			sources++
			oneOf(c, e.Medium, p+".emptyDir.medium", corev1.StorageMediumDefault, corev1.StorageMediumMemory)
			c.that(e.SizeLimit == nil || e.SizeLimit.Sign() >= 0, p+".emptyDir.sizeLimit", nil, "it is negative")
		}
		if h := v.HostPath; h != nil {
			sources++
			c.hostPath(h, p+".hostPath")
		}
		if v.Files != nil {
			sources++
			c.files(v.Files.Items, p+".files.items")
		}
		if v.NFS != nil {
			sources++
			c.nfs(v, p)
		}
		if l := v.Local; l != nil {
			sources++
			c.hostPath(&corev1.HostPathVolumeSource{Path: l.Path}, p+".local")
			c.unsupported(l.FSType != nil, p+".local.fsType", "no block devices are mounted")
		}
		c.unsupported(len(v.MountOptions) > 0 && v.NFS == nil, p+".mountOptions", "only nfs is mounted with options")
		if sources != 1 {
			c.fail(problem.At(p, "a volume has exactly one of emptyDir, hostPath, local, nfs and files, and this one has %d", sources))
		}
	}
	return names
}

func (c *checker) nfs(v *capsule.Volume, at string) {
	if v.NFS.Server == "" {
		c.fail(problem.Missing(at+".nfs", "server"))
	}
	c.that(!strings.ContainsAny(v.NFS.Server, "/ \t\r\n\x00") && v.NFS.Server[:min(1, len(v.NFS.Server))] != "-", at+".nfs.server",
		v.NFS.Server, "it is not the name or the address of a server")
	c.that(path.IsAbs(v.NFS.Path) && !strings.ContainsAny(v.NFS.Path, "\r\n\x00"), at+".nfs.path", v.NFS.Path, "it is not an absolute path")
	c.count(len(v.MountOptions), maxContainers, at+".mountOptions")
	for i, o := range v.MountOptions {
		c.that(o != "" && !strings.ContainsAny(o, " \t\r\n\x00"), fmt.Sprintf("%s.mountOptions[%d]", at, i), o, "it is empty or has blanks in it")
	}
}

func (c *checker) hostPath(h *corev1.HostPathVolumeSource, at string) {
	c.that(path.IsAbs(h.Path), at+".path", h.Path, "it is not an absolute path")
	c.that(!dotDot(h.Path) && !strings.ContainsAny(h.Path, ":\x00"), at+".path", h.Path, "it may not contain '..' or ':'")
	if h.Type != nil {
		oneOf(c, *h.Type, at+".type", corev1.HostPathUnset, corev1.HostPathDirectoryOrCreate, corev1.HostPathDirectory,
			corev1.HostPathFileOrCreate, corev1.HostPathFile, corev1.HostPathSocket, corev1.HostPathCharDev,
			corev1.HostPathBlockDev)
	}
}

func (c *checker) files(items []capsule.File, at string) {
	c.count(len(items), maxEntries, at)
	seen := map[string]bool{}
	for i := range items {
		f, p := &items[i], fmt.Sprintf("%s[%d]", at, i)
		clean := f.Path != "" && f.Path == path.Clean(f.Path) && !path.IsAbs(f.Path) && !dotDot(f.Path) &&
			f.Path != "." && !strings.Contains(f.Path, "\x00") && len(f.Path) <= 1024
		if !clean {
			c.fail(problem.At(p+".path", "Invalid input for field 'path'. '%.80s' is not a clean relative path", f.Path))
		}
		if seen[f.Path] {
			c.fail(problem.At(p+".path", "Invalid input for field 'path'. Another file of the volume has the path '%.80s'", f.Path))
		}
		seen[f.Path] = true
		if m := f.Mode; m != nil {
			c.that(*m >= 0 && *m <= 0o777, p+".mode", nil, "%d is not between 0 and 511 (0777)", *m)
		}
		if f.User != nil {
			c.between(*f.User, 0, 1<<31-1, p+".user")
		}
	}
}

func dotDot(p string) bool { return slices.Contains(strings.Split(p, "/"), "..") }
