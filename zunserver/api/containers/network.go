package containers

import (
	"context"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/capsulet/capsulet/zunserver/api/containers/creation"
	"github.com/capsulet/capsulet/zunserver/api/containers/history"
	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

type attachQuery struct {
	Network string `query:"network" description:"The name or the UUID of a network."`
	Port    string `query:"port" description:"A port; there are none before their containers here."`
	FixedIP string `query:"fixed_ip" description:"The address in the network."`
}

type detachQuery struct {
	Network string `query:"network" description:"The name or the UUID of a network."`
	Port    string `query:"port" description:"The UUID of a port of the container, in place of its network."`
}

// networkAttach is POST /v1/containers/{id}/network_attach.
func (r *Resource) networkAttach(c *rest.Call) error {
	p, err := target.ParamsOf(c, "network", "port", "fixed_ip")
	if err != nil {
		return err
	}
	n, err := wantedNet(p)
	if err != nil {
		return err
	}
	t, err := r.Find(c, "container:network_attach")
	if err != nil {
		return err
	}
	if err := t.Alone("attach a network to"); err != nil {
		return err
	}
	asked, nets := n.Network, []capsule.Net{n}
	if err := r.Networks.Resolve(c.R.Context(), t.Record.Project, nets, ""); err != nil {
		return err
	}
	t, err = r.change(c, t, "network_attach", func(t target.Target) error {
		if !t.Record.Spec.Attach(nets[0]) {
			return rest.Refuse(http.StatusBadRequest, "invalid", "Network '%.255s' is already connected to container '%.255s'.", asked, c.R.PathValue("id"))
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.record(c, t, "network_attach", history.Goal{Network: capsule.EngineNetwork(nets[0].Network)})
	c.W.WriteHeader(http.StatusOK)
	return nil
}

// wantedNet reads the network of an attach.
func wantedNet(p target.Params) (n capsule.Net, err error) {
	var chosen creation.Net
	if chosen.Network, err = p.Text("network"); err != nil {
		return n, err
	}
	if chosen.Port, err = p.Text("port"); err != nil {
		return n, err
	}
	if (chosen.Network == "") == (chosen.Port == "") {
		return n, rest.InvalidField("network", "Either a network or a port is needed")
	}
	fixed, err := p.Text("fixed_ip")
	if err != nil {
		return n, err
	}
	if fixed != "" {
		ip, err := netip.ParseAddr(fixed)
		switch {
		case err != nil:
			return n, rest.InvalidField("fixed_ip", "Value: '%.64s'. It is no address", fixed)
		case ip.Is4():
			chosen.V4 = fixed
		default:
			chosen.V6 = fixed
		}
	}
	nets, err := creation.Nets([]creation.Net{chosen})
	if err != nil {
		return n, err
	}
	return nets[0], nil
}

// networkDetach is POST /v1/containers/{id}/network_detach.
func (r *Resource) networkDetach(c *rest.Call) error {
	p, err := target.ParamsOf(c, "network", "port")
	if err != nil {
		return err
	}
	network, err := p.Text("network")
	if err != nil {
		return err
	}
	port, err := p.Text("port")
	if err != nil {
		return err
	}
	if (network == "") == (port == "") {
		return rest.InvalidField("network", "Either a network or a port is needed")
	}
	t, err := r.Find(c, "container:network_detach")
	if err != nil {
		return err
	}
	if err := t.Alone("detach a network from"); err != nil {
		return err
	}
	given := r.meant(c.R.Context(), t, network)
	gone := ""
	t, err = r.change(c, t, "network_detach", func(t target.Target) error {
		nets := t.Record.Spec.SandboxNets()
		i := slices.IndexFunc(nets, func(n capsule.Net) bool {
			name := capsule.EngineNetwork(n.Network)
			return port == "" && n.Network == given || port != "" && strings.EqualFold(view.Port(t.Record.UUID, name), port)
		})
		switch {
		case i < 0 && port != "":
			return rest.Refuse(http.StatusBadRequest, "invalid", "Port '%.255s' is not attached to container '%.255s'.", port, c.R.PathValue("id"))
		case i < 0:
			return rest.Refuse(http.StatusBadRequest, "invalid", "Network '%.255s' is not attached to container '%.255s'.", network, c.R.PathValue("id"))
		}
		gone = nets[i].Network
		t.Record.Spec.Detach(gone)
		return nil
	})
	if err != nil {
		return err
	}
	r.record(c, t, "network_detach", history.Goal{Network: capsule.EngineNetwork(gone), Leave: true})
	return accepted(c, nil)
}

// meant is a network as the spec has it, by its name or its UUID; one that is not there any more goes by its UUID alone.
func (r *Resource) meant(ctx context.Context, t target.Target, network string) string {
	for _, n := range t.Record.Spec.SandboxNets() {
		if n.Network == network || strings.EqualFold(capsule.NetworkUUID(capsule.EngineNetwork(n.Network)), network) {
			return n.Network
		}
	}
	nets := []capsule.Net{{Network: network}}
	if network == "" || r.Networks.Resolve(ctx, t.Record.Project, nets, "") != nil {
		return network
	}
	return nets[0].Network
}

// fixedIP is an address of a port.
type fixedIP struct {
	SubnetID  string `json:"subnet_id,omitempty"`
	Version   int    `json:"version,omitempty"`
	IPAddress string `json:"ip_address,omitempty"`
}

// portOf is a network that the container is in, with all its addresses there as 1.18 has it; up to 1.17 there is one for each
// address.
type portOf struct {
	NetID    string    `json:"net_id"`
	PortID   string    `json:"port_id"`
	FixedIPs []fixedIP `json:"fixed_ips,omitempty"`
	fixedIP
}

type networkList struct {
	Networks []portOf `json:"networks"`
}

// networkList is GET /v1/containers/{id}/network_list.
func (r *Resource) networkList(c *rest.Call) error {
	if err := target.Known(c); err != nil {
		return err
	}
	t, err := r.Find(c, "container:network_list")
	if err != nil {
		return err
	}
	all, shown := view.Addresses(t.Record), networkList{Networks: []portOf{}}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		for _, a := range all[id] {
			ip := fixedIP{SubnetID: a.SubnetID, Version: a.Version, IPAddress: a.Addr}
			if !target.Since(c, 18) {
				shown.Networks = append(shown.Networks, portOf{NetID: id, PortID: a.Port, fixedIP: ip})
				continue
			}
			i := slices.IndexFunc(shown.Networks, func(p portOf) bool { return p.PortID == a.Port })
			if i < 0 {
				i = len(shown.Networks)
				shown.Networks = append(shown.Networks, portOf{NetID: id, PortID: a.Port})
			}
			shown.Networks[i].FixedIPs = append(shown.Networks[i].FixedIPs, ip)
		}
	}
	return c.JSON(http.StatusOK, shown)
}

type groupQuery struct {
	Name string `query:"name" description:"The security group; default is the only one."`
}

// addGroup is POST /v1/containers/{id}/add_security_group, up to 1.14.
func (r *Resource) addGroup(c *rest.Call) error {
	return r.group(c, "add_security_group", func(own *capsule.Standalone, name string) error {
		if slices.Contains(own.SecurityGroups, name) {
			return rest.InvalidValue("Security group %s has been added to container.", name)
		}
		own.SecurityGroups = append(own.SecurityGroups, name)
		return nil
	})
}

// removeGroup is POST /v1/containers/{id}/remove_security_group, up to 1.14.
func (r *Resource) removeGroup(c *rest.Call) error {
	return r.group(c, "remove_security_group", func(own *capsule.Standalone, name string) error {
		i := slices.Index(own.SecurityGroups, name)
		if i < 0 {
			return rest.InvalidValue("Security group %s was not added to container.", name)
		}
		own.SecurityGroups = slices.Delete(own.SecurityGroups, i, i+1)
		return nil
	})
}

func (r *Resource) group(c *rest.Call, action string, edit func(own *capsule.Standalone, name string) error) error {
	p, err := target.ParamsOf(c, "name")
	if err != nil {
		return err
	}
	name, err := p.Needed("name")
	if err != nil {
		return err
	}
	t, err := r.want(c, action, func(t target.Target, _ *capsule.Want) error {
		if name != creation.DefaultGroup {
			return creation.NoGroup(name)
		}
		return edit(t.Own(), name)
	})
	if err == nil {
		r.record(c, t, action, history.Goal{})
	}
	return accepted(c, err)
}
