// Package hosts is the resource /v1/hosts: the container hosts, for who may see them.
package hosts

import (
	"context"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Backend knows the container hosts.
type Backend interface {
	Hosts(ctx context.Context) ([]capsule.Host, int64, error)
}

// Capsules are what is placed on them.
type Capsules interface {
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
}

// Resource serves hosts. All of it is required.
type Resource struct {
	Backend  Backend
	Capsules Capsules
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	since := rest.Version{Major: 1, Minor: 4}
	return []rest.Route{
		{Method: "GET", Path: "/v1/hosts", Serve: r.listHosts, Since: since},
		{Method: "GET", Path: "/v1/hosts/{id}", Serve: r.getHost, Since: since},
	}
}
