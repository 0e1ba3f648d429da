package capsule

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The networks that every engine has. Nobody can make one of these names.
const (
	// BridgeNetwork is where a sandbox is when nothing is said.
	BridgeNetwork = "bridge"
	// NoNetwork in place of networks leaves a sandbox with nothing but loopback.
	NoNetwork = "none"
	// HostNetwork is not one to be named: it is a property of the spec.
	HostNetwork = "host"
)

// Net is one network that a sandbox is in (zun/api/controllers/v1/schemas/parameter_types.py, nets).
type Net struct {
	// Network is the UUID of a network of the API, or the name of one that the engine has of its own. A document may give the
	// name of a network of the API: what is stored is its UUID then.
	Network string `json:"network"`
	// IPv4 and IPv6 are fixed addresses in a network of the API that has subnets; empty: the engine gives one.
	IPv4 string `json:"ipv4,omitempty"`
	IPv6 string `json:"ipv6,omitempty"`
}

// Network is a network of the API. Hosts that need it have a bridge of their own for it: it connects the capsules of one host.
type Network struct {
	UUID string `json:"uuid"`
	// Name need not be unique.
	Name    string `json:"name"`
	Project string `json:"project"`
	User    string `json:"user"`
	// Shared: every project may use it, not its owner's alone.
	Shared bool `json:"shared,omitempty"`
	// Subnets are prefixes, at most one for each family of addresses; without one the engine chooses.
	Subnets []netip.Prefix `json:"subnets,omitempty"`
	// Internal: nothing beyond the host is reached from it.
	Internal  bool      `json:"internal,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}

// Attachment is a network that a sandbox is in, as the engine shows it.
type Attachment struct {
	// Network is the engine's name of it: see [NetworkID].
	Network string `json:"network"`
	// Addresses are the sandbox' own there, IPv4 before IPv6.
	Addresses []string `json:"addresses,omitempty"`
}

// ofAPI is the prefix of the names that networks of the API have on engines.
const ofAPI = "capsulet_"

// EngineNetwork is the name that the network of a [Net] has on an engine.
func EngineNetwork(network string) string {
	if _, err := uuid.Parse(network); err == nil && len(network) == 36 {
		return ofAPI + strings.ToLower(network)
	}
	return network
}

// NetworkID is the UUID of the network of the API that has this name on an engine; empty for one of the engine's own.
func NetworkID(engineName string) string {
	if id, ok := strings.CutPrefix(engineName, ofAPI); ok && EngineNetwork(id) == engineName {
		return id
	}
	return ""
}

// NetworkUUID is what the API calls a network by: its UUID, or one that stands for the name of an engine's own.
func NetworkUUID(engineName string) string {
	if id := NetworkID(engineName); id != "" {
		return id
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("capsulet "+fmt.Sprintf("%q", []string{"network", engineName}))).String()
}

// SandboxNets are the networks that a sandbox of the capsule has to be in, the first of which gives it its first address. It
// has none of its own in the host's network, and may have none at all.
func (s *Spec) SandboxNets() []Net {
	if s.HostNetwork {
		return nil
	}
	if len(s.Nets) == 0 {
		return []Net{{Network: BridgeNetwork}}
	}
	var nets []Net
	for _, n := range s.Nets {
		if n.Network != NoNetwork {
			nets = append(nets, n)
		}
	}
	return nets
}

// Attach adds a network to those of the spec, unless the sandbox is to be in it already: then it is false.
func (s *Spec) Attach(n Net) bool {
	nets := s.SandboxNets()
	for _, have := range nets {
		if have.Network == n.Network {
			return false
		}
	}
	s.Nets = append(nets, n)
	return true
}

// Detach takes a network, as it is stored in a [Net], from those of the spec; false: the sandbox is not to be in it.
func (s *Spec) Detach(network string) bool {
	nets := s.SandboxNets()
	for i := range nets {
		if nets[i].Network == network {
			if s.Nets = append(nets[:i:i], nets[i+1:]...); len(s.Nets) == 0 {
				s.Nets = []Net{{Network: NoNetwork}}
			}
			return true
		}
	}
	return false
}

// KernelHostname is what the kernel answers in the capsule, but in the network of its host; empty: what the engine gives it.
func (s *Spec) KernelHostname() string {
	if s.SetHostnameAsFQDN && s.HostDomain != "" {
		return s.ShortHostname() + "." + s.HostDomain
	}
	return s.ShortHostname()
}

// ShortHostname is the capsule's name, cut to what a host name may be, unless the spec names one.
func (s *Spec) ShortHostname() string {
	h := s.Hostname
	if h == "" {
		h = strings.ReplaceAll(s.Name, "_", "-")
	}
	if len(h) > 63 {
		h = strings.TrimRight(h[:63], "-.")
	}
	return h
}
