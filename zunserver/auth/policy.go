package auth

import (
	"fmt"

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

// The actions of the API.
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
	CapsuleAllProject  Action = "capsule:get_all_all_projects"
	HostGet            Action = "host:get"
	HostGetAll         Action = "host:get_all"
	HostUpdate         Action = "host:update"
)

// rules is the whole policy. An action that is not in it is the administrator's.
var rules = map[Action]rule{
	CapsuleCreate:      anyone, // in the caller's own project
	CapsuleGet:         adminOrOwner,
	CapsuleGetAll:      anyone, // shows the caller's own project
	CapsuleUpdate:      adminOrOwner,
	CapsuleDelete:      adminOrOwner,
	CapsuleLogs:        adminOrOwner,
	CapsuleExec:        adminOrOwner,
	CapsuleAttach:      adminOrOwner,
	CapsulePortForward: adminOrOwner,
	CapsuleStats:       adminOrOwner,
	CapsuleAllProject:  admin,
	HostGet:            admin,
	HostGetAll:         admin,
	HostUpdate:         admin,
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
