package translate

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// The kubelet's limits on what it writes into resolv.conf.
const (
	maxNameservers = 3
	maxHostname    = 63
	maxFQDN        = 64
)

// Template translates a Pod. The error is [support.Refusals] when the Pod can never run here. lacking is what the Pod refers to
// and is not there: for each volume and each environment the first of it. With held, what the capsule is made of now, that
// holds nothing back, as on a kubelet: a volume stays as it is as a whole, a container has the environment that it has, an
// ephemeral container that is new waits. With nil the specification is good for nothing while something is lacking.
// Annotations and Hash are the caller's to set.
func Template(pod *corev1.Pod, src Sources, held *capsule.Spec) (spec capsule.Spec, lacking []*Missing, err error) {
	t := translation{pod: pod, src: &src, held: held}
	spec, err = t.spec()
	return spec, t.lacking, err
}

func (t *translation) spec() (capsule.Spec, error) {
	pod, src := t.pod, t.src
	if refused := support.Refuse(pod); len(refused) > 0 {
		return capsule.Spec{}, refused
	}
	p := pod.Spec
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if p.TerminationGracePeriodSeconds != nil {
		grace = *p.TerminationGracePeriodSeconds
	}
	spec := capsule.Spec{
		Name:                          pod.Name,
		Labels:                        pod.Labels,
		RestartPolicy:                 cmp.Or(capsule.RestartPolicy(p.RestartPolicy), capsule.RestartAlways),
		TerminationGracePeriodSeconds: &grace,
		ActiveDeadlineSeconds:         p.ActiveDeadlineSeconds,
		DNS:                           dnsOf(pod, src),
		HostAliases:                   p.HostAliases,
		Resources:                     ptr.Deref(p.Resources.DeepCopy(), corev1.ResourceRequirements{}),
		HostNetwork:                   p.HostNetwork,
		HostPID:                       p.HostPID,
		HostIPC:                       p.HostIPC,
		ShareProcessNamespace:         isTrue(p.ShareProcessNamespace),
		SecurityContext:               p.SecurityContext.DeepCopy(),
		ManagedHosts:                  true,
	}
	if sc := spec.SecurityContext; sc != nil {
		sc.SELinuxChangePolicy = nil // ignored: see the table
		for i := range sc.Sysctls {
			sc.Sysctls[i].Name = podspec.SysctlName(sc.Sysctls[i].Name)
		}
	}
	spec.Runtime = t.runtime()
	spec.Hostname, spec.Subdomain = hostnameOf(pod)
	if spec.Subdomain != "" {
		spec.HostDomain = strings.TrimSuffix(spec.Subdomain+"."+pod.Namespace+".svc."+src.ClusterDomain, ".")
		spec.SetHostnameAsFQDN = isTrue(p.SetHostnameAsFQDN)
	}
	if n := len(spec.Hostname) + 1 + len(spec.HostDomain); spec.SetHostnameAsFQDN && n > maxFQDN {
		return capsule.Spec{}, support.Refusals{{Field: "spec.setHostnameAsFQDN", Reason: fmt.Sprintf("the FQDN %s.%s is too long "+
			"(%d characters is the max, %d characters requested)", spec.Hostname, spec.HostDomain, maxFQDN, n)}}
	}
	if err := t.addContainers(&spec); err != nil {
		return capsule.Spec{}, err
	}
	for i := range p.Volumes {
		v, err := t.volume(&p.Volumes[i])
		if err != nil {
			return capsule.Spec{}, err
		}
		spec.Volumes = append(spec.Volumes, v)
	}
	return spec, nil
}

func (t *translation) addContainers(spec *capsule.Spec) error {
	pod := t.pod
	ring, _ := keyringOf(pod, t.src)
	for _, l := range []struct {
		from []corev1.Container
		to   *[]capsule.ContainerSpec
	}{
		{pod.Spec.InitContainers, &spec.InitContainers}, {pod.Spec.Containers, &spec.Containers},
		{podspec.Ephemeral(pod), &spec.EphemeralContainers},
	} {
		for i := range l.from {
			env, ok, err := t.env(&l.from[i])
			if err != nil {
				return err
			}
			if !ok {
				break // it waits, and an ephemeral container behind it, too: more come at the end only
			}
			c := containerOf(&l.from[i], env)
			c.PullCredentials = ring.credentials(c.Image)
			*l.to = append(*l.to, c)
		}
	}
	for i := range spec.EphemeralContainers {
		spec.EphemeralContainers[i].TargetContainer = pod.Spec.EphemeralContainers[i].TargetContainerName
	}
	return nil
}

func containerOf(c *corev1.Container, env []capsule.EnvVar) capsule.ContainerSpec {
	spec := capsule.ContainerSpec{
		Name:                     c.Name,
		Image:                    c.Image,
		ImagePullPolicy:          cmp.Or(c.ImagePullPolicy, defaultPullPolicy(c.Image)),
		Command:                  c.Command,
		Args:                     c.Args,
		WorkDir:                  c.WorkingDir,
		Env:                      env,
		Resources:                *c.Resources.DeepCopy(),
		ResizePolicy:             c.ResizePolicy,
		LivenessProbe:            probeOf(c, c.LivenessProbe),
		ReadinessProbe:           probeOf(c, c.ReadinessProbe),
		StartupProbe:             probeOf(c, c.StartupProbe),
		Lifecycle:                lifecycleOf(c),
		SecurityContext:          c.SecurityContext.DeepCopy(),
		RestartPolicy:            c.RestartPolicy,
		RestartPolicyRules:       c.RestartPolicyRules,
		TerminationMessagePath:   cmp.Or(c.TerminationMessagePath, corev1.TerminationMessagePathDefault),
		TerminationMessagePolicy: cmp.Or(c.TerminationMessagePolicy, corev1.TerminationMessageReadFile),
		Stdin:                    c.Stdin,
		StdinOnce:                c.StdinOnce,
		TTY:                      c.TTY,
	}
	for _, p := range c.Ports {
		spec.Ports = append(spec.Ports, capsule.Port{Name: p.Name, ContainerPort: p.ContainerPort, HostPort: p.HostPort,
			HostIP: p.HostIP, Protocol: cmp.Or(p.Protocol, corev1.ProtocolTCP)})
	}
	for i := range c.VolumeMounts {
		spec.VolumeMounts = append(spec.VolumeMounts, mountOf(&c.VolumeMounts[i]))
	}
	return spec
}

// mountOf is the mount as an agent takes it: absolute, and with what IfPossible comes down to here.
func mountOf(m *corev1.VolumeMount) corev1.VolumeMount {
	out := *m.DeepCopy()
	if !path.IsAbs(out.MountPath) {
		out.MountPath = path.Join("/", out.MountPath) // as the kubelet does
	}
	if r := out.RecursiveReadOnly; r != nil && *r != corev1.RecursiveReadOnlyEnabled {
		out.RecursiveReadOnly = nil
	}
	return out
}

// defaultPullPolicy is the API server's: Always for the tag latest and for none.
func defaultPullPolicy(image string) corev1.PullPolicy {
	if strings.Contains(image, "@") {
		return corev1.PullIfNotPresent
	}
	tag := ""
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		tag = image[i+1:]
	}
	if tag == "" || tag == "latest" {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}

// probeOf fills in the API's defaults and the number of a named port.
func probeOf(c *corev1.Container, p *corev1.Probe) *corev1.Probe {
	if p == nil {
		return nil
	}
	p = p.DeepCopy()
	p.TimeoutSeconds = cmp.Or(p.TimeoutSeconds, 1)
	p.PeriodSeconds = cmp.Or(p.PeriodSeconds, 10)
	p.SuccessThreshold = cmp.Or(p.SuccessThreshold, 1)
	p.FailureThreshold = cmp.Or(p.FailureThreshold, 3)
	if p.HTTPGet != nil {
		finishHTTP(c, p.HTTPGet)
	}
	if p.TCPSocket != nil {
		resolvePort(c, &p.TCPSocket.Port)
	}
	return p
}

func lifecycleOf(c *corev1.Container) *corev1.Lifecycle {
	l := c.Lifecycle.DeepCopy()
	if l == nil {
		return nil
	}
	for _, h := range []*corev1.LifecycleHandler{l.PostStart, l.PreStop} {
		if h != nil && h.HTTPGet != nil {
			finishHTTP(c, h.HTTPGet)
		}
	}
	return l
}

func hostnameOf(pod *corev1.Pod) (hostname, subdomain string) {
	switch {
	case pod.Spec.HostNetwork:
		return "", "" // the host's own
	case pod.Spec.HostnameOverride != nil:
		return *pod.Spec.HostnameOverride, ""
	}
	hostname = cmp.Or(pod.Spec.Hostname, pod.Name)
	if len(hostname) > maxHostname {
		hostname = strings.TrimRight(hostname[:maxHostname], "-.")
	}
	return hostname, pod.Spec.Subdomain
}

// dnsOf is the kubelet's order of policies; nil leaves resolv.conf to the engine.
func dnsOf(pod *corev1.Pod, src *Sources) *capsule.DNS {
	p, custom := &pod.Spec, pod.Spec.DNSConfig
	cluster := p.DNSPolicy == corev1.DNSClusterFirstWithHostNet ||
		(!p.HostNetwork && (p.DNSPolicy == corev1.DNSClusterFirst || p.DNSPolicy == ""))
	var dns capsule.DNS
	if src.HostDNS != nil && p.DNSPolicy != corev1.DNSNone {
		dns = capsule.DNS{Nameservers: slices.Clone(src.HostDNS.Nameservers), Searches: slices.Clone(src.HostDNS.Searches),
			Options: slices.Clone(src.HostDNS.Options)}
	}
	switch {
	case p.DNSPolicy == corev1.DNSNone:
	case cluster && len(src.ClusterDNS) > 0:
		domain := src.ClusterDomain
		searches := dns.Searches
		if domain != "" {
			searches = append([]string{pod.Namespace + ".svc." + domain, "svc." + domain, domain}, searches...)
		}
		dns = capsule.DNS{Nameservers: slices.Clone(src.ClusterDNS), Searches: searches, Options: []string{"ndots:5"}}
	case custom == nil && src.HostDNS == nil:
		return nil
	}
	if custom != nil {
		dns.Nameservers = append(dns.Nameservers, custom.Nameservers...)
		dns.Searches = append(dns.Searches, custom.Searches...)
		dns.Options = mergeOptions(dns.Options, custom.Options)
	}
	dns.Nameservers, dns.Searches = unique(dns.Nameservers), unique(dns.Searches)
	if len(dns.Nameservers) > maxNameservers {
		dns.Nameservers = dns.Nameservers[:maxNameservers]
	}
	return &dns
}

// mergeOptions lets later options replace earlier ones of the same name.
func mergeOptions(have []string, more []corev1.PodDNSConfigOption) []string {
	for _, o := range more {
		have = slices.DeleteFunc(have, func(h string) bool {
			name, _, _ := strings.Cut(h, ":")
			return name == o.Name
		})
		if o.Value != nil && *o.Value != "" {
			have = append(have, o.Name+":"+*o.Value)
		} else {
			have = append(have, o.Name)
		}
	}
	return have
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
