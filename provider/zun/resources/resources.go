// Package resources is the rest of Zun's API: containers, sandboxes, images, hosts, services, availability zones, networks, quotas and
// registries, as JSON of the newest microversion, so that it works with capsulet's server and with an upstream Zun.
//
// The types are the wire's, field by field (zun/api/controllers/v1/views); null is the zero value. Errors have the classes of package zun.
package resources

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/provider/zun"
)

// Client calls the API. It is safe for concurrent use.
type Client struct{ api *zun.Client }

// Of makes a client of the API that api reaches.
func Of(api *zun.Client) Client { return Client{api} }

// Query are parameters; empty values are left out.
type Query map[string]string

func (q Query) values() url.Values {
	v := url.Values{}
	for name, value := range q {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

// maxPages bounds a list: a server whose pages never end is broken.
const maxPages = 10_000

// list reads all pages. key is the property that has the items.
func list[T any](ctx context.Context, c Client, key string, path []string, q Query) ([]T, error) {
	what := "list " + strings.ReplaceAll(path[len(path)-1], "_", " ")
	all := []T{}
	query := q.values()
	for range maxPages {
		var page map[string]json.RawMessage
		if err := c.api.Do(ctx, what, http.MethodGet, path, query, nil, &page); err != nil {
			return nil, err
		}
		var items []T
		if err := json.Unmarshal(page[key], &items); err != nil {
			return nil, fmt.Errorf("%s: read the answer: %w", what, err)
		}
		all = append(all, items...)
		var next string
		_ = json.Unmarshal(page["next"], &next) // null, or not there, ends it
		// Only the query is taken: behind a proxy the address that the server knows need not be the one that leads there.
		u, err := url.Parse(next)
		if next == "" || err != nil || len(items) == 0 {
			return all, nil
		}
		query = u.Query()
	}
	return nil, fmt.Errorf("%s: more than %d pages: %w", what, maxPages, errdefs.ErrResourceExhausted)
}

func get[T any](ctx context.Context, c Client, what string, q Query, path ...string) (T, error) {
	var one T
	err := c.api.Do(ctx, what, http.MethodGet, path, q.values(), nil, &one)
	return one, err
}

func send[T any](ctx context.Context, c Client, what, method string, q Query, body any, path ...string) (T, error) {
	var one T
	err := c.api.Do(ctx, what, method, path, q.values(), body, &one)
	return one, err
}

// ask makes a request whose answer says nothing.
func (c Client) ask(ctx context.Context, what, method string, q Query, body any, path ...string) error {
	return c.api.Do(ctx, what, method, path, q.values(), body, nil)
}
