package hosts

import (
	"fmt"
	"net/http"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

var hostKeys = map[string]func(capsule.Host) string{
	"id":       func(h capsule.Host) string { return h.Name },
	"hostname": func(h capsule.Host) string { return h.Name },
	"uuid":     func(h capsule.Host) string { return h.UUID },
}

// listHosts is GET /v1/hosts.
func (r *Resource) listHosts(c *rest.Call) error {
	if err := auth.Allowed(auth.HostGetAll, c.Caller, ""); err != nil {
		return rest.NotAllowed(auth.HostGetAll)
	}
	hosts, revision, err := r.Backend.Hosts(c.R.Context())
	if err != nil {
		return fmt.Errorf("list hosts: %w", err)
	}
	page, next, err := rest.Paged(c, hosts, hostKeys, func(h capsule.Host) string { return h.UUID })
	if err != nil {
		return err
	}
	if c.Native {
		if page == nil {
			page = []capsule.Host{}
		}
		return c.JSON(http.StatusOK, nativeList{page, revision})
	}
	placed, _, err := r.Capsules.Capsules(c.R.Context())
	if err != nil {
		return fmt.Errorf("list hosts: %w", err)
	}
	shown := make([]view.ContainerHost, 0, len(page))
	for i := range page {
		shown = append(shown, view.Host(&page[i], placed, c.Base()))
	}
	return c.JSON(http.StatusOK, view.HostList{Hosts: shown, Next: next})
}

// getHost is GET /v1/hosts/{id}, by UUID or name.
func (r *Resource) getHost(c *rest.Call) error {
	if err := auth.Allowed(auth.HostGet, c.Caller, ""); err != nil {
		return rest.NotAllowed(auth.HostGet)
	}
	ident := c.R.PathValue("id")
	hosts, _, err := r.Backend.Hosts(c.R.Context())
	if err != nil {
		return fmt.Errorf("get host %.255s: %w", ident, err)
	}
	for i := range hosts {
		h := &hosts[i]
		if h.UUID != ident && h.Name != ident {
			continue
		}
		if c.Native {
			return c.JSON(http.StatusOK, h)
		}
		placed, _, err := r.Capsules.Capsules(c.R.Context())
		if err != nil {
			return fmt.Errorf("get host %s: %w", h.Name, err)
		}
		return c.JSON(http.StatusOK, view.Host(h, placed, c.Base()))
	}
	return rest.Refuse(http.StatusNotFound, "compute-node-not-found", "Compute node %.255s could not be found.", ident)
}
