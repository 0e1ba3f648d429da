// Package endpoints tells where the ports of capsules and containers are reached: GET /v1/capsules/{id}/endpoints and
// /v1/containers/{id}/endpoints. endpoints.go is the pure part: record and addresses in, entries out.
//
// Each port has an entry for each scope up to its own, the scopes nested as in the Docker interface library of Murano
// (getEndpoints, getConnectionTo):
//
//	host      on the machine that the capsule is on: 127.0.0.1:hostPort, or hostIP:hostPort where that is one address
//	internal  from capsules of the same host, in a network that both are in: address of the capsule:containerPort
//	cloud     from other hosts: address of the host:hostPort
//	public    from the world: publicAddress of the host:hostPort, where the configuration names one
//
// A port without a hostPort is not published: it ends at internal, and on its machine the capsule's own address is the way. So
// does one that is published on loopback alone. A port published on one address has that one, and is public if it is the
// public one. In the network of the host each port is published. A capsule that does not run has no endpoint. Where a template says
// scope of a port, the list ends there.
//
// With from=<capsule> there is one entry per port, the nearest for a connection out of that capsule: 127.0.0.1 in the capsule
// itself, the capsule's address on the same host, the host's on another. When no port is reached it is 409, with the reason of
// the first. Both have to be the caller's to see.
//
// Decisions (2026-11-26): nothing is stored, since all of it follows from spec, facts and configuration. Networks are bridges of
// one host, so that capsules of two hosts meet at published ports alone.
package endpoints

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/capsules"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Hosts knows the hosts.
type Hosts interface {
	Hosts(ctx context.Context) ([]capsule.Host, int64, error)
}

// Resource serves endpoints. All of it is required.
type Resource struct {
	Capsules capsules.Lookup
	Hosts    Hosts
}

// containerEndpoints is the policy's word.
const containerEndpoints auth.Action = "container:endpoints"

// Answer is the body.
type Answer struct {
	Endpoints []Endpoint `json:"endpoints"`
}

type query struct {
	From string `query:"from" description:"UUID or name of the capsule that shall connect: one entry per port, the nearest"`
}

type capsuleQuery struct {
	query
	Container string `query:"container" description:"name of a container; all without it"`
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	answers := map[int]any{http.StatusOK: Answer{}}
	return []rest.Route{
		{Method: "GET", Path: "/v1/capsules/{id}/endpoints", Serve: r.ofCapsule, Doc: rest.Doc{
			Summary: "List where the ports of a capsule are reached.", Query: capsuleQuery{}, Answers: answers}},
		{Method: "GET", Path: "/v1/containers/{id}/endpoints", Serve: r.ofContainer, Doc: rest.Doc{
			Summary: "List where the ports of a container are reached.", Query: query{}, Answers: answers}},
	}
}

func (r *Resource) ofCapsule(c *rest.Call) error {
	one, err := capsules.Find(c, r.Capsules, auth.CapsuleEndpoints)
	if err != nil {
		return err
	}
	container := c.R.URL.Query().Get("container")
	if cs, _ := one.Spec.Container(container); container != "" && cs == nil {
		return rest.NotFound(container)
	}
	return r.answer(c, one, container)
}

func (r *Resource) ofContainer(c *rest.Call) error {
	one, container, err := r.find(c)
	if err != nil {
		return err
	}
	return r.answer(c, one, container)
}

// find looks up the container of the path: any by its UUID, and those of the container API by their name.
func (r *Resource) find(c *rest.Call) (one *capsule.Capsule, container string, err error) {
	ident := c.R.PathValue("id")
	all, _, err := r.Capsules.Capsules(c.R.Context())
	if err != nil {
		return nil, "", fmt.Errorf("find container %.255s: %w", ident, err)
	}
	id, err := uuid.Parse(ident)
	byUUID, found := err == nil && len(ident) == 36, 0
	for _, record := range all {
		if auth.Allowed(containerEndpoints, c.Caller, record.Project) != nil {
			continue
		}
		for i := range record.Spec.Containers {
			cs := &record.Spec.Containers[i]
			own := record.StandaloneOf(cs.Name)
			if byUUID && cs.UUID == id.String() || own != nil && own.Name == ident {
				one, container = record, cs.Name
				found++
			}
		}
	}
	switch found {
	case 0:
		return nil, "", rest.NotFound(ident)
	case 1:
		return one, container, nil
	default:
		return nil, "", rest.Refuse(http.StatusConflict, "conflict",
			"Multiple containers exist with same name. Please use the container uuid instead.")
	}
}

func (r *Resource) answer(c *rest.Call, one *capsule.Capsule, container string) error {
	host, err := r.addresses(c.R.Context(), one)
	if err != nil {
		return err
	}
	if c.R.URL.Query().Get("from") == "" {
		return c.JSON(http.StatusOK, Answer{Of(one, container, host)})
	}
	c.R.SetPathValue("id", c.R.URL.Query().Get("from")) // it is found as that of a path is
	from, err := capsules.Find(c, r.Capsules, auth.CapsuleEndpoints)
	if err != nil {
		return err
	}
	list, reason := Nearest(one, container, host, from)
	if len(list) == 0 {
		return rest.Refuse(http.StatusConflict, "conflict", "There is no way there: %s", reason)
	}
	return c.JSON(http.StatusOK, Answer{list})
}

// addresses are those of the capsule's host. One that is away has the address that the agent has written down.
func (r *Resource) addresses(ctx context.Context, one *capsule.Capsule) (Addresses, error) {
	all, _, err := r.Hosts.Hosts(ctx)
	if err != nil {
		return Addresses{}, fmt.Errorf("get the addresses of host %s: %w", one.Claim.Host, err)
	}
	for i := range all {
		if all[i].Name == one.Claim.Host {
			return Addresses{Host: all[i].Address, Public: all[i].PublicAddress}, nil
		}
	}
	return Addresses{Host: one.Facts.HostAddress}, nil
}
