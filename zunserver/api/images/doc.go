// Package images is the resource /v1/images: the images of the hosts (zun/api/controllers/v1/images.py).
//
//	images.go  list, get, pull, delete     search.go  find by name     known.go  what is there and what is asked for
//
// What is shown is what the hosts have, and the pulls that were asked for. A pull is a record: the agent of the host carries it
// out and writes what became of it, so that it survives restarts of the server. An image on a host has one UUID, however it came
// there.
//
// Decisions (2026-11-26): hosts are asked as somebody lists, for a few seconds; of one that does not answer only the records are
// shown. Zun searches Docker Hub, which servers of capsulet may not reach: the search here is for images that the hosts have,
// and for callers who are no administrators for those among them that their project uses or has pulled. The image driver is docker;
// there is no Glance.
package images

import (
	"context"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// Table keeps the pulls that were asked for by host and UUID; *store.Table says what each method does.
type Table interface {
	List(ctx context.Context, prefix string) ([]store.Record[capsule.HostImage], error)
	Change(ctx context.Context, key string, change func(*capsule.HostImage, bool) error) (store.Record[capsule.HostImage], error)
	Remove(ctx context.Context, key string) error
}

// Hosts reach into hosts.
type Hosts interface {
	// Images are what a host has; Unavailable when it does not answer.
	Images(ctx context.Context, host string) ([]capsule.Image, error)
	// RemoveImage deletes a reference; nil when it is gone already. FailedPrecondition: a container is made of it.
	RemoveImage(ctx context.Context, host, ref string) error
	// Pulls says that there is something new in the table for a host.
	Pulls(host string)
}

// Records are the hosts, and the capsules that use images.
type Records interface {
	Hosts(ctx context.Context) ([]capsule.Host, int64, error)
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
}

// Registries finds the logins of a project for an image.
type Registries interface {
	Logins(ctx context.Context, project string) (func(image string) []capsule.Credential, error)
}

// Resource serves images. All of it is required.
type Resource struct {
	Table      Table
	Hosts      Hosts
	Records    Records
	Registries Registries
	Now        func() time.Time
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	found := rest.Doc{Summary: "Find images that hosts have.", Query: searchQuery{}, Answers: map[int]any{200: []view.ImageMatch{}}}
	return []rest.Route{
		{Method: "GET", Path: "/v1/images", Serve: r.list, Doc: rest.Doc{
			Summary: "List the images of the hosts.", Query: pageQuery{}, Answers: map[int]any{200: page{}}}},
		{Method: "POST", Path: "/v1/images", Serve: r.pull, Doc: rest.Doc{
			Summary: "Pull an image onto a host.", Body: pullBody{}, Answers: map[int]any{202: view.Image{}}}},
		{Method: "GET", Path: "/v1/images/{id}", Serve: r.get, Doc: rest.Doc{
			Summary: "Show an image of a host.", Answers: map[int]any{200: view.Image{}}}},
		{Method: "DELETE", Path: "/v1/images/{id}", Serve: r.remove, Doc: rest.Doc{
			Summary: "Delete an image from its host.", Answers: map[int]any{204: nil}}},
		// Names of images have up to three parts.
		{Method: "GET", Path: "/v1/images/{c}/search", Serve: r.search, Doc: found},
		{Method: "GET", Path: "/v1/images/{b}/{c}/search", Serve: r.search, Doc: found},
		{Method: "GET", Path: "/v1/images/{a}/{b}/{c}/search", Serve: r.search, Doc: found},
	}
}

type page struct {
	Images []view.Image `json:"images"`
	Next   *string      `json:"next"`
}

type pageQuery struct {
	Limit   int    `query:"limit" description:"how many at most; 1000 if not given"`
	Marker  string `query:"marker" description:"the UUID that the page before ended with"`
	SortKey string `query:"sort_key" description:"id, uuid, repo, tag, host, image_id or size"`
	SortDir string `query:"sort_dir" description:"asc or desc"`
}

type searchQuery struct {
	ImageDriver string `query:"image_driver" description:"docker, which is the default"`
	ExactMatch  bool   `query:"exact_match" description:"the name is the image's whole name"`
}

// pullBody is the body of POST (zun/api/controllers/v1/schemas/images.py). image_id and size are what Zun takes and never uses.
type pullBody struct {
	Repo            *string `json:"repo"`
	Host            *string `json:"host"`
	Tag             *string `json:"tag,omitempty"`
	ImageID         *string `json:"image_id,omitempty"`
	Size            any     `json:"size,omitempty"`
	ImagePullPolicy *string `json:"image_pull_policy,omitempty"`
}
