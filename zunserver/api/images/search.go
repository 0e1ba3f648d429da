package images

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// search is GET /v1/images/{image}/search.
func (r *Resource) search(c *rest.Call) error {
	if err := auth.Allowed(actionSearch, c.Caller, c.Caller.Project); err != nil {
		return rest.NotAllowed(actionSearch)
	}
	for name := range c.R.URL.Query() {
		if name != "image_driver" && name != "exact_match" {
			return rest.Refuse(http.StatusBadRequest, "schema-validation-error",
				"Additional properties are not allowed ('%.64s' was unexpected)", name)
		}
	}
	switch driver := c.R.URL.Query().Get("image_driver"); driver {
	case "", "None", "docker":
	case "glance":
		return rest.InvalidField("image_driver", "there is no Glance here, only docker")
	default:
		return rest.InvalidField("image_driver", "'%.64s' is not one of ['docker']", driver)
	}
	exact, err := c.Flag("exact_match")
	if err != nil {
		return err
	}
	var parts []string
	for _, p := range []string{"a", "b", "c"} {
		if v := c.R.PathValue(p); v != "" {
			parts = append(parts, v)
		}
	}
	mine, err := r.visible(c)
	if err != nil {
		return err
	}
	all, err := r.known(c.R.Context())
	if err != nil {
		return err
	}
	word := strings.Join(parts, "/")
	if repo, _, err := split(word); err == nil { // Zun drops the tag, too (zun/compute/manager.py, image_search)
		word = repo
	}
	return c.JSON(http.StatusOK, matches(all, word, exact, mine))
}

// visible says which images the caller may hear of: an administrator of all; others of those that their project uses or has
// pulled, whose names they know.
func (r *Resource) visible(c *rest.Call) (func(*capsule.HostImage) bool, error) {
	if c.Caller.Admin {
		return func(*capsule.HostImage) bool { return true }, nil
	}
	all, _, err := r.Records.Capsules(c.R.Context())
	if err != nil {
		return nil, fmt.Errorf("look for the project's images: %w", err)
	}
	used := map[string]bool{}
	for _, one := range all {
		if one.Project != c.Caller.Project {
			continue
		}
		for _, list := range [][]capsule.ContainerSpec{one.Spec.InitContainers, one.Spec.Containers, one.Spec.EphemeralContainers} {
			for i := range list {
				if repo, tag, err := split(list[i].Image); err == nil {
					used[repo+" "+tag] = true
				}
			}
		}
	}
	return func(i *capsule.HostImage) bool { return i.Project == c.Caller.Project || used[i.Repo+" "+i.Tag] }, nil
}

// matches puts the images that hosts have under their names, each once.
func matches(all []*capsule.HostImage, word string, exact bool, visible func(*capsule.HostImage) bool) []view.ImageMatch {
	word = strings.ToLower(word)
	found := map[string]*view.ImageMatch{}
	for _, i := range all {
		name := strings.ToLower(i.Repo)
		if i.ImageID == "" || !visible(i) || exact && name != word || !strings.Contains(name, word) {
			continue
		}
		m := found[i.Repo]
		if m == nil {
			m = &view.ImageMatch{ID: i.ImageID, Name: i.Repo, Status: "active", Size: i.SizeBytes, Metadata: map[string]string{}}
			found[i.Repo] = m
		}
		if !slices.Contains(m.Tags, i.Tag) {
			m.Tags = append(m.Tags, i.Tag)
		}
	}
	list := make([]view.ImageMatch, 0, len(found))
	for _, m := range found {
		slices.Sort(m.Tags)
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b view.ImageMatch) int { return strings.Compare(a.Name, b.Name) })
	return list
}
