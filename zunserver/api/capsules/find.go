package capsules

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Lookup is what finding a capsule needs.
type Lookup interface {
	Capsule(ctx context.Context, uuid string) (*capsule.Capsule, error)
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
}

// find looks a capsule up; containers and sandboxes are none.
func (r *Resource) find(c *rest.Call, action auth.Action) (*capsule.Capsule, error) {
	one, err := Find(c, r.Backend, action)
	if err == nil && one.Kind != capsule.KindCapsule {
		return nil, rest.NotFound(c.R.PathValue("id"))
	}
	return one, err
}

// Find looks the path's {id} up, which is a UUID or a name. What the caller may not see is not found. By its UUID any record is
// found, so that streams reach containers and sandboxes too.
func Find(c *rest.Call, from Lookup, action auth.Action) (*capsule.Capsule, error) {
	ident := c.R.PathValue("id")
	if id, err := uuid.Parse(ident); err == nil && len(ident) == 36 {
		one, err := from.Capsule(c.R.Context(), id.String())
		if errdefs.IsNotFound(err) {
			return nil, rest.NotFound(ident)
		}
		if err != nil {
			return nil, fmt.Errorf("get capsule %s: %w", id, err)
		}
		if one.Kind == capsule.KindSuccessor || auth.Allowed(action, c.Caller, one.Project) != nil {
			return nil, rest.NotFound(ident)
		}
		return one, nil
	}
	return byName(c.R.Context(), from, c.Caller, action, ident)
}

func byName(ctx context.Context, from Lookup, caller auth.Identity, action auth.Action, name string) (*capsule.Capsule, error) {
	all, _, err := from.Capsules(ctx)
	if err != nil {
		return nil, fmt.Errorf("find capsule %.255s: %w", name, err)
	}
	var found []*capsule.Capsule
	for _, one := range all {
		if one.Kind == capsule.KindCapsule && one.Spec.Name == name && auth.Allowed(action, caller, one.Project) == nil {
			found = append(found, one)
		}
	}
	switch len(found) {
	case 0:
		return nil, rest.NotFound(name)
	case 1:
		return found[0], nil
	default:
		return nil, rest.Refuse(http.StatusConflict, "conflict",
			"Multiple containers exist with same name. Please use the container uuid instead.")
	}
}

// scope says which projects' capsules a list or a watch shows: the caller's own, or with all_projects everybody's. Containers and
// sandboxes have lists of their own.
func scope(c *rest.Call) (visible func(*capsule.Capsule) bool, err error) {
	if err := auth.Allowed(auth.CapsuleGetAll, c.Caller, c.Caller.Project); err != nil {
		return nil, rest.NotAllowed(auth.CapsuleGetAll)
	}
	everything, err := rest.AllProjects(c, auth.CapsuleAllProject)
	if err != nil {
		return nil, err
	}
	return func(one *capsule.Capsule) bool {
		return one.Kind == capsule.KindCapsule && (everything || one.Project == c.Caller.Project)
	}, nil
}

// labelled reads the labels that a caller asks for, ?labels=app=web,tier!=db or ?label=app=web, which may be repeated: a selector of
// Kubernetes. Zun's list has no filters and takes any parameter.
func labelled(c *rest.Call) (matches func(*capsule.Capsule) bool, err error) {
	q := c.R.URL.Query()
	asked := slices.Concat(q["labels"], q["label"])
	if len(asked) == 0 {
		return func(*capsule.Capsule) bool { return true }, nil
	}
	selector, err := labels.Parse(strings.Join(asked, ","))
	if err != nil {
		return nil, rest.InvalidValue("Invalid value for labels: %.255s", err)
	}
	return func(one *capsule.Capsule) bool { return selector.Matches(labels.Set(one.Spec.Labels)) }, nil
}
