package keystone

import (
	"context"
	"fmt"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
)

// entries are the services of the catalog: what python-zunclient and gophercloud look for (gophercloud's application-container has
// the alias container), and the experimental one.
var entries = []struct{ kind, name, path string }{
	{"container", "zun", "/v1"},
	{"container-experimental", "zun-experimental", "/experimental"},
}

// Register has the catalog of Keystone say that the capsule API is at the URL base, for every interface in the region. It makes what
// is missing, and changes what is another; nothing else is touched. identity is of who may change the catalog.
func Register(ctx context.Context, identity *gophercloud.ServiceClient, base, region string) error {
	base = strings.TrimSuffix(strings.TrimSuffix(base, "/"), "/v1")
	for _, e := range entries {
		id, err := ensureService(ctx, identity, e.kind, e.name)
		if err != nil {
			return fmt.Errorf("service %s: %w", e.kind, err)
		}
		for _, a := range []gophercloud.Availability{gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal, gophercloud.AvailabilityAdmin} {
			if err := ensureEndpoint(ctx, identity, endpoints.CreateOpts{Availability: a, Region: region, URL: base + e.path, ServiceID: id}); err != nil {
				return fmt.Errorf("%s endpoint of the service %s: %w", a, e.kind, err)
			}
		}
	}
	return nil
}

func ensureService(ctx context.Context, identity *gophercloud.ServiceClient, kind, name string) (id string, err error) {
	page, err := services.List(identity, services.ListOpts{ServiceType: kind}).AllPages(ctx)
	if err != nil {
		return "", err
	}
	known, err := services.ExtractServices(page)
	if err != nil {
		return "", err
	}
	if len(known) > 0 {
		return known[0].ID, nil
	}
	made, err := services.Create(ctx, identity, services.CreateOpts{Type: kind, Name: name, Description: "capsulet: containers and capsules"}).Extract()
	if err != nil {
		return "", err
	}
	return made.ID, nil
}

func ensureEndpoint(ctx context.Context, identity *gophercloud.ServiceClient, want endpoints.CreateOpts) error {
	page, err := endpoints.List(identity, endpoints.ListOpts{ServiceID: want.ServiceID, Availability: want.Availability, RegionID: want.Region}).AllPages(ctx)
	if err != nil {
		return err
	}
	known, err := endpoints.ExtractEndpoints(page)
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return endpoints.Create(ctx, identity, want).Err
	}
	for _, one := range known {
		if one.URL != want.URL {
			if err := endpoints.Update(ctx, identity, one.ID, endpoints.UpdateOpts{URL: want.URL}).Err; err != nil {
				return err
			}
		}
	}
	return nil
}
