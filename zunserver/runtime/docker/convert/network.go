package convert

import (
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Network translates a network that is to be made.
func Network(cfg runtime.NetworkConfig, instance string) network.CreateOptions {
	o := network.CreateOptions{
		Driver: "bridge", Internal: cfg.Internal,
		Labels: map[string]string{runtime.LabelInstance: instance, runtime.LabelNetwork: cfg.ID},
	}
	for _, p := range cfg.Subnets {
		if o.IPAM == nil {
			o.IPAM = &network.IPAM{Driver: "default"}
		}
		o.IPAM.Config = append(o.IPAM.Config, network.IPAMConfig{Subnet: p.Masked().String()})
		if p.Addr().Is6() {
			yes := true
			o.EnableIPv6 = &yes
		}
	}
	return o
}

// Endpoint translates fixed addresses; nil for none.
func Endpoint(ipv4, ipv6 string) *network.EndpointSettings {
	if ipv4 == "" && ipv6 == "" {
		return nil
	}
	return &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: ipv4, IPv6Address: ipv6}}
}

// attachments are the networks of a sandbox: the one that it was made in first, the others by name.
func attachments(r container.InspectResponse) []capsule.Attachment {
	if r.NetworkSettings == nil {
		return nil
	}
	first := ""
	if r.HostConfig != nil {
		if first = r.HostConfig.NetworkMode.NetworkName(); first == network.NetworkDefault {
			first = capsule.BridgeNetwork
		}
	}
	names := slices.SortedFunc(maps.Keys(r.NetworkSettings.Networks), func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == first || b != first && a < b:
			return -1
		default:
			return 1
		}
	})
	all := make([]capsule.Attachment, 0, len(names))
	for _, name := range names {
		one := capsule.Attachment{Network: name}
		if name == network.NetworkDefault {
			one.Network = capsule.BridgeNetwork
		}
		if n := r.NetworkSettings.Networks[name]; n != nil {
			for _, a := range []string{n.IPAddress, n.GlobalIPv6Address} {
				if valid(a) {
					one.Addresses = append(one.Addresses, a)
				}
			}
		}
		all = append(all, one)
	}
	return all
}

// addresses returns the network of the first address and all addresses, IPv4 first.
func addresses(all []capsule.Attachment) (network string, list []string) {
	var v6 []string
	for _, a := range all {
		for _, address := range a.Addresses {
			if network == "" {
				network = a.Network
			}
			if isV6(address) {
				v6 = append(v6, address)
			} else {
				list = append(list, address)
			}
		}
	}
	return network, append(list, v6...)
}

// SameNetworks says whether a list shows the sandbox in the networks that it was in when it was inspected.
func SameNetworks(s container.Summary, c runtime.Container) bool {
	if !c.Identity.Sandbox() || s.NetworkSettings == nil {
		return true
	}
	if len(s.NetworkSettings.Networks) != len(c.Networks) {
		return false
	}
	return !slices.ContainsFunc(c.Networks, func(a capsule.Attachment) bool { return s.NetworkSettings.Networks[a.Network] == nil })
}
