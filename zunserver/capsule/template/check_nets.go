package template

import (
	"fmt"
	"net/netip"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

// maxNets is how many networks a sandbox may be in.
const maxNets = 16

// CheckNets checks a choice of networks by its form; path is where it stands. Its error is an [*Error].
func CheckNets(nets []capsule.Net, path string) error {
	c := &checker{}
	if len(nets) > maxNets {
		c.fail(problem.At(path, "there are %d entries, and at most %d are allowed", len(nets), maxNets))
	}
	seen := map[string]bool{}
	for i := range nets {
		c.net(&nets[i], len(nets) > 1, fmt.Sprintf("%s[%d]", path, i))
		c.that(!seen[nets[i].Network], fmt.Sprintf("%s[%d].network", path, i), nets[i].Network, "another entry has this network")
		seen[nets[i].Network] = true
	}
	return c.err
}

func (c *checker) net(n *capsule.Net, amongOthers bool, at string) {
	if n.Network == "" {
		c.fail(problem.Missing(at, "network"))
	}
	c.name(n.Network, 255, at+".network")
	c.that(n.Network != capsule.HostNetwork, at+".network", n.Network, "the host's network is asked for by hostNetwork")
	c.that(n.Network != capsule.NoNetwork || !amongOthers, at+".network", n.Network, "'%s' stands alone", capsule.NoNetwork)
	for key, address := range map[string]string{"ipv4": n.IPv4, "ipv6": n.IPv6} {
		if address == "" {
			continue
		}
		ip, err := netip.ParseAddr(address)
		c.that(err == nil && ip.Zone() == "" && (key == "ipv4") == ip.Is4(), at+"."+key, address, "it is not an %s address", map[string]string{
			"ipv4": "IPv4", "ipv6": "IPv6"}[key])
	}
}

// nets checks the networks of a spec.
func (c *checker) nets(s *capsule.Spec, at string) {
	if err := CheckNets(s.Nets, at); err != nil {
		c.fail(err)
	}
	c.that(!s.HostNetwork || len(s.Nets) == 0, at, nil, "a capsule in the host's network is in no other")
}
