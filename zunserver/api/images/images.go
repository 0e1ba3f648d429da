package images

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// The actions of this resource.
const (
	actionList   auth.Action = "image:get_all"
	actionGet    auth.Action = "image:get_one"
	actionPull   auth.Action = "image:pull"
	actionDelete auth.Action = "image:delete"
	actionSearch auth.Action = "image:search"
)

var keys = map[string]func(*capsule.HostImage) string{
	"id":       func(i *capsule.HostImage) string { return i.Host + "/" + i.Repo + "/" + i.Tag },
	"uuid":     func(i *capsule.HostImage) string { return i.UUID },
	"repo":     func(i *capsule.HostImage) string { return i.Repo },
	"tag":      func(i *capsule.HostImage) string { return i.Tag },
	"host":     func(i *capsule.HostImage) string { return i.Host },
	"image_id": func(i *capsule.HostImage) string { return i.ImageID },
	"size":     func(i *capsule.HostImage) string { return fmt.Sprintf("%020d", i.SizeBytes) },
}

// list is GET /v1/images.
func (r *Resource) list(c *rest.Call) error {
	if err := auth.Allowed(actionList, c.Caller, ""); err != nil {
		return rest.NotAllowed(actionList)
	}
	all, err := r.known(c.R.Context())
	if err != nil {
		return err
	}
	cut, next, err := rest.Paged(c, all, keys, func(i *capsule.HostImage) string { return i.UUID })
	if err != nil {
		return err
	}
	p := page{Images: make([]view.Image, 0, len(cut))}
	for _, i := range cut {
		p.Images = append(p.Images, view.OfImage(i, c.Base()))
	}
	p.Next = next
	return c.JSON(http.StatusOK, p)
}

// find is the image of the path, by UUID.
func (r *Resource) find(c *rest.Call, action auth.Action) (*capsule.HostImage, error) {
	if err := auth.Allowed(action, c.Caller, ""); err != nil {
		return nil, rest.NotAllowed(action)
	}
	all, err := r.known(c.R.Context())
	if err != nil {
		return nil, err
	}
	id := c.R.PathValue("id")
	i := slices.IndexFunc(all, func(i *capsule.HostImage) bool { return strings.EqualFold(i.UUID, id) })
	if i < 0 {
		return nil, rest.Refuse(http.StatusNotFound, "image-not-found", "Image %.255s could not be found.", id)
	}
	return all[i], nil
}

// get is GET /v1/images/{id}.
func (r *Resource) get(c *rest.Call) error {
	i, err := r.find(c, actionGet)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, view.OfImage(i, c.Base()))
}

// remove is DELETE /v1/images/{id}: it is gone when this is answered.
func (r *Resource) remove(c *rest.Call) error {
	i, err := r.find(c, actionDelete)
	if err != nil {
		return err
	}
	err = r.Hosts.RemoveImage(c.R.Context(), i.Host, i.Ref())
	if errdefs.IsFailedPrecondition(err) || errdefs.IsConflict(err) {
		return rest.Refuse(http.StatusConflict, "conflict", "Image %s on host %s is in use.", i.Ref(), i.Host)
	}
	if err != nil {
		return fmt.Errorf("delete image %s of host %s: %w", i.Ref(), i.Host, err)
	}
	if err := r.Table.Remove(c.R.Context(), key(i.Host, i.UUID)); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	c.W.WriteHeader(http.StatusNoContent)
	return nil
}

// key is where the record of an image is.
func key(host, id string) string { return host + "/" + id }

// pull is POST /v1/images: it is accepted, and what becomes of it is shown with the image.
func (r *Resource) pull(c *rest.Call) error {
	if err := auth.Allowed(actionPull, c.Caller, ""); err != nil {
		return rest.NotAllowed(actionPull)
	}
	var b pullBody
	if err := c.Decode(&b); err != nil {
		return err
	}
	asked, err := r.read(c, &b)
	if err != nil {
		return err
	}
	logins, err := r.Registries.Logins(c.R.Context(), c.Caller.Project)
	if err != nil {
		return err
	}
	asked.Credentials = logins(asked.Ref())
	_, err = r.Table.Change(c.R.Context(), key(asked.Host, asked.UUID), func(i *capsule.HostImage, _ bool) error {
		*i = *asked
		return nil
	})
	if err != nil {
		return err
	}
	r.Hosts.Pulls(asked.Host)
	c.W.Header().Set("Location", c.Base()+"/v1/images/"+asked.UUID)
	return c.JSON(http.StatusAccepted, view.OfImage(asked, c.Base()))
}

// read checks a body.
func (r *Resource) read(c *rest.Call, b *pullBody) (*capsule.HostImage, error) {
	for name, value := range map[string]*string{"repo": b.Repo, "host": b.Host} {
		if value == nil {
			return nil, rest.Refuse(http.StatusBadRequest, "schema-validation-error", "'%s' is a required property", name)
		}
		if n := len(*value); n < 2 || n > 255 {
			return nil, rest.InvalidField(name, "'%.80s' has fewer than 2 or more than 255 bytes", *value)
		}
	}
	ref := *b.Repo
	if b.Tag != nil && *b.Tag != "" {
		ref = capsule.ImageRef(ref, *b.Tag)
	}
	repo, tag, err := split(ref)
	if err != nil {
		return nil, rest.InvalidField("repo", "'%.255s' is not the name of an image: %s", ref, err)
	}
	asked := &capsule.HostImage{Repo: repo, Tag: tag, Project: c.Caller.Project, User: c.Caller.User, AskedAt: r.Now().UTC()}
	if b.ImagePullPolicy != nil {
		if asked.Policy = strings.ToLower(*b.ImagePullPolicy); !slices.Contains([]string{"never", "always", "ifnotpresent"}, asked.Policy) {
			return nil, rest.InvalidField("image_pull_policy", "'%.40s' is not one of ['never', 'always', 'ifnotpresent']", *b.ImagePullPolicy)
		}
	}
	hosts, _, err := r.Records.Hosts(c.R.Context())
	if err != nil {
		return nil, fmt.Errorf("look for the host: %w", err)
	}
	i := slices.IndexFunc(hosts, func(h capsule.Host) bool { return h.Name == *b.Host || strings.EqualFold(h.UUID, *b.Host) })
	if i < 0 {
		return nil, rest.InvalidValue("The host %.255s does not exist.", *b.Host)
	}
	asked.Host = hosts[i].Name
	asked.UUID = capsule.ImageUUID(asked.Host, repo, tag)
	return asked, nil
}
