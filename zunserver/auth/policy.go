package auth

import (
	"fmt"
	"maps"
	"strings"

	"github.com/containerd/errdefs"
)

// rule says who may do something.
type rule int

const (
	admin rule = iota
	adminOrOwner
	anyone // who is authenticated
)

// Action is something that a caller may or may not do. The names are Zun's (zun/common/policies), where it has the action.
type Action string

// The actions of the API that handlers ask for by name. The rest of a family is the family and a word: "container:" + "start".
const (
	CapsuleCreate      Action = "capsule:create"
	CapsuleGet         Action = "capsule:get"
	CapsuleGetAll      Action = "capsule:get_all"
	CapsuleUpdate      Action = "capsule:update"
	CapsuleDelete      Action = "capsule:delete"
	CapsuleLogs        Action = "capsule:logs"
	CapsuleExec        Action = "capsule:execute"
	CapsuleAttach      Action = "capsule:attach"
	CapsulePortForward Action = "capsule:port_forward"
	CapsuleStats       Action = "capsule:stats"
	CapsuleTop         Action = "capsule:top"
	CapsuleGetArchive  Action = "capsule:get_archive"
	CapsulePutArchive  Action = "capsule:put_archive"
	CapsuleEndpoints   Action = "capsule:endpoints"
	CapsuleAllProject  Action = "capsule:get_all_all_projects"
	HostGet            Action = "host:get"
	HostGetAll         Action = "host:get_all"
	HostUpdate         Action = "host:update"
)

// rules is the whole policy. An action that is not in it is the administrator's. anyone means in the caller's own project.
var rules = merged(
	each(anyone, "capsule:create capsule:get_all container:create container:get_all sandbox:create sandbox:get_all "+
		"registry:create registry:get_all availability_zones:get_all image:search quota:get_default network:get_all"),
	each(adminOrOwner, "capsule:get capsule:update capsule:delete capsule:logs capsule:execute capsule:attach capsule:port_forward "+
		"capsule:stats capsule:top capsule:get_archive capsule:put_archive capsule:endpoints "+
		"container:get_one container:update container:delete container:start container:stop container:reboot container:pause "+
		"container:unpause container:kill container:rebuild container:rename container:execute container:execute_resize "+
		"container:resize container:resize_container container:put_archive container:get_archive container:commit container:logs "+
		"container:attach container:top container:stats container:network_detach container:network_attach container:network_list "+
		"container:add_security_group container:remove_security_group container:actions container:endpoints "+
		"sandbox:get sandbox:delete registry:get_one registry:update registry:delete quota:get"),
	each(admin, "capsule:get_all_all_projects host:get host:get_all host:update container:get_all_all_projects "+
		"container:get_one_all_projects container:delete_all_projects container:delete_force capsule:delete_force "+
		"container:create:runtime container:create:image_pull_policy container:create:requested_destination container:create:privileged "+
		"container:get_one:host container:get_one:image_pull_policy container:get_one:privileged container:get_one:runtime "+
		"container:action:events service:get_all service:delete service:enable service:disable service:force_down "+
		"image:get_all image:get_one image:pull image:delete network:create network:delete quota:update quota:delete "+
		"quota_class:get quota_class:update registry:get_all_all_projects sandbox:get_all_all_projects"),
)

// each gives every action of the list, which has spaces between, one rule.
func each(r rule, actions string) map[Action]rule {
	m := map[Action]rule{}
	for _, a := range strings.Fields(actions) {
		m[Action(a)] = r
	}
	return m
}

func merged(tables ...map[Action]rule) map[Action]rule {
	all := map[Action]rule{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// Allowed is nil when id may do action on something that project owns ("" when the action has no owner); otherwise its
// class is PermissionDenied.
func Allowed(action Action, id Identity, project string) error {
	r := rules[action] // admin when missing
	owner := project != "" && id.Project == project
	if id.Admin || r == anyone || r == adminOrOwner && owner {
		return nil
	}
	return fmt.Errorf("policy does not allow %s to be performed: %w", action, errdefs.ErrPermissionDenied)
}
