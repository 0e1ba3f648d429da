package api

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// maxPage is the size of a page that the caller does not limit, and of the largest ([api]max_limit of Zun).
const maxPage = 1000

// paged sorts the items and cuts a page out of them as the query says (zun/api/utils.py, validate_limit). next is the URL of
// the next page, or nil. Callers of the native form get everything unless they ask for less.
func paged[T any](c *call, items []T, keys map[string]func(T) string, id func(T) string) (page []T, next any, err error) {
	q := c.r.URL.Query()
	limit, given, err := c.number("limit", 1)
	if err != nil {
		return nil, nil, invalidValue("Limit must be positive integer")
	}
	if !given || limit > maxPage {
		limit = maxPage
	}
	if c.native && !given {
		limit = int64(len(items))
	}
	sortKey, sortDir := cmp.Or(q.Get("sort_key"), "id"), cmp.Or(q.Get("sort_dir"), "asc")
	if sortDir != "asc" && sortDir != "desc" {
		return nil, nil, invalidValue("Invalid sort direction: %.64s. Acceptable values are 'asc' or 'desc'", sortDir)
	}
	key, ok := keys[sortKey]
	if !ok {
		return nil, nil, &refusal{http.StatusBadRequest, "invalid-parameter-value",
			fmt.Sprintf("The sort_key value \"%.64s\" is an invalid field for sorting", sortKey)}
	}
	slices.SortFunc(items, func(x, y T) int {
		order := cmp.Or(cmp.Compare(key(x), key(y)), cmp.Compare(id(x), id(y)))
		if sortDir == "desc" {
			return -order
		}
		return order
	})
	if marker := q.Get("marker"); marker != "" {
		at := slices.IndexFunc(items, func(x T) bool { return id(x) == marker })
		if at < 0 {
			return nil, nil, notFound(marker)
		}
		items = items[at+1:]
	}
	if int64(len(items)) <= limit {
		return items, nil, nil
	}
	page = items[:limit]
	follow := url.Values{"limit": {strconv.FormatInt(limit, 10)}, "marker": {id(page[limit-1])},
		"sort_key": {sortKey}, "sort_dir": {sortDir}}
	if all := q.Get("all_projects"); all != "" {
		follow.Set("all_projects", all)
	}
	return page, c.base() + c.r.URL.Path + "?" + follow.Encode(), nil
}

// sortable is a time as text whose order is that of time.
func sortable(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000") }
