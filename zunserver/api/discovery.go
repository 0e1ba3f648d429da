package api

import (
	"net/http"
)

// extensions are capsulet's; clients ask for them here and never guess.
var extensions = map[string]any{"extensions": []string{"native", "watch", "logs", "template", "update", "streams", "stats"}}

// root is GET / (zun/api/controllers/root.py).
func (a *api) root(c *call) error {
	v1 := map[string]any{
		"id": "v1", "status": "CURRENT", "max_version": maxVersion.String(), "min_version": minVersion.String(),
		"links": []any{link(c.base()+"/v1/", "self")},
	}
	return c.json(http.StatusOK, map[string]any{
		"name": "OpenStack Zun API", "description": "Zun is an OpenStack project which aims to provide containers service. " +
			"This is capsulet, which speaks its API.",
		"versions": []any{v1}, "default_version": v1, "capsulet": extensions,
	})
}

// v1 is GET /v1 (zun/api/controllers/v1/__init__.py); it names the resources that are served here.
func (a *api) v1(c *call) error {
	body := map[string]any{
		"id":          "v1",
		"media_types": []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.zun.v1+json"}},
		"links": []any{link(c.base()+"/v1/", "self"), map[string]any{
			"href": "https://docs.openstack.org/developer/zun/dev/api-spec-v1.html", "rel": "describedby", "type": "text/html"}},
		"capsulet": extensions,
	}
	for _, resource := range []string{"capsules", "hosts"} {
		body[resource] = []any{link(c.base()+"/v1/"+resource+"/", "self"), link(c.base()+"/"+resource+"/", "bookmark")}
	}
	return c.json(http.StatusOK, body)
}

func link(href, rel string) map[string]any { return map[string]any{"href": href, "rel": rel} }

// healthcheck is oslo.middleware's.
func (a *api) healthcheck(c *call) error {
	c.w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	_, _ = c.w.Write([]byte("OK"))
	return nil
}
