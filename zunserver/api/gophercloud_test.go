package api_test

import (
	"context"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/container/v1/capsules"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// Gophercloud's own package works, below and above the change of the representation, with both service types.
func TestGophercloud(t *testing.T) {
	const yaml = `
capsuleVersion: beta
kind: capsule
metadata:
  name: template
  labels: {app: web}
restartPolicy: Always
spec:
  containers:
  - image: web:1
    command: [sleep]
    env: {A: b}
    ports: [{containerPort: 80}]
    resources: {requests: {cpu: 1, memory: 1024}}
`
	for _, version := range []string{"1.31", "1.32"} {
		for _, service := range []string{"container", "application-container"} {
			t.Run(service+" "+version, func(t *testing.T) {
				w := newWorld(t)
				provider := &gophercloud.ProviderClient{TokenID: userToken}
				client := &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: w.url + "/v1/", Type: service, Microversion: version}
				opts := capsules.CreateOpts{TemplateOpts: &capsules.Template{}}
				opts.TemplateOpts.Bin = []byte(yaml)
				id := ""
				for range 3 {
					made, err := capsules.Create(t.Context(), client, opts).Extract()
					if err != nil {
						t.Fatalf("create: %v", err)
					}
					id = check(t, version, made)
				}
				got, err := capsules.Get(t.Context(), client, id).Extract()
				if err != nil {
					t.Fatalf("get: %v", err)
				}
				check(t, version, got)
				n, pages := 0, 0
				err = capsules.List(client, capsules.ListOpts{Limit: 2}).EachPage(t.Context(), func(_ context.Context, p pagination.Page) (bool, error) {
					pages++
					all, err := capsules.ExtractCapsules(p)
					switch all := all.(type) {
					case []capsules.Capsule:
						n += len(all)
					case []capsules.CapsuleV132:
						n += len(all)
					}
					return true, err
				})
				if err != nil || n != 3 || pages != 2 {
					t.Fatalf("list: %v, %d in %d pages", err, n, pages)
				}
				if err := capsules.Delete(t.Context(), client, id).ExtractErr(); err != nil {
					t.Fatalf("delete: %v", err)
				}
				if w.all[id].Deletion == nil {
					t.Error("nothing was deleted")
				}
			})
		}
	}
}

// check checks what gophercloud made of a capsule, and returns its UUID.
func check(t *testing.T, version string, v any) string {
	t.Helper()
	switch c := v.(type) {
	case *capsules.Capsule:
		if version != "1.31" || c.MetaName != "template" || c.MetaLabels["app"] != "web" || c.RestartPolicy != "always" ||
			c.CPU != 1 || c.Memory != "1024" || c.CreatedAt.IsZero() || c.Containers[0].Environment["A"] != "b" {
			t.Errorf("%+v", c)
		}
		return c.UUID
	case *capsules.CapsuleV132:
		if version != "1.32" || c.MetaName != "template" || c.MetaLabels["app"] != "web" || c.RestartPolicy["Name"] != "always" ||
			c.CPU != 1 || c.Memory != "1024" || c.CreatedAt.IsZero() || c.Containers[0].Ports[0] != 80 {
			t.Errorf("%+v", c)
		}
		return c.UUID
	default:
		t.Fatalf("%T", v)
		return ""
	}
}
