package networks

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// The actions of this resource.
const (
	actionList   auth.Action = "network:get_all"
	actionCreate auth.Action = "network:create"
	actionDelete auth.Action = "network:delete"
)

var keys = map[string]func(view.Network) string{
	"id":         func(n view.Network) string { return n.Name },
	"name":       func(n view.Network) string { return n.Name },
	"uuid":       func(n view.Network) string { return n.UUID },
	"created_at": func(n view.Network) string { return deref(n.CreatedAt) },
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// list is GET /v1/networks.
func (r *Resource) list(c *rest.Call) error {
	all, err := r.visible(c)
	if err != nil {
		return err
	}
	cut, next, err := rest.Paged(c, all, keys, func(n view.Network) string { return n.UUID })
	if err != nil {
		return err
	}
	p := page{Networks: slices.Concat([]view.Network{}, cut)}
	p.Next = next
	return c.JSON(http.StatusOK, p)
}

// visible are the networks that the caller may use, the engines' own first.
func (r *Resource) visible(c *rest.Call) ([]view.Network, error) {
	if err := auth.Allowed(actionList, c.Caller, c.Caller.Project); err != nil {
		return nil, rest.NotAllowed(actionList)
	}
	var all []view.Network
	for _, name := range r.engine() {
		all = append(all, view.OfEngineNetwork(name))
	}
	records, err := r.Table.List(c.R.Context(), "")
	if err != nil {
		return nil, err
	}
	for i := range records {
		if n := &records[i].Value; c.Caller.Admin || usable(n, c.Caller.Project) {
			all = append(all, view.OfNetwork(n))
		}
	}
	return all, nil
}

// get is GET /v1/networks/{id}, by UUID or name.
func (r *Resource) get(c *rest.Call) error {
	n, err := r.find(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, n)
}

func (r *Resource) find(c *rest.Call) (view.Network, error) {
	ident := c.R.PathValue("id")
	all, err := r.visible(c)
	if err != nil {
		return view.Network{}, err
	}
	if i := slices.IndexFunc(all, func(n view.Network) bool { return n.UUID == strings.ToLower(ident) }); i >= 0 {
		return all[i], nil
	}
	all = slices.DeleteFunc(all, func(n view.Network) bool { return n.Name != ident })
	switch len(all) {
	case 0:
		return view.Network{}, notFound(ident)
	case 1:
		return all[0], nil
	default:
		return view.Network{}, ambiguous(ident)
	}
}

func notFound(ident string) error {
	return rest.Refuse(http.StatusNotFound, "network-not-found", "Neutron network %.255s could not be found.", ident)
}

func ambiguous(ident string) error {
	return rest.Refuse(http.StatusConflict, "conflict", "Multiple networks exist with same name %.255s. Please use the network uuid instead.", ident)
}

// name is Zun's pattern, from the beginning to the end.
var name = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// reserved are the names that mean something else.
var reserved = []string{capsule.BridgeNetwork, capsule.HostNetwork, capsule.NoNetwork, "default"}

// create is POST /v1/networks.
func (r *Resource) create(c *rest.Call) error {
	if err := auth.Allowed(actionCreate, c.Caller, ""); err != nil {
		return rest.NotAllowed(actionCreate)
	}
	var body createBody
	if err := c.Decode(&body); err != nil {
		return err
	}
	n, err := r.read(c, &body)
	if err != nil {
		return err
	}
	_, err = r.Table.Create(c.R.Context(), n.UUID, n)
	if errdefs.IsAlreadyExists(err) {
		return rest.Refuse(http.StatusConflict, "network-already-exists", "A network with neutron_net_id %s already exists.", n.UUID)
	}
	if err != nil {
		return err
	}
	c.W.Header().Set("Location", c.Base()+"/v1/networks/"+n.UUID)
	return c.JSON(http.StatusOK, view.OfNetwork(&n))
}

// read makes a network of a body.
func (r *Resource) read(c *rest.Call, b *createBody) (capsule.Network, error) {
	n := capsule.Network{
		UUID: uuid.NewString(), Project: c.Caller.Project, User: c.Caller.User, Shared: b.ProjectID == "", Internal: b.Internal, CreatedAt: r.Now().UTC(),
	}
	if b.Name == nil {
		return n, rest.Refuse(http.StatusBadRequest, "schema-validation-error", "'name' is a required property")
	}
	if n.Name = *b.Name; len(n.Name) > 255 || !name.MatchString(n.Name) {
		return n, rest.InvalidField("name", "'%.80s' is not of 2 to 255 letters, digits, '_', '.' and '-'", n.Name)
	}
	if slices.Contains(reserved, n.Name) || slices.Contains(r.engine(), n.Name) {
		return n, rest.InvalidField("name", "'%s' is a network of the engines", n.Name)
	}
	if len(b.ProjectID) > 255 {
		return n, rest.InvalidField("project_id", "it is longer than 255 bytes")
	} else if b.ProjectID != "" {
		n.Project = b.ProjectID
	}
	if b.NeutronNetID != nil {
		id, err := uuid.Parse(*b.NeutronNetID)
		if err != nil || len(*b.NeutronNetID) != 36 {
			return n, rest.InvalidField("neutron_net_id", "'%.80s' is not a 'uuid': it is what the network shall be known by", *b.NeutronNetID)
		}
		n.UUID = id.String()
	}
	return n, subnets(&n, b.Subnets)
}

func subnets(n *capsule.Network, texts []string) error {
	families := map[bool]bool{}
	for i, text := range texts {
		field := fmt.Sprintf("subnets[%d]", i)
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil || p != p.Masked():
			return rest.InvalidField(field, "'%.80s' is not a prefix such as 10.1.0.0/24", text)
		case p.Addr().Is4() && (p.Bits() < 8 || p.Bits() > 29), p.Addr().Is6() && (p.Bits() < 32 || p.Bits() > 124):
			return rest.InvalidField(field, "%s is too large or too small", p)
		case families[p.Addr().Is4()]:
			return rest.InvalidField(field, "a network has one subnet for each family of addresses at most")
		}
		families[p.Addr().Is4()] = true
		n.Subnets = append(n.Subnets, p)
	}
	return nil
}

// remove is DELETE /v1/networks/{id}.
func (r *Resource) remove(c *rest.Call) error {
	if err := auth.Allowed(actionDelete, c.Caller, ""); err != nil {
		return rest.NotAllowed(actionDelete)
	}
	n, err := r.find(c)
	if err != nil {
		return err
	}
	if slices.Contains(r.engine(), n.Name) && n.NetworkID == n.Name {
		return rest.Refuse(http.StatusConflict, "conflict", "Network %s is the engines' own and cannot be deleted here.", n.Name)
	}
	all, _, err := r.Capsules.Capsules(c.R.Context())
	if err != nil {
		return fmt.Errorf("delete network %s: %w", n.UUID, err)
	}
	for _, one := range all {
		if slices.ContainsFunc(one.Spec.Nets, func(net capsule.Net) bool { return net.Network == n.UUID }) {
			return rest.Refuse(http.StatusConflict, "conflict", "Network %s is in use by %s.", n.UUID, one.UUID)
		}
	}
	if err := r.Table.Remove(c.R.Context(), n.UUID); errdefs.IsNotFound(err) {
		return notFound(n.UUID)
	} else if err != nil {
		return err
	}
	c.W.WriteHeader(http.StatusNoContent)
	return nil
}
