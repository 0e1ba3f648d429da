package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/capsulet/capsulet/zunserver/api/openapi"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
)

// extensions are capsulet's; clients ask for them here and never guess.
var extensions = map[string][]string{"extensions": {"native", "watch", "logs", "template", "update", "streams", "stats", "archive", "top", "openapi", "endpoints", "pod", "experimental", "upgrade", "labels"}}

// discovery is what a client asks first: what there is, by the table of the other routes.
func discovery(others []rest.Route) []rest.Route {
	d := &described{resources: resources(others)}
	routes := []rest.Route{
		{Method: "GET", Path: "/{$}", Serve: root, Public: true, Doc: rest.Doc{Summary: "Show the versions of the API.", Answers: map[int]any{200: view.Root{}}}},
		{Method: "GET", Path: "/healthcheck", Serve: healthcheck, Public: true, Doc: rest.Doc{
			Summary: "Say OK.", Answers: map[int]any{200: ""}, MediaType: "text/plain"}},
		{Method: "GET", Path: "/v1", Serve: d.v1, Public: true, Doc: rest.Doc{
			Summary: "Show the resources of version 1.", Answers: map[int]any{200: map[string]any{}}}},
		{Method: "GET", Path: rest.OpenAPIPath, Serve: d.openAPI, Public: true, Doc: rest.Doc{
			Summary: "Show this document.", Answers: map[int]any{200: map[string]any{}}}},
	}
	d.document = sync.OnceValues(func() ([]byte, error) { return openapi.Document(slices.Concat(routes, others)) })
	return routes
}

// described is what the routes say of themselves.
type described struct {
	resources []string
	document  func() ([]byte, error)
}

// resources are the first words of the paths under /v1, in order.
func resources(routes []rest.Route) []string {
	found := map[string]bool{}
	for _, r := range routes {
		if rest, ok := strings.CutPrefix(r.Path, "/v1/"); ok {
			word, _, _ := strings.Cut(rest, "/")
			found[word] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// openAPI is GET /openapi.json.
func (d *described) openAPI(c *rest.Call) error {
	document, err := d.document()
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Type", "application/json")
	_, _ = c.W.Write(document)
	return nil
}

// root is GET / (zun/api/controllers/root.py).
func root(c *rest.Call) error {
	v1 := view.APIVersion{
		ID: "v1", Status: "CURRENT", MaxVersion: rest.MaxVersion.String(), MinVersion: rest.MinVersion.String(),
		Links: []view.Link{{Href: c.Base() + "/v1/", Rel: "self"}},
	}
	return c.JSON(http.StatusOK, view.Root{
		Name: "OpenStack Zun API", Description: "Zun is an OpenStack project which aims to provide containers service. " +
			"This is capsulet, which speaks its API.",
		Versions: []view.APIVersion{v1}, DefaultVersion: v1, Capsulet: extensions,
	})
}

// v1 is GET /v1 (zun/api/controllers/v1/__init__.py); it names the resources that are served here.
func (d *described) v1(c *rest.Call) error {
	body := map[string]any{
		"id":          "v1",
		"media_types": []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.zun.v1+json"}},
		"links": []any{link(c.Base()+"/v1/", "self"), map[string]any{
			"href": "https://docs.openstack.org/developer/zun/dev/api-spec-v1.html", "rel": "describedby", "type": "text/html"}},
		"capsulet": extensions,
	}
	for _, resource := range d.resources {
		body[resource] = []any{link(c.Base()+"/v1/"+resource+"/", "self"), link(c.Base()+"/"+resource+"/", "bookmark")}
	}
	return c.JSON(http.StatusOK, body)
}

func link(href, rel string) view.Link { return view.Link{Href: href, Rel: rel} }

// healthcheck is oslo.middleware's.
func healthcheck(c *rest.Call) error {
	c.W.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	_, _ = c.W.Write([]byte("OK"))
	return nil
}
