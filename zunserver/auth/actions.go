package auth

import (
	"maps"
	"strings"
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
	CapsuleDeleteForce Action = "capsule:delete_force"
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

// The names of rules that others refer to.
const (
	contextIsAdmin = "context_is_admin"
	adminOrOwner   = "rule:admin_or_owner"
	adminOnly      = "rule:context_is_admin"
)

// named are the rules that actions refer to, Zun's (zun/common/policies/base.py). Who is an administrator by identity alone, as
// the owner of the generated token, is one whatever the file says of roles.
var named = map[string]string{
	contextIsAdmin:   "is_admin:True or role:admin",
	"admin_or_owner": "is_admin:True or project_id:%(project_id)s",
	"admin_api":      adminOnly,
	"deny_everybody": "!",
}

// ownProject are the actions that a caller does in the own project: their owner is the caller's unless it is said.
var ownProject = each(adminOrOwner, "capsule:create capsule:get_all container:create container:get_all sandbox:create sandbox:get_all "+
	"registry:create registry:get_all availability_zones:get_all image:search quota:get_default network:get_all")

// actions is the whole table. An action that is not in it is the administrator's.
var actions = merged(
	ownProject,
	each(adminOrOwner, "capsule:get capsule:update capsule:delete capsule:delete_force capsule:logs capsule:execute capsule:attach "+
		"capsule:port_forward capsule:stats capsule:top capsule:get_archive capsule:put_archive capsule:endpoints "+
		"container:get_one container:update container:delete container:start container:stop container:reboot container:pause "+
		"container:unpause container:kill container:rebuild container:rename container:execute container:execute_resize "+
		"container:resize container:resize_container container:put_archive container:get_archive container:commit container:logs "+
		"container:attach container:top container:stats container:network_detach container:network_attach container:network_list "+
		"container:add_security_group container:remove_security_group container:actions container:endpoints "+
		"sandbox:get sandbox:delete registry:get_one registry:update registry:delete quota:get"),
	each(adminOnly, "capsule:get_all_all_projects capsule:get_one_all_projects capsule:delete_all_projects capsule:get:host "+
		"host:get host:get_all host:update container:get_all_all_projects "+
		"container:get_one_all_projects container:delete_all_projects container:delete_force "+
		// Zun lets nobody have privileged; here the node of a cluster, which is the administrator, needs it for its Pods.
		"container:create:runtime container:create:image_pull_policy container:create:requested_destination container:create:privileged "+
		"container:get_one:host container:get_one:image_pull_policy container:get_one:privileged container:get_one:runtime "+
		"container:action:events zun-service:get_all zun-service:delete zun-service:enable zun-service:disable zun-service:force_down "+
		"image:get_all image:get_one image:pull image:delete network:create network:delete network:attach_external_network "+
		"quota:update quota:delete quota_class:get quota_class:update registry:get_all_all_projects sandbox:get_all_all_projects"),
	// What makes a capsule mighty over its host.
	each(adminOnly, "capsule:create:hostNetwork capsule:create:hostPID capsule:create:hostIPC capsule:create:seLinuxOptions "+
		"capsule:create:sysctls capsule:create:hostPath capsule:create:local capsule:create:nfs capsule:create:privileged "+
		"capsule:create:capabilities capsule:create:procMount capsule:create:seccompProfile capsule:create:appArmorProfile"),
)

var inOwnProject = func() map[Action]bool {
	m := map[Action]bool{}
	for a := range ownProject {
		m[a] = true
	}
	return m
}()

// each gives every action of the list, which has spaces between, one rule.
func each(rule, list string) map[Action]string {
	m := map[Action]string{}
	for _, a := range strings.Fields(list) {
		m[Action(a)] = rule
	}
	return m
}

func merged(tables ...map[Action]string) map[Action]string {
	all := map[Action]string{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}
