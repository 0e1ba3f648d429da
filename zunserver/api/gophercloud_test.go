package api_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/container/v1/capsules"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Gophercloud's own package works, all of it, below and above the change of the representation, with both service types.
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
	for _, version := range []string{"", "1.31", "1.32", "1.40"} {
		for _, service := range []string{"container", "application-container"} {
			t.Run(service+" "+version, func(t *testing.T) {
				w := newWorld(t)
				provider := &gophercloud.ProviderClient{TokenID: userToken}
				client := &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: w.url + "/v1/", Type: service, Microversion: version}
				opts := capsules.CreateOpts{TemplateOpts: &capsules.Template{}}
				opts.TemplateOpts.Bin = []byte(yaml)
				id := ""
				for range 3 {
					result := capsules.Create(t.Context(), client, opts)
					if result.Err != nil {
						t.Fatalf("create: %v", result.Err)
					}
					id = check(t, version, result)
				}
				w.runs(id)
				got := capsules.Get(t.Context(), client, id)
				if check(t, version, got); got.Err != nil {
					t.Fatalf("get: %v", got.Err)
				}
				list(t, client, version)
				if err := capsules.Delete(t.Context(), client, id).ExtractErr(); err != nil {
					t.Fatalf("delete: %v", err)
				}
				if w.all[id].Deletion == nil {
					t.Error("nothing was deleted")
				}
				for what, err := range map[string]error{
					"get": capsules.Get(t.Context(), client, "none").Err, "delete": capsules.Delete(t.Context(), client, "none").Err,
				} {
					if !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
						t.Errorf("%s what is not there: %v", what, err)
					}
				}
				opts.TemplateOpts = &capsules.Template{Bin: []byte(`{"kind":"pod"}`)}
				if err := capsules.Create(t.Context(), client, opts).Err; !gophercloud.ResponseCodeIs(err, http.StatusBadRequest) {
					t.Errorf("a template that is none: %v", err)
				}
			})
		}
	}
}

// runs gives a capsule the facts of one that runs.
func (w *world) runs(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	twin := *w.all[id]
	twin.Claim.Host = "h1"
	twin.Facts.Sandbox = capsule.Sandbox{ID: "s", Ready: true, Addresses: []string{"10.0.0.2"}}
	twin.Facts.Containers = []capsule.ContainerFacts{{Name: twin.Spec.Containers[0].Name, Run: &capsule.Run{ID: "r", StartedAt: w.now}}}
	w.all[id] = &twin
}

// list goes through the three capsules in every way that the package has.
func list(t *testing.T, client *gophercloud.ServiceClient, version string) {
	t.Helper()
	first, pages := []string(nil), 0
	err := capsules.List(client, capsules.ListOpts{Limit: 2, SortKey: "uuid", SortDir: "asc"}).EachPage(t.Context(), func(_ context.Context, p pagination.Page) (bool, error) {
		pages++
		uuids, err := extracted(p, version)
		first = append(first, uuids...)
		return true, err
	})
	if err != nil || len(first) != 3 || pages != 2 || !slices.IsSorted(first) {
		t.Fatalf("list: %v, %v in %d pages", err, first, pages)
	}
	for _, row := range []struct {
		opts capsules.ListOpts
		want []string
	}{
		{capsules.ListOpts{}, first}, {capsules.ListOpts{SortKey: "uuid", Marker: first[0]}, first[1:]},
		{capsules.ListOpts{SortKey: "uuid", Marker: first[2]}, nil}, {capsules.ListOpts{SortKey: "uuid", SortDir: "desc", Marker: first[1]}, first[:1]},
	} {
		page, err := capsules.List(client, row.opts).AllPages(t.Context())
		if err != nil {
			t.Fatalf("%+v: %v", row.opts, err)
		}
		got, err := extracted(page, version)
		slices.Sort(got)
		empty, err2 := page.IsEmpty()
		if err != nil || err2 != nil || !slices.Equal(got, row.want) || empty != (len(row.want) == 0) {
			t.Errorf("%+v: %v, empty %v, %v %v, want %v", row.opts, got, empty, err, err2, row.want)
		}
	}
	if _, err := capsules.List(client, capsules.ListOpts{AllProjects: true}).AllPages(t.Context()); !gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		t.Errorf("a user lists all projects: %v", err)
	}
}

// extracted are the UUIDs on a page, by both functions for the version.
func extracted(p pagination.Page, version string) (uuids []string, err error) {
	v, err := capsules.ExtractCapsules(p)
	if err != nil {
		return nil, err
	}
	var again []string
	if old(version) {
		all, err := capsules.ExtractCapsulesBase(p)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			again = append(again, c.UUID)
		}
	} else {
		all, err := capsules.ExtractCapsulesV132(p)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			again = append(again, c.UUID)
		}
	}
	switch all := v.(type) {
	case []capsules.Capsule:
		for _, c := range all {
			uuids = append(uuids, c.UUID)
		}
	case []capsules.CapsuleV132:
		for _, c := range all {
			uuids = append(uuids, c.UUID)
		}
	}
	if !slices.Equal(uuids, again) {
		return nil, fmt.Errorf("%v by one function, %v by the other", uuids, again)
	}
	return uuids, nil
}

// old says whether the representation is that before 1.32.
func old(version string) bool { return version == "" || version == "1.31" }

// result is what the package makes of an answer.
type result interface {
	Extract() (any, error)
	ExtractBase() (*capsules.Capsule, error)
	ExtractV132() (*capsules.CapsuleV132, error)
}

// check checks what gophercloud made of a capsule, by every function that fits the version, and returns its UUID.
func check(t *testing.T, version string, r result) string {
	t.Helper()
	v, err := r.Extract()
	if err != nil {
		t.Fatal(err)
	}
	if old(version) {
		c, err := r.ExtractBase()
		if err != nil || !reflect.DeepEqual(v, c) {
			t.Fatalf("%v: %+v, %+v", err, v, c)
		}
		if c.MetaName != "template" || c.MetaLabels["app"] != "web" || c.RestartPolicy != "always" || c.CPU != 1 || c.Memory != "1024" ||
			c.CreatedAt.IsZero() || c.ProjectID != "p1" || c.UserID != "u1" || len(c.Links) != 2 {
			t.Errorf("%+v", c)
		}
		checkInner(t, c.Status, c.Addresses, c.Containers)
		return c.UUID
	}
	c, err := r.ExtractV132()
	if err != nil || !reflect.DeepEqual(v, c) {
		t.Fatalf("%v: %+v, %+v", err, v, c)
	}
	if c.MetaName != "template" || c.MetaLabels["app"] != "web" || c.RestartPolicy["Name"] != "always" || c.CPU != 1 || c.Memory != "1024" ||
		c.CreatedAt.IsZero() || c.ProjectID != "p1" || c.UserID != "u1" || len(c.Links) != 2 {
		t.Errorf("%+v", c)
	}
	checkInner(t, c.Status, c.Addresses, c.Containers)
	return c.UUID
}

// checkInner checks what both representations have in common.
func checkInner(t *testing.T, status string, addresses map[string][]capsules.Address, containers []capsules.Container) {
	t.Helper()
	one := containers[0]
	if len(containers) != 1 || one.Environment["A"] != "b" || one.Ports[0] != 80 || one.Image != "web:1" || !slices.Equal(one.Command, []string{"sleep"}) || one.CreatedAt.IsZero() {
		t.Errorf("%+v", containers)
	}
	switch status {
	case capsule.StatusCreating:
	case capsule.StatusRunning:
		for _, list := range addresses {
			if len(list) != 1 || list[0].Addr != "10.0.0.2" || list[0].Version != 4 {
				t.Errorf("%+v", addresses)
			}
		}
		if len(addresses) != 1 || one.Status != status || one.StatusDetail == "" {
			t.Errorf("%+v, %+v", addresses, one)
		}
	default:
		t.Errorf("status %s", status)
	}
}
