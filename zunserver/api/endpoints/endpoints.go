package endpoints

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Endpoint is one way to a port of a container.
type Endpoint struct {
	Address string `json:"address"`
	// Port is the one to connect to.
	Port int32 `json:"port"`
	// Scope is the widest that the endpoint is for, PortScope the widest that the port has an endpoint in.
	Scope         capsule.Scope `json:"scope"`
	PortScope     capsule.Scope `json:"portScope"`
	ContainerPort int32         `json:"containerPort"`
	Protocol      string        `json:"protocol"`
}

// Addresses are those of a host.
type Addresses struct {
	// Host is where other hosts reach it, Public where the world does; empty where there is none.
	Host, Public string
}

const loopback = "127.0.0.1"

// Of are the endpoints of the ports of a capsule's containers, or of the one called container; none while its sandbox is not
// up.
func Of(c *capsule.Capsule, container string, host Addresses) []Endpoint {
	all := []Endpoint{}
	if !c.Facts.Sandbox.Ready {
		return all
	}
	for _, p := range ports(c, container) {
		all = append(all, ofPort(c, p, host)...)
	}
	return all
}

// ports are those of the containers that stay, each once: containers of a capsule share them.
func ports(c *capsule.Capsule, container string) (list []capsule.Port) {
	for i := range c.Spec.Containers {
		if cs := &c.Spec.Containers[i]; container == "" || cs.Name == container {
			list = append(list, cs.Ports...)
		}
	}
	for i := range list {
		list[i].Protocol = cmp.Or(list[i].Protocol, corev1.ProtocolTCP)
		if c.Spec.HostNetwork {
			list[i].HostPort = list[i].ContainerPort
		}
	}
	slices.SortStableFunc(list, func(a, b capsule.Port) int {
		return cmp.Or(cmp.Compare(a.ContainerPort, b.ContainerPort), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.HostPort, b.HostPort))
	})
	return slices.CompactFunc(list, func(a, b capsule.Port) bool {
		a.Name, b.Name = "", ""
		return a == b
	})
}

// ofPort are the endpoints of one port, from the narrowest scope on.
func ofPort(c *capsule.Capsule, p capsule.Port, host Addresses) []Endpoint {
	var list []Endpoint
	add := func(scope capsule.Scope, address string, port int32) {
		if address != "" && scope.Within(p.Scope) {
			list = append(list, Endpoint{Address: address, Port: port, Scope: scope, ContainerPort: p.ContainerPort, Protocol: string(p.Protocol)})
		}
	}
	bound := boundTo(p.HostIP)
	own := ""
	if len(c.Facts.Sandbox.Addresses) > 0 {
		own = c.Facts.Sandbox.Addresses[0]
	}
	switch {
	case p.HostPort == 0:
		add(capsule.ScopeHost, own, p.ContainerPort)
	case bound.all:
		add(capsule.ScopeHost, loopback, p.HostPort)
	default:
		add(capsule.ScopeHost, bound.address, p.HostPort)
	}
	add(capsule.ScopeInternal, own, p.ContainerPort)
	if p.HostPort != 0 && !bound.loopback {
		switch {
		case bound.all:
			add(capsule.ScopeCloud, host.Host, p.HostPort)
			add(capsule.ScopePublic, host.Public, p.HostPort)
		case bound.address == host.Public:
			add(capsule.ScopePublic, host.Public, p.HostPort)
		default:
			add(capsule.ScopeCloud, bound.address, p.HostPort)
		}
	}
	for i := range list {
		list[i].PortScope = list[len(list)-1].Scope
	}
	return list
}

// binding is where a port is published on its host.
type binding struct {
	address       string
	all, loopback bool
}

func boundTo(hostIP string) binding {
	ip, err := netip.ParseAddr(hostIP)
	if hostIP == "" || err == nil && ip.IsUnspecified() {
		return binding{all: true}
	}
	return binding{address: hostIP, loopback: err == nil && ip.IsLoopback()}
}

// Nearest is, for each port, the endpoint that a connection out of the capsule from takes. Ports that it does not reach are left
// out; reason says why one is.
func Nearest(c *capsule.Capsule, container string, host Addresses, from *capsule.Capsule) (list []Endpoint, reason string) {
	list = []Endpoint{}
	switch {
	case !c.Facts.Sandbox.Ready:
		return list, fmt.Sprintf("capsule %s does not run", c.UUID)
	case from.Claim.Host == "":
		return list, fmt.Sprintf("capsule %s is on no host yet", from.UUID)
	}
	for _, p := range ports(c, container) {
		one, why := nearest(c, p, host, from)
		if why != "" {
			reason = cmp.Or(reason, why)
			continue
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		reason = cmp.Or(reason, fmt.Sprintf("capsule %s names no port", c.UUID))
	}
	return list, reason
}

func nearest(c *capsule.Capsule, p capsule.Port, host Addresses, from *capsule.Capsule) (Endpoint, string) {
	all := ofPort(c, p, host)
	with := func(scope capsule.Scope, address string, port int32) Endpoint {
		e := Endpoint{Address: address, Port: port, Scope: scope, PortScope: scope, ContainerPort: p.ContainerPort, Protocol: string(p.Protocol)}
		if len(all) > 0 {
			e.PortScope = all[len(all)-1].Scope
		}
		if !scope.Within(e.PortScope) {
			e.Scope = e.PortScope // what is for its host is reached from other capsules there
		}
		return e
	}
	if from.UUID == c.UUID {
		return with(capsule.ScopeHost, loopback, p.ContainerPort), ""
	}
	if from.Claim.Host == c.Claim.Host {
		if c.Spec.HostNetwork && from.Spec.HostNetwork {
			return with(capsule.ScopeHost, loopback, p.ContainerPort), ""
		}
		if address := shared(c, from); address != "" {
			return with(capsule.ScopeInternal, address, p.ContainerPort), ""
		}
		if from.Spec.HostNetwork && len(all) > 0 {
			return all[0], ""
		}
	}
	for _, e := range all {
		if e.Scope == capsule.ScopeCloud || e.Scope == capsule.ScopePublic {
			return e, ""
		}
	}
	where := "on another host"
	if from.Claim.Host == c.Claim.Host {
		where = "in no network of its"
	}
	if !capsule.ScopeCloud.Within(p.Scope) {
		return Endpoint{}, fmt.Sprintf("port %d of capsule %s has the scope %s, and capsule %s is %s", p.ContainerPort, c.UUID, p.Scope, from.UUID, where)
	}
	return Endpoint{}, fmt.Sprintf("port %d of capsule %s is not published on an address that others reach (hostPort, hostIP), and capsule %s is %s",
		p.ContainerPort, c.UUID, from.UUID, where)
}

// shared is the address of c in a network that both are in, on the same host; empty when there is none.
func shared(c, from *capsule.Capsule) string {
	networks := func(one *capsule.Capsule) []capsule.Attachment {
		s := &one.Facts.Sandbox
		if len(s.Networks) == 0 && !one.Spec.HostNetwork {
			return []capsule.Attachment{{Network: s.Network, Addresses: s.Addresses}}
		}
		return s.Networks
	}
	for _, mine := range networks(c) {
		for _, its := range networks(from) {
			if mine.Network == its.Network && len(mine.Addresses) > 0 {
				return mine.Addresses[0]
			}
		}
	}
	if c.Spec.HostNetwork && len(c.Facts.Sandbox.Addresses) > 0 {
		return c.Facts.Sandbox.Addresses[0] // a bridge reaches its host
	}
	return ""
}
