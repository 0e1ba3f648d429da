package api

import (
	"net/http"

	"github.com/capsulet/capsulet/zunserver/api/rest"
)

// extensions are capsulet's; clients ask for them here and never guess.
var extensions = map[string]any{"extensions": []string{"native", "watch", "logs", "template", "update", "streams", "stats", "endpoints"}}

// discovery is what a client asks first.
func discovery() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/{$}", Serve: root, Public: true},
		{Method: "GET", Path: "/healthcheck", Serve: healthcheck, Public: true},
		{Method: "GET", Path: "/v1", Serve: v1, Public: true},
	}
}

// root is GET / (zun/api/controllers/root.py).
func root(c *rest.Call) error {
	v1 := map[string]any{
		"id": "v1", "status": "CURRENT", "max_version": rest.MaxVersion.String(), "min_version": rest.MinVersion.String(),
		"links": []any{link(c.Base()+"/v1/", "self")},
	}
	return c.JSON(http.StatusOK, map[string]any{
		"name": "OpenStack Zun API", "description": "Zun is an OpenStack project which aims to provide containers service. " +
			"This is capsulet, which speaks its API.",
		"versions": []any{v1}, "default_version": v1, "capsulet": extensions,
	})
}

// v1 is GET /v1 (zun/api/controllers/v1/__init__.py); it names the resources that are served here.
func v1(c *rest.Call) error {
	body := map[string]any{
		"id":          "v1",
		"media_types": []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.zun.v1+json"}},
		"links": []any{link(c.Base()+"/v1/", "self"), map[string]any{
			"href": "https://docs.openstack.org/developer/zun/dev/api-spec-v1.html", "rel": "describedby", "type": "text/html"}},
		"capsulet": extensions,
	}
	for _, resource := range []string{"capsules", "containers", "sandboxes", "hosts", "services", "availability_zones", "images", "networks",
		"quotas", "quota_classes", "registries"} {
		body[resource] = []any{link(c.Base()+"/v1/"+resource+"/", "self"), link(c.Base()+"/"+resource+"/", "bookmark")}
	}
	return c.JSON(http.StatusOK, body)
}

func link(href, rel string) map[string]any { return map[string]any{"href": href, "rel": rel} }

// healthcheck is oslo.middleware's.
func healthcheck(c *rest.Call) error {
	c.W.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	_, _ = c.W.Write([]byte("OK"))
	return nil
}
