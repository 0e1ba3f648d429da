package capsules

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

// createCapsule is POST /v1/capsules.
func (r *Resource) createCapsule(c *rest.Call) error {
	if err := auth.Allowed(auth.CapsuleCreate, c.Caller, c.Caller.Project); err != nil {
		return rest.NotAllowed(auth.CapsuleCreate)
	}
	spec, uid, err := r.readSpec(c)
	if err != nil {
		return err
	}
	if err := refusePowers(c, &spec); err != nil {
		return err
	}
	if uid == "" {
		uid = uuid.NewString()
	}
	giveUUIDs(spec.InitContainers, uid)
	giveUUIDs(spec.Containers, uid)
	giveUUIDs(spec.EphemeralContainers, uid)
	made, err := r.Backend.CreateCapsule(c.R.Context(), &capsule.Capsule{
		UUID: uid, Project: c.Caller.Project, User: c.Caller.User, Spec: spec, CreatedAt: r.Now().UTC(),
	})
	if errdefs.IsAlreadyExists(err) {
		return rest.Refuse(http.StatusConflict, "container-already-exists", "A container with UUID %s already exists.", uid)
	}
	if err != nil {
		return fmt.Errorf("create capsule %s: %w", uid, err)
	}
	c.W.Header().Set("Location", c.Base()+"/v1/capsules/"+uid)
	return c.JSON(http.StatusAccepted, r.show(c, made))
}

// readSpec reads the capsule that a request asks for, and the UUID that it names, if it does. In place of a template there may be
// the manifest of a Pod.
func (r *Resource) readSpec(c *rest.Call) (spec capsule.Spec, uid string, err error) {
	body, err := c.Body()
	if err != nil {
		return spec, "", err
	}
	doc, err := template.Unwrap(body)
	if err != nil {
		return spec, "", err
	}
	kind, manifest, err := template.Kind(doc)
	switch {
	case err != nil:
		return spec, "", err
	case kind != "Pod":
		return template.ParseWith(doc, r.Templates)
	case r.FromPod == nil:
		return spec, "", rest.InvalidField("kind", "This server makes no capsules of Pods")
	default:
		return r.FromPod(manifest)
	}
}

// giveUUIDs names the containers for Zun's clients; the same capsule gets the same ones.
// giveUUIDs fills in what of containers is the server's.
func giveUUIDs(list []capsule.ContainerSpec, capsuleUUID string) {
	for i := range list {
		list[i].Definition = 0
		list[i].UUID = uuid.NewSHA1(uuid.MustParse(capsuleUUID), []byte(list[i].Name)).String()
	}
}

// show is the capsule in the form that the caller asked for.
func (r *Resource) show(c *rest.Call, one *capsule.Capsule) any {
	if c.Native {
		return view.Native(one)
	}
	return view.Capsule(one, view.For(c, r.Now()))
}

// getCapsule is GET /v1/capsules/{id}.
func (r *Resource) getCapsule(c *rest.Call) error {
	if c.Native && c.R.PathValue("id") == "stats" {
		return r.stats(c) // native clients know capsules by UUID; for Zun's, one may be called so
	}
	if _, err := rest.AllProjects(c, "capsule:get_one_all_projects"); err != nil {
		return err
	}
	one, err := r.find(c, auth.CapsuleGet)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, r.show(c, one))
}

// deleteCapsule is DELETE /v1/capsules/{id}; it only asks for the end (Zun: asynchronous since 1.32). force, which is ours,
// gives up a capsule whose host is away.
func (r *Resource) deleteCapsule(c *rest.Call) error {
	if _, err := rest.AllProjects(c, "capsule:delete_all_projects"); err != nil {
		return err
	}
	one, err := r.find(c, auth.CapsuleDelete)
	if err != nil {
		return err
	}
	grace, given, err := c.Number("grace_period", 0)
	switch {
	case err != nil:
		return err
	case grace > 1<<31-1:
		return rest.InvalidValue("Invalid value for grace_period: %d is greater than the maximum of %d", grace, 1<<31-1)
	case !given:
		grace = one.Spec.Grace()
	}
	force, err := c.Flag("force")
	if err != nil {
		return err
	}
	if force && auth.Allowed(auth.CapsuleDeleteForce, c.Caller, one.Project) != nil {
		return rest.NotAllowed(auth.CapsuleDeleteForce)
	}
	_, err = r.Backend.DeleteCapsule(c.R.Context(), one.UUID, capsule.Deletion{At: r.Now().UTC(), GraceSeconds: grace, Force: force})
	if errdefs.IsNotFound(err) {
		return rest.NotFound(c.R.PathValue("id"))
	}
	if err != nil {
		return fmt.Errorf("delete capsule %s: %w", one.UUID, err)
	}
	c.W.WriteHeader(http.StatusNoContent)
	return nil
}

// listCapsules is GET /v1/capsules.
func (r *Resource) listCapsules(c *rest.Call) error {
	watch, err := c.Flag("watch")
	if err != nil {
		return err
	}
	if watch {
		return r.watchCapsules(c)
	}
	visible, err := scope(c)
	if err != nil {
		return err
	}
	matches, err := labelled(c)
	if err != nil {
		return err
	}
	all, revision, err := r.Backend.Capsules(c.R.Context())
	if err != nil {
		return fmt.Errorf("list capsules: %w", err)
	}
	own := make([]*capsule.Capsule, 0, len(all))
	for _, one := range all {
		if visible(one) && matches(one) {
			own = append(own, one)
		}
	}
	page, next, err := rest.Paged(c, own, capsuleKeys, func(one *capsule.Capsule) string { return one.UUID })
	if err != nil {
		return err
	}
	if c.Native {
		return r.writePage(c, page, "revision", revision)
	}
	return r.writePage(c, page, "next", next)
}

// capsuleKeys are what capsules can be sorted by. Zun's id is the order of creation.
var capsuleKeys = map[string]func(*capsule.Capsule) string{
	"id":         func(c *capsule.Capsule) string { return rest.Sortable(c.CreatedAt) },
	"created_at": func(c *capsule.Capsule) string { return rest.Sortable(c.CreatedAt) },
	"updated_at": func(c *capsule.Capsule) string { return rest.Sortable(view.Updated(c)) },
	"uuid":       func(c *capsule.Capsule) string { return c.UUID },
	"name":       func(c *capsule.Capsule) string { return c.Spec.Name },
	"project_id": func(c *capsule.Capsule) string { return c.Project },
	"user_id":    func(c *capsule.Capsule) string { return c.User },
	"status":     (*capsule.Capsule).Status,
	"host":       func(c *capsule.Capsule) string { return strings.ToLower(c.Claim.Host) },
	"cpu":        func(c *capsule.Capsule) string { return fmt.Sprintf("%020d", c.Spec.CPU()) },
	"memory":     func(c *capsule.Capsule) string { return fmt.Sprintf("%020d", c.Spec.Memory()) },
}
