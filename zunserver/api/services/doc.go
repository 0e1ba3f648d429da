// Package services is the resources /v1/services and /v1/availability_zones: Zun's service zun-compute is here what serves a host
// (zun/api/controllers/v1/zun_services.py, availability_zone.py).
//
// A service is up while the agent of its host lives, the engine answers it, and nobody has forced it down. A disabled or forced
// down one gets nothing new; what is there stays. Both outlive agents and servers.
//
// Decisions (2026-11-26): deleting a service forgets what was said of it. That of a host that is served comes back at once, as one
// that nothing was said of.
package services

import (
	"context"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Backend knows the hosts and what was said of them; *store.Store says what each method does.
type Backend interface {
	Hosts(ctx context.Context) ([]capsule.Host, int64, error)
	Services(ctx context.Context) ([]capsule.Service, error)
	ChangeService(ctx context.Context, host string, change func(*capsule.Service)) (capsule.Service, error)
	RemoveService(ctx context.Context, host string) error
}

// Resource serves services. All of it is required.
type Resource struct {
	Backend Backend
	Now     func() time.Time
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/v1/services", Serve: r.list, Doc: rest.Doc{
			Summary: "List the services of the hosts.", Answers: map[int]any{200: listed{}}}},
		{Method: "DELETE", Path: "/v1/services", Serve: r.remove, Doc: rest.Doc{
			Summary: "Forget a service.", Query: which{}, Answers: map[int]any{204: nil}}},
		{Method: "PUT", Path: "/v1/services/enable", Serve: r.enable, Doc: rest.Doc{
			Summary: "Let a host have new capsules.", Query: which{}, Answers: map[int]any{200: abled{}}}},
		{Method: "PUT", Path: "/v1/services/disable", Serve: r.disable, Doc: rest.Doc{
			Summary: "Keep new capsules from a host.", Query: why{}, Answers: map[int]any{200: abled{}}}},
		{Method: "PUT", Path: "/v1/services/force_down", Serve: r.forceDown, Doc: rest.Doc{
			Summary: "Make a host count as down, or no more.", Query: forced{}, Answers: map[int]any{200: down{}}}},
		{Method: "GET", Path: "/v1/availability_zones", Serve: r.zones, Doc: rest.Doc{
			Summary: "List the availability zones of the hosts.", Query: pageQuery{}, Answers: map[int]any{200: zonesPage{}}}},
	}
}

type listed struct {
	Services []view.Service `json:"services"`
}

type which struct {
	Host   string `query:"host" description:"the name of the host"`
	Binary string `query:"binary" description:"zun-compute"`
}

type why struct {
	Host   string `query:"host" description:"the name of the host"`
	Binary string `query:"binary" description:"zun-compute"`
	Reason string `query:"disabled_reason" description:"why, for people"`
}

type forced struct {
	Host       string `query:"host" description:"the name of the host"`
	Binary     string `query:"binary" description:"zun-compute"`
	ForcedDown bool   `query:"forced_down" description:"true, or false to end it"`
}

// abled is the answer to enable and disable.
type abled struct {
	Service struct {
		Host           string  `json:"host"`
		Binary         string  `json:"binary"`
		Disabled       bool    `json:"disabled"`
		DisabledReason *string `json:"disabled_reason"`
	} `json:"service"`
}

// down is the answer to force_down.
type down struct {
	Service struct {
		Host       string `json:"host"`
		Binary     string `json:"binary"`
		ForcedDown bool   `json:"forced_down"`
	} `json:"service"`
}

type zonesPage struct {
	Zones []view.Zone `json:"availability_zones"`
	Next  *string     `json:"next"`
}

type pageQuery struct {
	Limit   int    `query:"limit" description:"how many at most; 1000 if not given"`
	Marker  string `query:"marker" description:"the zone that the page before ended with"`
	SortKey string `query:"sort_key" description:"id or availability_zone"`
	SortDir string `query:"sort_dir" description:"asc or desc"`
}
