package networks

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// engine are the engines' own networks that may be chosen.
func (r *Resource) engine() []string {
	all := append([]string{capsule.BridgeNetwork}, r.Engine...)
	slices.Sort(all)
	return slices.Compact(all)
}

func usable(n *capsule.Network, project string) bool { return n.Shared || n.Project == project }

// Resolve replaces the networks that a project chose, by name or UUID, by what is stored: the UUID of a network of the API, or
// the name of one of the engines' own. What cannot be chosen, or not with these addresses, is refused and named. path is where
// the list stands in the document; empty: one network is attached, by parameters.
func (r *Resource) Resolve(ctx context.Context, project string, nets []capsule.Net, path string) error {
	if len(nets) == 0 {
		return nil
	}
	records, err := r.Table.List(ctx, "")
	if err != nil {
		return fmt.Errorf("look for networks: %w", err)
	}
	seen := map[string]bool{}
	for i := range nets {
		at := place{path, i}
		if nets[i], err = r.choose(project, nets[i], at, func(yield func(*capsule.Network) bool) {
			for j := range records {
				if !yield(&records[j].Value) {
					return
				}
			}
		}); err != nil {
			return err
		}
		if seen[nets[i].Network] {
			return rest.InvalidField(at.of("network"), "another entry means this network too")
		}
		seen[nets[i].Network] = true
	}
	return nil
}

// place is an entry of a list of networks, or with an empty path the parameters of one that is attached.
type place struct {
	path  string
	entry int
}

// of is the name of a field for who has written it.
func (p place) of(key string) string {
	switch {
	case p.path != "":
		return fmt.Sprintf("%s[%d].%s", p.path, p.entry, key)
	case key == "network":
		return key
	default:
		return "fixed_ip"
	}
}

func (r *Resource) choose(project string, n capsule.Net, at place, all func(func(*capsule.Network) bool)) (capsule.Net, error) {
	if n.Network == capsule.NoNetwork {
		return n, nil
	}
	for _, name := range r.engine() {
		if n.Network != name && !strings.EqualFold(n.Network, capsule.NetworkUUID(name)) {
			continue
		}
		for key, address := range map[string]string{"ipv4": n.IPv4, "ipv6": n.IPv6} {
			if address != "" {
				return n, rest.InvalidField(at.of(key), "a fixed address needs a network with a subnet of its own, and %s is the engines'", name)
			}
		}
		n.Network = name
		return n, nil
	}
	var named []*capsule.Network
	for one := range all {
		if !usable(one, project) {
			continue
		}
		if strings.EqualFold(one.UUID, n.Network) {
			named = []*capsule.Network{one}
			break
		}
		if one.Name == n.Network {
			named = append(named, one)
		}
	}
	switch len(named) {
	case 0:
		return n, notFound(n.Network)
	case 1:
		n.Network = named[0].UUID
		return n, fits(named[0], n, at)
	default:
		return n, ambiguous(n.Network)
	}
}

// fits refuses fixed addresses that are not of the network's subnets.
func fits(network *capsule.Network, n capsule.Net, at place) error {
	for _, fixed := range []struct {
		key, address string
	}{{"ipv4", n.IPv4}, {"ipv6", n.IPv6}} {
		if fixed.address == "" {
			continue
		}
		ip, err := netip.ParseAddr(fixed.address)
		if err != nil {
			return rest.InvalidField(at.of(fixed.key), "'%.80s' is not an address", fixed.address)
		}
		i := slices.IndexFunc(network.Subnets, func(p netip.Prefix) bool { return p.Addr().Is4() == ip.Is4() })
		if i < 0 {
			return rest.InvalidField(at.of(fixed.key), "a fixed address needs a subnet, and network %s was made without one for it", network.Name)
		}
		if p := network.Subnets[i]; !p.Contains(ip) || ip == p.Addr() || ip == p.Addr().Next() {
			return rest.InvalidField(at.of(fixed.key), "%s is not an address for capsules in %s of network %s", ip, p, network.Name)
		}
	}
	return nil
}
