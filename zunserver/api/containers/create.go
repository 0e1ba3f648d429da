package containers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/containers/creation"
	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

type createBody = creation.Body

type createQuery struct {
	Run bool `query:"run" description:"Start it as well."`
}

// create is POST /v1/containers.
func (r *Resource) create(c *rest.Call) error {
	if auth.Allowed("container:create", c.Caller, c.Caller.Project) != nil {
		return rest.NotAllowed("container:create")
	}
	if err := c.KnownOnly("run"); err != nil {
		return err
	}
	run, err := c.Flag("run")
	if err != nil {
		return err
	}
	var body createBody
	if err := c.Decode(&body); err != nil {
		return err
	}
	if err := tooNew(c, &body); err != nil {
		return err
	}
	wanted, err := creation.Parse(&body, !target.Since(c, 36) && target.Since(c, 20), r.SizedVolumes)
	if err != nil {
		return err
	}
	if err := r.admit(c, &body, wanted); err != nil {
		return err
	}
	if wanted.Name == "" {
		wanted.Name = creation.RandomName("container")
	}
	made, err := r.make(c, wanted, run)
	if err != nil {
		return err
	}
	r.recordWant(c, made, "create")
	c.W.Header().Set("Location", c.Base()+"/v1/containers/"+made.Spec().UUID)
	return c.JSON(http.StatusAccepted, r.shown(c, made))
}

// tooNew refuses what the caller's microversion does not have yet.
func tooNew(c *rest.Call, b *createBody) error {
	typed := false
	for _, m := range b.Mounts {
		typed = typed || m.Type != ""
	}
	for _, p := range []struct {
		name  string
		given bool
		minor int
	}{
		{"nets", len(b.Nets) > 0, 2}, {"auto_remove", b.AutoRemove != nil, 3}, {"runtime", b.Runtime != nil, 5},
		{"hostname", b.Hostname != nil, 9}, {"mounts", len(b.Mounts) > 0, 11}, {"privileged", b.Privileged != nil, 21},
		{"healthcheck", b.Healthcheck != nil, 22}, {"mounts.type", typed, 23}, {"exposed_ports", b.ExposedPorts != nil, 24},
		{"cpu_policy", b.CPUPolicy != nil, 28}, {"registry", b.Registry != nil, 31}, {"host", b.Host != nil, 39},
		{"entrypoint", b.Entrypoint != nil, 40},
	} {
		if p.given {
			if err := c.NewIn(p.name, rest.V(p.minor)); err != nil {
				return err
			}
		}
	}
	if _, text := b.Command.(string); text && target.Since(c, 20) {
		return rest.InvalidField("command", "Value: '%.64s'. It is not of type 'array', 'null'", b.Command)
	}
	if _, list := b.Command.([]any); list && !target.Since(c, 20) {
		return rest.InvalidField("command", "It is not of type 'string', 'null': a list is only supported from version 1.20")
	}
	return nil
}

// admit asks the policy for what needs more than to create a container, and looks up what the body names.
func (r *Resource) admit(c *rest.Call, b *createBody, wanted *creation.Container) error {
	sc := wanted.Spec.SecurityContext
	for _, p := range []struct {
		given  bool
		action auth.Action
	}{
		{b.Runtime != nil, "container:create:runtime"},
		{b.ImagePullPolicy != nil && *b.ImagePullPolicy != "", "container:create:image_pull_policy"},
		{sc != nil && sc.Privileged != nil, "container:create:privileged"},
		{wanted.Host != "", "container:create:requested_destination"},
	} {
		if p.given && auth.Allowed(p.action, c.Caller, "") != nil {
			return rest.NotAllowed(p.action)
		}
	}
	return r.resolve(c, wanted)
}

// resolve looks up what a body names; networks are looked up with the record.
func (r *Resource) resolve(c *rest.Call, wanted *creation.Container) error {
	if wanted.Registry != "" {
		login, id, err := r.Registries.Credential(c.R.Context(), c.Caller.Project, wanted.Registry)
		if err != nil {
			return err
		}
		wanted.Standalone.RegistryID = id
		wanted.Spec.PullCredentials = []capsule.Credential{login}
		if !domain(wanted.Spec.Image) { // zun/common/utils.py, parse_image_name
			wanted.Spec.Image = login.Server + "/" + wanted.Spec.Image
		}
	}
	if wanted.Host == "" {
		return nil
	}
	hosts, _, err := r.Hosts.Hosts(c.R.Context())
	if err != nil {
		return fmt.Errorf("look for host %s: %w", wanted.Host, err)
	}
	if !slices.ContainsFunc(hosts, func(h capsule.Host) bool { return h.Name == wanted.Host }) {
		return rest.Refuse(http.StatusNotFound, "requested-host-not-found", "Requested host %s could not be found.", wanted.Host)
	}
	wanted.Standalone.Host = wanted.Host
	return nil
}

// make writes the container into a record of its own, or into the one that it shall live in.
func (r *Resource) make(c *rest.Call, wanted *creation.Container, run bool) (target.Target, error) {
	id, now := uuid.NewString(), r.Now().UTC()
	if wanted.Sandbox == "" && wanted.Capsule == "" {
		one := wanted.Own(id, c.Caller.Project, c.Caller.User, run, now)
		made, err := r.Backend.CreateCapsule(c.R.Context(), one)
		if err != nil {
			return target.Target{}, fmt.Errorf("create container %s: %w", id, err)
		}
		return target.Target{Record: made, Name: made.Spec.Containers[0].Name}, nil
	}
	host, err := r.house(c.R.Context(), c.Caller, wanted)
	if err != nil {
		return target.Target{}, err
	}
	made, err := r.rewrite(c.R.Context(), host.UUID, func(one *capsule.Capsule) error { return wanted.Into(one, id, run, now) })
	if err != nil {
		return target.Target{}, fmt.Errorf("create container %s in %s: %w", id, host.UUID, err)
	}
	for i := range made.Spec.Containers {
		if made.Spec.Containers[i].UUID == id {
			return target.Target{Record: made, Name: made.Spec.Containers[i].Name}, nil
		}
	}
	return target.Target{}, fmt.Errorf("create container %s in %s: it is not there: %w", id, host.UUID, errdefs.ErrDataLoss)
}

// house finds the sandbox or the capsule that the container shall live in, by its UUID or its name.
func (r *Resource) house(ctx context.Context, caller auth.Identity, wanted *creation.Container) (*capsule.Capsule, error) {
	ident, kind, field, action := wanted.Sandbox, capsule.KindSandbox, "sandbox", auth.Action("sandbox:get")
	if ident == "" {
		ident, kind, field, action = wanted.Capsule, capsule.KindCapsule, "capsule", auth.CapsuleUpdate
	}
	all, _, err := r.Backend.Capsules(ctx)
	if err != nil {
		return nil, fmt.Errorf("find %s %.255s: %w", field, ident, err)
	}
	var found []*capsule.Capsule
	for _, one := range all {
		if one.Kind == kind && (one.UUID == ident || one.Spec.Name == ident) && auth.Allowed(action, caller, one.Project) == nil {
			found = append(found, one)
		}
	}
	switch len(found) {
	case 0:
		return nil, rest.InvalidField(field, "There is no %s %.255s", field, ident)
	case 1:
	default:
		return nil, rest.Refuse(http.StatusConflict, "conflict", "Several have the name %.255s: use the UUID", ident)
	}
	if u := found[0].Upgrade; u != nil && u.Successor != "" {
		return nil, rest.Refuse(http.StatusConflict, "invalid-state-exception", "Capsule %s is being upgraded, and what is put into it would end with that",
			found[0].UUID)
	}
	for key := range found[0].Spec.Annotations {
		if strings.HasPrefix(key, capsule.FixedAnnotations) {
			return nil, rest.InvalidField(field, "Capsule %s is the Pod of a node, whose containers are its own", found[0].UUID)
		}
	}
	return found[0], nil
}
