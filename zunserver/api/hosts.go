package api

import (
	"fmt"
	"net/http"

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
func (a *api) listHosts(c *call) error {
	if err := auth.Allowed(auth.HostGetAll, c.caller, ""); err != nil {
		return notAllowed(auth.HostGetAll)
	}
	hosts, revision, err := a.Hosts.Hosts(c.r.Context())
	if err != nil {
		return fmt.Errorf("list hosts: %w", err)
	}
	page, next, err := paged(c, hosts, hostKeys, func(h capsule.Host) string { return h.UUID })
	if err != nil {
		return err
	}
	if c.native {
		if page == nil {
			page = []capsule.Host{}
		}
		return c.json(http.StatusOK, map[string]any{"hosts": page, "revision": revision})
	}
	placed, _, err := a.Capsules.Capsules(c.r.Context())
	if err != nil {
		return fmt.Errorf("list hosts: %w", err)
	}
	shown := make([]any, 0, len(page))
	for i := range page {
		shown = append(shown, view.Host(&page[i], placed, c.base()))
	}
	return c.json(http.StatusOK, map[string]any{"hosts": shown, "next": next})
}

// getHost is GET /v1/hosts/{id}, by UUID or name.
func (a *api) getHost(c *call) error {
	if err := auth.Allowed(auth.HostGet, c.caller, ""); err != nil {
		return notAllowed(auth.HostGet)
	}
	ident := c.r.PathValue("id")
	hosts, _, err := a.Hosts.Hosts(c.r.Context())
	if err != nil {
		return fmt.Errorf("get host %.255s: %w", ident, err)
	}
	for i := range hosts {
		h := &hosts[i]
		if h.UUID != ident && h.Name != ident {
			continue
		}
		if c.native {
			return c.json(http.StatusOK, h)
		}
		placed, _, err := a.Capsules.Capsules(c.r.Context())
		if err != nil {
			return fmt.Errorf("get host %s: %w", h.Name, err)
		}
		return c.json(http.StatusOK, view.Host(h, placed, c.base()))
	}
	return &refusal{http.StatusNotFound, "compute-node-not-found", fmt.Sprintf("Compute node %.255s could not be found.", ident)}
}
