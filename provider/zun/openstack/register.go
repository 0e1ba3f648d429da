package openstack

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
)

// registered are the services of the catalog: what python-zunclient and gophercloud look for (gophercloud's application-container
// has the alias container), and the experimental one.
var registered = []struct{ kind, name, path string }{
	{"container", "zun", "/v1"},
	{"container-experimental", "zun-experimental", "/experimental"},
}

// Registration is what the catalog is to say of a capsule server.
type Registration struct {
	// URL is where everybody reaches the server, as https://zun.example:9517; /v1 at its end does not matter.
	URL string
	// InternalURL and AdminURL are for those interfaces; URL when empty.
	InternalURL, AdminURL string
	// Region is the one that the endpoints are of; OS_REGION_NAME when empty.
	Region string
	// DryRun only looks.
	DryRun bool
}

// Change is what becomes of an entry of the catalog.
type Change string

// The changes. In a dry run they are those that would be.
const (
	Unchanged Change = "unchanged"
	Made      Change = "made"
	Changed   Change = "changed"
)

// Entry is a service in the catalog, or one of its endpoints.
type Entry struct {
	Service   string `json:"service"`
	Interface string `json:"interface,omitempty"`
	URL       string `json:"url,omitempty"`
	Change    Change `json:"change"`
	// Was is the URL that is replaced.
	Was string `json:"was,omitempty"`
}

// Register has the catalog of Keystone say where a capsule server is, as the user of c, who may change the catalog. It makes what is
// missing, and changes what says another URL or is switched off; nothing else is touched, so doing it again changes nothing. The
// entries are what it came to, also when there is an error: InvalidArgument for a bad URL or no region, PermissionDenied for who
// may not do that, and what Login has.
func Register(ctx context.Context, c Config, r Registration) ([]Entry, error) {
	r.Region = cmp.Or(r.Region, c.Getenv("OS_REGION_NAME"))
	bases, err := r.bases()
	if err != nil {
		return nil, err
	}
	provider, _, err := c.login(ctx)
	if err != nil {
		return nil, err
	}
	transport := provider.HTTPClient.Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // uwsgi closes them without a word, and a change that meets that is not repeated
	provider.HTTPClient.Transport = transport
	identity, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	if err != nil {
		return nil, fmt.Errorf("prepare the identity service: %w", err)
	}
	catalog := catalog{identity: identity, dryRun: r.DryRun}
	for _, s := range registered {
		id, err := catalog.service(ctx, s.kind, s.name)
		if err != nil {
			return catalog.entries, fmt.Errorf("register the service %s: %w", s.kind, classify(err))
		}
		for _, b := range bases {
			err := catalog.endpoint(ctx, s.kind, endpoints.CreateOpts{Availability: b.of, Region: r.Region, URL: b.url + s.path, ServiceID: id})
			if err != nil {
				return catalog.entries, fmt.Errorf("register the %s endpoint of the service %s: %w", b.of, s.kind, classify(err))
			}
		}
	}
	return catalog.entries, nil
}

// base is a URL without a version, of an interface.
type base struct {
	of  gophercloud.Availability
	url string
}

func (r Registration) bases() ([]base, error) {
	if r.Region == "" {
		return nil, fmt.Errorf("endpoints are of a region, and none is named (OS_REGION_NAME): %w", errdefs.ErrInvalidArgument)
	}
	all := []base{
		{gophercloud.AvailabilityPublic, r.URL}, {gophercloud.AvailabilityInternal, cmp.Or(r.InternalURL, r.URL)},
		{gophercloud.AvailabilityAdmin, cmp.Or(r.AdminURL, r.URL)},
	}
	for i := range all {
		text := all[i].url
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%q is not like https://zun.example:9517: %w", text, errdefs.ErrInvalidArgument)
		}
		all[i].url = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(text, "/"), "/v1"), "/")
	}
	return all, nil
}

// catalog is a Keystone's, while it is changed.
type catalog struct {
	identity *gophercloud.ServiceClient
	dryRun   bool
	entries  []Entry
}

// service finds the ID of a service, or makes it; the ID is empty for one that would be made.
func (c *catalog) service(ctx context.Context, kind, name string) (id string, err error) {
	page, err := services.List(c.identity, services.ListOpts{ServiceType: kind}).AllPages(ctx)
	if err != nil {
		return "", err
	}
	known, err := services.ExtractServices(page)
	if err != nil {
		return "", err
	}
	e := Entry{Service: kind, Change: Unchanged}
	switch {
	case len(known) == 0:
		e.Change = Made
		if !c.dryRun {
			made, err := services.Create(ctx, c.identity, services.CreateOpts{Type: kind, Name: name, Description: "capsulet: containers and capsules"}).Extract()
			if err != nil {
				return "", err
			}
			id = made.ID
		}
	case !known[0].Enabled:
		id, e.Change = known[0].ID, Changed
		if !c.dryRun {
			err = services.Update(ctx, c.identity, id, services.UpdateOpts{Enabled: gophercloud.Enabled}).Err
		}
	default:
		id = known[0].ID
	}
	if err == nil {
		c.entries = append(c.entries, e)
	}
	return id, err
}

// endpoint has the service, of which want names the ID if it is there, be where want says.
func (c *catalog) endpoint(ctx context.Context, kind string, want endpoints.CreateOpts) error {
	e := Entry{Service: kind, Interface: string(want.Availability), URL: want.URL, Change: Made}
	var known []endpoints.Endpoint
	if want.ServiceID != "" {
		page, err := endpoints.List(c.identity, endpoints.ListOpts{ServiceID: want.ServiceID, Availability: want.Availability, RegionID: want.Region}).AllPages(ctx)
		if err != nil {
			return err
		}
		if known, err = endpoints.ExtractEndpoints(page); err != nil {
			return err
		}
	}
	if len(known) == 0 && !c.dryRun {
		if err := endpoints.Create(ctx, c.identity, want).Err; err != nil {
			return err
		}
	}
	if len(known) > 0 {
		e.Change = Unchanged
	}
	for _, one := range known {
		if one.URL == want.URL && one.Enabled {
			continue
		}
		if e.Change = Changed; one.URL != want.URL {
			e.Was = one.URL
		}
		if !c.dryRun {
			if err := endpoints.Update(ctx, c.identity, one.ID, endpoints.UpdateOpts{URL: want.URL, Enabled: gophercloud.Enabled}).Err; err != nil {
				return err
			}
		}
	}
	c.entries = append(c.entries, e)
	return nil
}

// classify gives an error of Keystone its class.
func classify(err error) error {
	if gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		return fmt.Errorf("keystone lets only its administrators change the catalog: %w", errdefs.ErrPermissionDenied)
	}
	return fmt.Errorf("%w: %w", err, errdefs.ErrUnavailable)
}
