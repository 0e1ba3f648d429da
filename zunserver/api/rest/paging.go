package rest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/capsulet/capsulet/zunserver/auth"
)

// maxPage is the size of a page that the caller does not limit, and of the largest ([api]max_limit of Zun).
const maxPage = 1000

// PageQuery are the parameters of a list, for the OpenAPI document.
type PageQuery struct {
	Limit       int64  `query:"limit" minimum:"1" description:"items of a page, at most 1000"`
	Marker      string `query:"marker" description:"UUID of the last item of the page before"`
	SortKey     string `query:"sort_key" description:"default id, the order of creation"`
	SortDir     string `query:"sort_dir" enum:"asc,desc"`
	AllProjects string `query:"all_projects" description:"true: of all projects, for administrators"`
}

// AllProjects reads the parameter all_projects, which needs the right to action.
func AllProjects(c *Call, action auth.Action) (bool, error) {
	everything, err := c.Flag("all_projects")
	if err != nil || !everything {
		return false, err
	}
	if auth.Allowed(action, c.Caller, "") != nil {
		return false, NotAllowed(action)
	}
	return true, nil
}

// Paged sorts the items and cuts a page out of them as the query says (zun/api/utils.py, validate_limit). next is the URL of
// the next page, or nil. Callers of the native form get everything unless they ask for less.
func Paged[T any](c *Call, items []T, keys map[string]func(T) string, id func(T) string) (page []T, next *string, err error) {
	q := c.R.URL.Query()
	limit, given, err := c.Number("limit", 1)
	if err != nil {
		return nil, nil, InvalidValue("Limit must be positive integer")
	}
	if !given || limit > maxPage {
		limit = maxPage
	}
	if c.Native && !given {
		limit = int64(len(items))
	}
	sortKey, sortDir := cmp.Or(q.Get("sort_key"), "id"), cmp.Or(q.Get("sort_dir"), "asc")
	if sortDir != "asc" && sortDir != "desc" {
		return nil, nil, InvalidValue("Invalid sort direction: %.64s. Acceptable values are 'asc' or 'desc'", sortDir)
	}
	key, ok := keys[sortKey]
	if !ok {
		return nil, nil, Refuse(http.StatusBadRequest, "invalid-parameter-value", "The sort_key value \"%.64s\" is an invalid field for sorting", sortKey)
	}
	sortBy(items, key, id, sortDir == "desc")
	if marker := q.Get("marker"); marker != "" {
		at := slices.IndexFunc(items, func(x T) bool { return id(x) == marker })
		if at < 0 {
			return nil, nil, NotFound(marker)
		}
		items = items[at+1:]
	}
	if int64(len(items)) <= limit {
		return items, nil, nil
	}
	page = items[:limit]
	follow := q // filters go on
	follow.Set("limit", strconv.FormatInt(limit, 10))
	follow.Set("marker", id(page[limit-1]))
	follow.Set("sort_key", sortKey)
	follow.Set("sort_dir", sortDir)
	url := c.Base() + c.R.URL.Path + "?" + follow.Encode()
	return page, &url, nil
}

// Sortable is a time as text whose order is that of time.
func Sortable(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000") }

// sortBy sorts by keys, which are made once for each item, and then by ids.
func sortBy[T any](items []T, key, id func(T) string, descending bool) {
	type keyed struct {
		key, id string
		item    T
	}
	all := make([]keyed, len(items))
	for i, x := range items {
		all[i] = keyed{key(x), id(x), x}
	}
	slices.SortFunc(all, func(x, y keyed) int {
		order := cmp.Or(strings.Compare(x.key, y.key), strings.Compare(x.id, y.id))
		if descending {
			return -order
		}
		return order
	})
	for i := range all {
		items[i] = all[i].item
	}
}
