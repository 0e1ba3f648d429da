// Package networks is the resource /v1/networks: networks that capsules and containers can be in.
//
//	networks.go  list, get, create, delete     resolve.go  which network a choice of networks means
//
// A network of the API is a record. A host that needs it makes a bridge of its own for it when the first capsule there is in it,
// and removes that when the record is gone and nothing is in it any more: it connects the capsules of one host, as Docker's do.
// Networks that the engines have of their own can be chosen by name where the operator allows it; bridge always.
//
// Zun makes networks over Neutron's (zun/api/controllers/v1/networks.py). There is no Neutron here: neutron_net_id is the UUID
// that the network shall have. Reading them is ours.
//
// Decisions (2026-11-26): a network belongs to the project that its maker names, and is everybody's when none is named. A
// network that a record names is not deleted.
package networks

import (
	"context"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// Table keeps networks by their UUIDs; *store.Table says what each method does.
type Table interface {
	List(ctx context.Context, prefix string) ([]store.Record[capsule.Network], error)
	Create(ctx context.Context, key string, value capsule.Network) (store.Record[capsule.Network], error)
	Remove(ctx context.Context, key string) error
}

// Capsules are those that may be in a network.
type Capsules interface {
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
}

// Resource serves networks. All of it is required but Engine.
type Resource struct {
	Table    Table
	Capsules Capsules
	// Engine are the names of the engines' own networks that may be chosen, besides bridge.
	Engine []string
	Now    func() time.Time
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/v1/networks", Serve: r.list, Doc: rest.Doc{
			Summary: "List the networks that the caller may use.", Query: pageQuery{}, Answers: map[int]any{200: page{}}}},
		{Method: "POST", Path: "/v1/networks", Serve: r.create, Doc: rest.Doc{
			Summary: "Make a network.", Body: createBody{}, Answers: map[int]any{200: view.Network{}}}},
		{Method: "GET", Path: "/v1/networks/{id}", Serve: r.get, Doc: rest.Doc{
			Summary: "Show a network, by UUID or name.", Answers: map[int]any{200: view.Network{}}}},
		{Method: "DELETE", Path: "/v1/networks/{id}", Serve: r.remove, Since: rest.Version{Major: 1, Minor: 27}, Doc: rest.Doc{
			Summary: "Delete a network that nothing is in.", Answers: map[int]any{204: nil}}},
	}
}

// page is a page of the list.
type page struct {
	Networks []view.Network `json:"networks"`
	Next     *string        `json:"next"`
}

type pageQuery struct {
	Limit   int    `query:"limit" description:"how many at most; 1000 if not given"`
	Marker  string `query:"marker" description:"the UUID that the page before ended with"`
	SortKey string `query:"sort_key" description:"id, name, uuid or created_at"`
	SortDir string `query:"sort_dir" description:"asc or desc"`
}

// createBody is the body of POST (zun/api/controllers/v1/schemas/network.py); from project_id on it is ours.
type createBody struct {
	Name         *string  `json:"name"`
	NeutronNetID *string  `json:"neutron_net_id,omitempty"`
	ProjectID    string   `json:"project_id,omitempty"`
	Subnets      []string `json:"subnets,omitempty"`
	Internal     bool     `json:"internal,omitempty"`
}
