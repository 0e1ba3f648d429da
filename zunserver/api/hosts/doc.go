// Package hosts is the resource /v1/hosts: the container hosts, for who may see them.
package hosts

import (
	"context"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
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
		{Method: "GET", Path: "/v1/hosts", Serve: r.listHosts, Since: since, Doc: rest.Doc{
			Summary: "List the container hosts.", Query: rest.PageQuery{}, Answers: map[int]any{200: view.HostList{}}, Native: nativeList{},
		}},
		{Method: "GET", Path: "/v1/hosts/{id}", Serve: r.getHost, Since: since, Doc: rest.Doc{
			Summary: "Show a container host, by UUID or name.", Answers: map[int]any{200: view.ContainerHost{}}, Native: capsule.Host{},
		}},
	}
}

// nativeList is a list in the native form.
type nativeList struct {
	Hosts    []capsule.Host `json:"hosts"`
	Revision int64          `json:"revision"`
}
