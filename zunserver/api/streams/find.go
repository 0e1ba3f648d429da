package streams

import (
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/api/capsules"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// ofContainers are the policy's words for what is done with containers of the container API.
var ofContainers = map[auth.Action]auth.Action{
	auth.CapsuleLogs: "container:logs", auth.CapsuleExec: "container:execute", auth.CapsuleAttach: "container:attach",
	auth.CapsuleTop: "container:top", auth.CapsuleStats: "container:stats",
	auth.CapsuleGetArchive: "container:get_archive", auth.CapsulePutArchive: "container:put_archive",
}

// find is the record and the container that a request is about. {id} is a capsule, a record of another kind by its UUID, or the
// UUID of a container in one of them, which is meant then: so containers of sandboxes have streams too.
func (r *Resource) find(c *rest.Call, action auth.Action) (*capsule.Capsule, string, error) {
	one, named, err := r.record(c, action)
	if err != nil {
		return nil, "", err
	}
	container, err := containerOf(one, named)
	return one, container, err
}

// record is find, without choosing a container where none is named.
func (r *Resource) record(c *rest.Call, action auth.Action) (one *capsule.Capsule, named string, err error) {
	named = c.R.URL.Query().Get("container")
	if one, err = capsules.Find(c, r.Capsules, action); err != nil {
		var name string
		if one, name = r.withContainer(c, action); one == nil || named != "" && named != name {
			return nil, "", err
		}
		named = name
	}
	if of := ofContainers[action]; of != "" && one.Kind != capsule.KindCapsule && auth.Allowed(of, c.Caller, one.Project) != nil {
		return nil, "", rest.NotFound(c.R.PathValue("id"))
	}
	return one, named, nil
}

// withContainer is the record that has the container whose UUID the path has, and its name there; nil if there is none that the
// caller may see.
func (r *Resource) withContainer(c *rest.Call, action auth.Action) (*capsule.Capsule, string) {
	ident := c.R.PathValue("id")
	id, err := uuid.Parse(ident)
	if err != nil || len(ident) != 36 {
		return nil, ""
	}
	all, _, err := r.Capsules.Capsules(c.R.Context())
	if err != nil {
		return nil, "" // the error of the look-up before is told
	}
	for _, one := range all {
		for _, list := range [][]capsule.ContainerSpec{one.Spec.Containers, one.Spec.InitContainers, one.Spec.EphemeralContainers} {
			for i := range list {
				if list[i].UUID == id.String() && auth.Allowed(action, c.Caller, one.Project) == nil {
					return one, list[i].Name
				}
			}
		}
	}
	return nil, ""
}
