package api

import (
	"github.com/capsulet/capsulet/zunserver/api/images"
	"github.com/capsulet/capsulet/zunserver/api/networks"
	"github.com/capsulet/capsulet/zunserver/api/quotas"
	"github.com/capsulet/capsulet/zunserver/api/registries"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/services"
)

// Resources are what capsules and containers use and hosts have. One that is nil is not served.
type Resources struct {
	Networks   *networks.Resource
	Registries *registries.Resource
	Quotas     *quotas.Resource
	Services   *services.Resource
	Images     *images.Resource
}

func (r *Resources) routes() []rest.Route {
	var all []rest.Route
	if r.Networks != nil {
		all = append(all, r.Networks.Routes()...)
	}
	if r.Registries != nil {
		all = append(all, r.Registries.Routes()...)
	}
	if r.Quotas != nil {
		all = append(all, r.Quotas.Routes()...)
	}
	if r.Services != nil {
		all = append(all, r.Services.Routes()...)
	}
	if r.Images != nil {
		all = append(all, r.Images.Routes()...)
	}
	return all
}
