package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

// createCapsule is POST /v1/capsules.
func (a *api) createCapsule(c *call) error {
	if err := auth.Allowed(auth.CapsuleCreate, c.caller, c.caller.Project); err != nil {
		return notAllowed(auth.CapsuleCreate)
	}
	body, err := readJSON(c.r)
	if err != nil {
		return err
	}
	doc, err := template.Unwrap(body)
	if err != nil {
		return err
	}
	spec, uid, err := template.Parse(doc)
	if err != nil {
		return err
	}
	if power := powerOverHost(&spec); power != "" && !c.caller.Admin {
		return notAllowed(auth.Action("capsule:create:" + power))
	}
	if uid == "" {
		uid = uuid.NewString()
	}
	giveUUIDs(spec.InitContainers, uid)
	giveUUIDs(spec.Containers, uid)
	giveUUIDs(spec.EphemeralContainers, uid)
	made, err := a.Capsules.CreateCapsule(c.r.Context(), &capsule.Capsule{
		UUID: uid, Project: c.caller.Project, User: c.caller.User, Spec: spec, CreatedAt: a.Now().UTC(),
	})
	if errdefs.IsAlreadyExists(err) {
		return &refusal{http.StatusConflict, "container-already-exists", fmt.Sprintf("A container with UUID %s already exists.", uid)}
	}
	if err != nil {
		return fmt.Errorf("create capsule %s: %w", uid, err)
	}
	c.w.Header().Set("Location", c.base()+"/v1/capsules/"+uid)
	return c.json(http.StatusAccepted, a.show(c, made))
}

// readJSON reads the body of a request that has to be JSON.
func readJSON(r *http.Request) ([]byte, error) {
	if sent := r.Header.Get("Content-Type"); sent != "" {
		if t, _, err := mime.ParseMediaType(sent); err != nil || t != "application/json" && t != nativeType {
			return nil, &refusal{http.StatusUnsupportedMediaType, "",
				fmt.Sprintf("The content type '%.64s' is not supported: send application/json", sent)}
		}
	}
	body, err := io.ReadAll(r.Body)
	var big *http.MaxBytesError
	if err != nil && !errors.As(err, &big) {
		return nil, invalidValue("The request body could not be read: %s", err)
	}
	return body, err
}

// giveUUIDs names the containers for Zun's clients; the same capsule gets the same ones.
func giveUUIDs(list []capsule.ContainerSpec, capsuleUUID string) {
	for i := range list {
		list[i].UUID = uuid.NewSHA1(uuid.MustParse(capsuleUUID), []byte(list[i].Name)).String()
	}
}

// powerOverHost names something in the spec that gives power over the host; empty if there is nothing. Zun keeps
// create:privileged from everybody by default.
func powerOverHost(s *capsule.Spec) string {
	switch {
	case s.HostNetwork:
		return "hostNetwork"
	case s.HostPID:
		return "hostPID"
	case s.HostIPC:
		return "hostIPC"
	case s.SecurityContext != nil && s.SecurityContext.SELinuxOptions != nil:
		return "seLinuxOptions"
	case s.SecurityContext != nil && len(s.SecurityContext.Sysctls) > 0:
		return "sysctls"
	}
	for i := range s.Volumes {
		if s.Volumes[i].HostPath != nil {
			return "hostPath"
		}
	}
	for _, list := range [][]capsule.ContainerSpec{s.InitContainers, s.Containers, s.EphemeralContainers} {
		for i := range list {
			sc := list[i].SecurityContext
			switch {
			case sc == nil:
			case sc.SELinuxOptions != nil:
				return "seLinuxOptions"
			case sc.Privileged != nil && *sc.Privileged:
				return "privileged"
			case sc.Capabilities != nil && len(sc.Capabilities.Add) > 0:
				return "capabilities"
			case sc.ProcMount != nil && *sc.ProcMount == "Unmasked":
				return "procMount"
			case sc.SeccompProfile != nil && sc.SeccompProfile.Type == "Unconfined":
				return "seccompProfile"
			}
		}
	}
	if p := s.SecurityContext; p != nil && p.SeccompProfile != nil && p.SeccompProfile.Type == "Unconfined" {
		return "seccompProfile"
	}
	return ""
}

// show is the capsule in the form that the caller asked for.
func (a *api) show(c *call, one *capsule.Capsule) any {
	if c.native {
		return view.Native(one)
	}
	return view.Capsule(one, view.Options{
		Base: c.base(), Old: c.version.before(version{1, 32}), Admin: c.caller.Admin, Now: a.Now(),
	})
}

// getCapsule is GET /v1/capsules/{id}.
func (a *api) getCapsule(c *call) error {
	if c.native && c.r.PathValue("id") == "stats" {
		return a.stats(c) // native clients know capsules by UUID; for Zun's, one may be called so
	}
	one, err := a.find(c, auth.CapsuleGet)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, a.show(c, one))
}

// deleteCapsule is DELETE /v1/capsules/{id}; it only asks for the end (Zun: asynchronous since 1.32).
func (a *api) deleteCapsule(c *call) error {
	one, err := a.find(c, auth.CapsuleDelete)
	if err != nil {
		return err
	}
	grace, given, err := c.number("grace_period", 0)
	switch {
	case err != nil:
		return err
	case grace > 1<<31-1:
		return invalidValue("Invalid value for grace_period: %d is greater than the maximum of %d", grace, 1<<31-1)
	case !given:
		grace = one.Spec.Grace()
	}
	_, err = a.Capsules.DeleteCapsule(c.r.Context(), one.UUID, capsule.Deletion{At: a.Now().UTC(), GraceSeconds: grace})
	if errdefs.IsNotFound(err) {
		return notFound(c.r.PathValue("id"))
	}
	if err != nil {
		return fmt.Errorf("delete capsule %s: %w", one.UUID, err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// find looks the path's {id} up, which is a UUID or a name. What the caller may not see is not found.
func (a *api) find(c *call, action auth.Action) (*capsule.Capsule, error) {
	ident := c.r.PathValue("id")
	if id, err := uuid.Parse(ident); err == nil && len(ident) == 36 {
		one, err := a.Capsules.Capsule(c.r.Context(), id.String())
		if errdefs.IsNotFound(err) {
			return nil, notFound(ident)
		}
		if err != nil {
			return nil, fmt.Errorf("get capsule %s: %w", id, err)
		}
		if auth.Allowed(action, c.caller, one.Project) != nil {
			return nil, notFound(ident)
		}
		return one, nil
	}
	return a.findByName(c.r.Context(), c.caller, action, ident)
}

func (a *api) findByName(ctx context.Context, caller auth.Identity, action auth.Action, name string) (*capsule.Capsule, error) {
	all, _, err := a.Capsules.Capsules(ctx)
	if err != nil {
		return nil, fmt.Errorf("find capsule %.255s: %w", name, err)
	}
	var found []*capsule.Capsule
	for _, one := range all {
		if one.Spec.Name == name && auth.Allowed(action, caller, one.Project) == nil {
			found = append(found, one)
		}
	}
	switch len(found) {
	case 0:
		return nil, notFound(name)
	case 1:
		return found[0], nil
	default:
		return nil, &refusal{http.StatusConflict, "conflict",
			"Multiple containers exist with same name. Please use the container uuid instead."}
	}
}

// scope says which projects' capsules a list or a watch shows: the caller's own, or with all_projects everybody's.
func (c *call) scope() (visible func(*capsule.Capsule) bool, err error) {
	if err := auth.Allowed(auth.CapsuleGetAll, c.caller, c.caller.Project); err != nil {
		return nil, notAllowed(auth.CapsuleGetAll)
	}
	everything, err := c.flag("all_projects")
	if err != nil {
		return nil, err
	}
	if !everything {
		return func(one *capsule.Capsule) bool { return one.Project == c.caller.Project }, nil
	}
	if err := auth.Allowed(auth.CapsuleAllProject, c.caller, ""); err != nil {
		return nil, notAllowed(auth.CapsuleAllProject)
	}
	return func(*capsule.Capsule) bool { return true }, nil
}

// listCapsules is GET /v1/capsules.
func (a *api) listCapsules(c *call) error {
	watch, err := c.flag("watch")
	if err != nil {
		return err
	}
	if watch {
		return a.watchCapsules(c)
	}
	visible, err := c.scope()
	if err != nil {
		return err
	}
	all, revision, err := a.Capsules.Capsules(c.r.Context())
	if err != nil {
		return fmt.Errorf("list capsules: %w", err)
	}
	own := make([]*capsule.Capsule, 0, len(all))
	for _, one := range all {
		if visible(one) {
			own = append(own, one)
		}
	}
	page, next, err := paged(c, own, capsuleKeys, func(one *capsule.Capsule) string { return one.UUID })
	if err != nil {
		return err
	}
	shown := make([]any, 0, len(page))
	for _, one := range page {
		shown = append(shown, a.show(c, one))
	}
	if c.native {
		return c.json(http.StatusOK, map[string]any{"capsules": shown, "revision": revision})
	}
	return c.json(http.StatusOK, map[string]any{"capsules": shown, "next": next})
}

// capsuleKeys are what capsules can be sorted by. Zun's id is the order of creation.
var capsuleKeys = map[string]func(*capsule.Capsule) string{
	"id":         func(c *capsule.Capsule) string { return sortable(c.CreatedAt) },
	"created_at": func(c *capsule.Capsule) string { return sortable(c.CreatedAt) },
	"updated_at": func(c *capsule.Capsule) string { return sortable(view.Updated(c)) },
	"uuid":       func(c *capsule.Capsule) string { return c.UUID },
	"name":       func(c *capsule.Capsule) string { return c.Spec.Name },
	"project_id": func(c *capsule.Capsule) string { return c.Project },
	"user_id":    func(c *capsule.Capsule) string { return c.User },
	"status":     (*capsule.Capsule).Status,
	"host":       func(c *capsule.Capsule) string { return strings.ToLower(c.Claim.Host) },
	"cpu":        func(c *capsule.Capsule) string { return fmt.Sprintf("%020d", c.Spec.CPU()) },
	"memory":     func(c *capsule.Capsule) string { return fmt.Sprintf("%020d", c.Spec.Memory()) },
}
