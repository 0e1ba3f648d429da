package template

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

func (c *checker) container(cs *capsule.ContainerSpec, volumes, hostPorts map[string]bool, init bool, at string) {
	c.that(cs.Image != "" && strings.TrimSpace(cs.Image) == cs.Image, at+".image", cs.Image,
		"it is empty or has blanks around it")
	c.that(len(cs.Image) <= 1024, at+".image", cs.Image, "it is too long")
	oneOf(c, cs.ImagePullPolicy, at+".imagePullPolicy", corev1.PullNever, corev1.PullAlways, corev1.PullIfNotPresent)
	c.count(len(cs.PullCredentials), maxContainers, at+".pullCredentials")
	c.words(cs.Command, at+".command")
	c.words(cs.Args, at+".args")
	c.words([]string{cs.WorkDir}, at+".workDir")
	c.count(len(cs.Labels), maxEntries, at+".labels")
	c.environment(cs.Env, at+".env")
	c.ports(cs.Ports, hostPorts, at+".ports")
	c.resources(cs.Resources, at+".resources")
	c.mounts(cs.VolumeMounts, volumes, at+".volumeMounts")
	c.security(cs.SecurityContext, at+".securityContext")
	if cs.TerminationMessagePath != "" {
		p := cs.TerminationMessagePath
		c.that(path.IsAbs(p) && !dotDot(p), at+".terminationMessagePath", p, "it is not an absolute path without '..'")
	}
	oneOf(c, cs.TerminationMessagePolicy, at+".terminationMessagePolicy", "", corev1.TerminationMessageReadFile,
		corev1.TerminationMessageFallbackToLogsOnError)
	if r := cs.RestartPolicy; r != nil {
		oneOf(c, *r, at+".restartPolicy", corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyOnFailure,
			corev1.ContainerRestartPolicyNever)
	}
	c.rules(cs, at+".restartPolicyRules")
	runsOnce := init && !cs.Sidecar()
	for _, p := range []struct {
		probe *corev1.Probe
		key   string
	}{
		{cs.LivenessProbe, "livenessProbe"}, {cs.ReadinessProbe, "readinessProbe"}, {cs.StartupProbe, "startupProbe"},
	} {
		if p.probe != nil {
			c.unsupported(runsOnce, at+"."+p.key, "init containers run to their end")
			c.probe(p.probe, p.key, at+"."+p.key)
		}
	}
	if l := cs.Lifecycle; l != nil {
		c.unsupported(runsOnce && (l.PostStart != nil || l.PreStop != nil), at+".lifecycle", "init containers run to their end")
		if s := l.StopSignal; s != nil {
			c.that(signal.MatchString(string(*s)), at+".lifecycle.stopSignal", *s, "it is not the name of a signal (like SIGUSR1)")
		}
		c.hook(l.PostStart, at+".lifecycle.postStart")
		c.hook(l.PreStop, at+".lifecycle.preStop")
	}
}

// signal is the name of one, real-time signals as SIGRTMIN+1.
var signal = regexp.MustCompile(`^SIG[A-Z]+[0-9]?([+-][0-9]{1,2})?$`)

func (c *checker) rules(cs *capsule.ContainerSpec, at string) {
	c.count(len(cs.RestartPolicyRules), maxContainers, at)
	c.that(len(cs.RestartPolicyRules) == 0 || cs.RestartPolicy != nil, at, nil, "there is no restartPolicy of the container's own")
	for i, r := range cs.RestartPolicyRules {
		p := fmt.Sprintf("%s[%d]", at, i)
		oneOf(c, r.Action, p+".action", corev1.ContainerRestartRuleActionRestart)
		if r.ExitCodes == nil {
			c.fail(problem.Missing(p, "exitCodes"))
			continue
		}
		oneOf(c, r.ExitCodes.Operator, p+".exitCodes.operator", corev1.ContainerRestartRuleOnExitCodesOpIn,
			corev1.ContainerRestartRuleOnExitCodesOpNotIn)
	}
}

// ephemeral checks what only ephemeral containers have, and what they have not.
func (c *checker) ephemeral(s *capsule.Spec, cs *capsule.ContainerSpec, is bool, at string) {
	if !is {
		c.unsupported(cs.TargetContainer != "", at+".targetContainer", "it is for ephemeral containers")
		return
	}
	c.unsupported(cs.LivenessProbe != nil || cs.ReadinessProbe != nil || cs.StartupProbe != nil || cs.Lifecycle != nil ||
		len(cs.Ports) > 0 || len(cs.Resources.Limits)+len(cs.Resources.Requests) > 0, at,
		"an ephemeral container has no probes, hooks, ports and resources")
	if t := cs.TargetContainer; t != "" {
		found, _ := s.Container(t)
		c.that(found != nil && !s.Ephemeral(t), at+".targetContainer", t, "there is no container of this name")
	}
}

func (c *checker) words(list []string, at string) {
	c.count(len(list), maxEntries, at)
	for i, w := range list {
		c.that(!strings.Contains(w, "\x00"), fmt.Sprintf("%s[%d]", at, i), nil, "it has a NUL byte in it")
	}
}

func (c *checker) environment(env []capsule.EnvVar, at string) {
	c.count(len(env), maxEntries, at)
	for i := range env {
		e, p := &env[i], fmt.Sprintf("%s[%d]", at, i)
		if e.Name == "" {
			c.fail(problem.Missing(p, "name"))
		}
		if strings.ContainsFunc(e.Name, func(r rune) bool { return r == '=' || r < ' ' || r > '~' }) {
			c.fail(problem.At(p+".name", "Invalid input for field 'name'. %.80q is not a name of an environment variable: "+
				"printable ASCII without '='", e.Name))
		}
		c.words([]string{e.Value}, p+".value")
		if e.Ref != "" && !slices.Contains(references, e.Ref) {
			c.fail(problem.At(p+".ref", "Invalid input for field 'ref'. '%.80s' is not one of %q", e.Ref, references))
		}
	}
}

var references = []capsule.Reference{
	capsule.RefCapsuleAddress, capsule.RefCapsuleAddresses, capsule.RefHostAddress, capsule.RefHostAddresses,
}

func (c *checker) ports(ports []capsule.Port, hostPorts map[string]bool, at string) {
	c.count(len(ports), maxEntries, at)
	names := map[string]bool{}
	for i := range ports {
		p, at := &ports[i], fmt.Sprintf("%s[%d]", at, i)
		if p.ContainerPort == 0 {
			c.fail(problem.Missing(at, "containerPort"))
		}
		c.between(int64(p.ContainerPort), 1, 65535, at+".containerPort")
		c.between(int64(p.HostPort), 0, 65535, at+".hostPort")
		oneOf(c, p.Protocol, at+".protocol", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP, "")
		if p.HostIP != "" {
			c.address(p.HostIP, at+".hostIP")
		}
		c.scope(p, at+".scope")
		if p.Name != "" {
			c.that(len(validation.IsValidPortName(p.Name)) == 0, at+".name", p.Name, "it is not the name of a port")
			c.that(!names[p.Name], at+".name", p.Name, "another port has this name")
			names[p.Name] = true
		}
		if p.HostPort != 0 {
			protocol := p.Protocol
			if protocol == "" {
				protocol = corev1.ProtocolTCP
			}
			key := fmt.Sprintf("%s/%s/%d", protocol, p.HostIP, p.HostPort)
			c.that(!hostPorts[key], at+".hostPort", p.HostPort, "the capsule has this host port already")
			hostPorts[key] = true
		}
	}
}

// scope refuses one that the port cannot have as it is published.
func (c *checker) scope(p *capsule.Port, at string) {
	oneOf(c, p.Scope, at, capsule.ScopeHost, capsule.ScopeInternal, capsule.ScopeCloud, capsule.ScopePublic, "")
	ip, err := netip.ParseAddr(p.HostIP)
	switch here := err == nil && ip.IsLoopback(); {
	case p.Scope == "":
	case !capsule.ScopeCloud.Within(p.Scope):
		c.that(p.HostIP == "" || here, at, p.Scope, "it is narrower than hostIP, where other hosts reach it")
	default:
		c.that(p.HostPort != 0, at, p.Scope, "what other hosts shall reach needs a hostPort")
		c.that(!here, at, p.Scope, "it is wider than hostIP, which is of the host alone")
	}
}

// most keeps sums over containers far from where they overflow.
var most = corev1.ResourceList{
	corev1.ResourceCPU: resource.MustParse("1M"), corev1.ResourceMemory: resource.MustParse("8Pi"),
	corev1.ResourceEphemeralStorage: resource.MustParse("8Pi"),
}

func (c *checker) resources(r corev1.ResourceRequirements, at string) {
	c.unsupported(len(r.Claims) > 0, at+".claims", "there are no dynamic resources")
	for key, list := range map[string]corev1.ResourceList{"limits": r.Limits, "requests": r.Requests} {
		for name, q := range list {
			p := at + "." + key + "." + string(name)
			switch name {
			case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
				c.that(q.Sign() >= 0, p, q.String(), "%s is less than the minimum of 0", q.String())
				c.that(q.Cmp(most[name]) <= 0, p, q.String(), "%s is more than any host has", q.String())
			default:
				c.fail(problem.At(p, "Additional properties are not allowed ('%.80s' was unexpected: only cpu, memory and "+
					"ephemeral-storage)", name))
			}
			if name != corev1.ResourceCPU { // a quantity like 500m of memory is half a byte
				c.that(q.Cmp(*resource.NewQuantity(q.Value(), resource.DecimalSI)) == 0, p, q.String(), "it is not whole bytes")
			}
			if limit, ok := r.Limits[name]; ok && key == "requests" {
				c.that(q.Cmp(limit) <= 0, p, q.String(), "it is greater than the limit of %s", limit.String())
			}
		}
	}
}

func (c *checker) mounts(mounts []corev1.VolumeMount, volumes map[string]bool, at string) {
	c.count(len(mounts), maxEntries, at)
	seen := map[string]bool{}
	for i := range mounts {
		m, p := &mounts[i], fmt.Sprintf("%s[%d]", at, i)
		if m.Name == "" {
			c.fail(problem.Missing(p, "name"))
		}
		if m.MountPath == "" {
			c.fail(problem.Missing(p, "mountPath"))
		}
		c.that(volumes[m.Name], p+".name", m.Name, "there is no volume of this name in spec.volumes")
		c.that(path.IsAbs(m.MountPath) && !strings.ContainsAny(m.MountPath, ":\x00"), p+".mountPath", m.MountPath,
			"it is not an absolute path without ':'")
		clean := path.Clean(m.MountPath)
		c.that(!seen[clean], p+".mountPath", m.MountPath, "another volume is mounted there")
		seen[clean] = true
		c.that(!path.IsAbs(m.SubPath) && !dotDot(m.SubPath), p+".subPath", m.SubPath, "it leaves the volume")
		c.that(!path.IsAbs(m.SubPathExpr) && !dotDot(m.SubPathExpr), p+".subPathExpr", m.SubPathExpr, "it leaves the volume")
		c.that(m.SubPath == "" || m.SubPathExpr == "", p+".subPathExpr", m.SubPathExpr, "there is a subPath too")
		if m.RecursiveReadOnly != nil {
			oneOf(c, *m.RecursiveReadOnly, p+".recursiveReadOnly", corev1.RecursiveReadOnlyDisabled, corev1.RecursiveReadOnlyEnabled)
			c.that(*m.RecursiveReadOnly != corev1.RecursiveReadOnlyEnabled || m.ReadOnly, p+".recursiveReadOnly", *m.RecursiveReadOnly,
				"the mount is not readOnly")
		}
		if m.MountPropagation != nil {
			oneOf(c, *m.MountPropagation, p+".mountPropagation", corev1.MountPropagationNone,
				corev1.MountPropagationHostToContainer, corev1.MountPropagationBidirectional)
		}
	}
}
