package scheduler

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Need is what a capsule asks of a host.
type Need struct {
	MilliCPU    int64
	MemoryBytes int64
	Zone        string
	Host        string            // the only one that will do
	HostLabels  map[string]string // what the host is labelled with
	Runtime     string
	AppArmor    bool // a profile has to be enforced
	Ports       []HostPort
}

// Room is a host and what the capsules on it were promised.
type Room struct {
	Host     capsule.Host
	Promised Need
}

// HostPort is a port of the host that a capsule has for itself. An empty IP is every one.
type HostPort struct {
	IP       string
	Port     int32
	Protocol corev1.Protocol
}

// clashes says whether both cannot be bound on one host.
func (p HostPort) clashes(q HostPort) bool {
	return p.Port == q.Port && p.Protocol == q.Protocol && (p.IP == q.IP || p.IP == "" || q.IP == "")
}

// cpuRatio is how many times over the CPUs of a host are promised to containers of the container API, which all ask for one CPU unless
// they are told otherwise and for a share alone (Zun: [DEFAULT]cpu_allocation_ratio, 16).
const cpuRatio = 16

// needOf sums up what c asks for.
func needOf(c *capsule.Capsule) Need {
	n := Need{Zone: c.Spec.AvailabilityZone, Host: c.Spec.HostSelector, HostLabels: c.Spec.HostLabels, Runtime: c.Spec.Runtime,
		AppArmor: c.Spec.AppArmor()}
	var peakCPU, peakMemory int64 // while init containers run, with the sidecars before each
	for i := range c.Spec.InitContainers {
		cs := &c.Spec.InitContainers[i]
		cpu, memory := request(cs, corev1.ResourceCPU), request(cs, corev1.ResourceMemory)
		peakCPU, peakMemory = max(peakCPU, n.MilliCPU+cpu), max(peakMemory, n.MemoryBytes+memory)
		if cs.Sidecar() {
			n.MilliCPU, n.MemoryBytes = n.MilliCPU+cpu, n.MemoryBytes+memory
			n.addPorts(c, cs)
		}
	}
	for i := range c.Spec.Containers {
		cs := &c.Spec.Containers[i]
		cpu := request(cs, corev1.ResourceCPU)
		if own := c.StandaloneOf(cs.Name); own != nil {
			cpu /= cpuRatio
			n.Host = cmp.Or(n.Host, own.Host)
		}
		n.MilliCPU += cpu
		n.MemoryBytes += request(cs, corev1.ResourceMemory)
		n.addPorts(c, cs)
	}
	n.MilliCPU, n.MemoryBytes = max(n.MilliCPU, peakCPU), max(n.MemoryBytes, peakMemory)
	if q, ok := c.Spec.Asked(corev1.ResourceCPU); ok {
		n.MilliCPU = q.MilliValue()
	}
	if q, ok := c.Spec.Asked(corev1.ResourceMemory); ok {
		n.MemoryBytes = q.Value()
	}
	return n
}

// addPorts adds the host ports of a container; in the host's network every port is one.
func (n *Need) addPorts(c *capsule.Capsule, cs *capsule.ContainerSpec) {
	for _, p := range cs.Ports {
		hp := HostPort{IP: p.HostIP, Port: p.HostPort, Protocol: p.Protocol}
		if c.Spec.HostNetwork {
			hp.Port = p.ContainerPort
		}
		if hp.IP == "0.0.0.0" || hp.IP == "::" {
			hp.IP = ""
		}
		if hp.Protocol == "" {
			hp.Protocol = corev1.ProtocolTCP
		}
		if hp.Port != 0 {
			n.Ports = append(n.Ports, hp)
		}
	}
}

func (n *Need) add(m Need) {
	n.MilliCPU += m.MilliCPU
	n.MemoryBytes += m.MemoryBytes
	n.Ports = append(n.Ports, m.Ports...)
}

// request is in millicores for cpu, else in the resource's unit. A limit without a request is a request.
func request(cs *capsule.ContainerSpec, name corev1.ResourceName) int64 {
	q, ok := cs.Resources.Requests[name]
	if !ok {
		q = cs.Resources.Limits[name]
	}
	if name == corev1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

// over says that nothing of the capsule runs or will run again, so that what it was promised is free.
func over(c *capsule.Capsule) bool {
	return !c.Facts.StoppedAt.IsZero() || c.Done() && idle(&c.Facts)
}

// idle says that no container runs.
func idle(f *capsule.Facts) bool {
	for i := range f.Containers {
		if f.Containers[i].Run.State() == capsule.StateRunning {
			return false
		}
	}
	return true
}
