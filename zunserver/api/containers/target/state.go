package target

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/rest"
)

// states are those in which an action may be asked for (zun/common/utils.py, VALID_STATES).
var states = map[string]string{
	"commit":                "Running Stopped Paused",
	"delete":                "Created Error Stopped Deleted Dead",
	"delete_force":          "Created Creating Error Running Stopped Unknown Deleted Dead Restarting Rebuilding Deleting",
	"delete_after_stop":     "Running Created Error Stopped Deleted Dead",
	"start":                 "Created Stopped Error",
	"stop":                  "Running",
	"reboot":                "Created Running Stopped Error",
	"rebuild":               "Created Running Stopped Error",
	"pause":                 "Running",
	"unpause":               "Paused",
	"kill":                  "Running",
	"execute":               "Running",
	"execute_resize":        "Running",
	"update":                "Created Running Stopped Paused",
	"attach":                "Running",
	"resize":                "Running",
	"top":                   "Running",
	"get_archive":           "Created Paused Running Stopped",
	"put_archive":           "Created Paused Running Stopped",
	"logs":                  "Created Error Paused Running Stopped Unknown",
	"stats":                 "Running",
	"add_security_group":    "Created Running Stopped Paused",
	"remove_security_group": "Created Running Stopped Paused",
	"resize_container":      "Created Running Stopped Paused",
}

// Status is the container's word.
func (t Target) Status(now time.Time) string { return t.Record.ContainerStatus(t.Name, now).Status }

// Check refuses an action that the state of the container does not allow.
func (t Target) Check(action string, now time.Time) error {
	is := t.Status(now)
	if slices.Contains(strings.Fields(states[action]), is) {
		return nil
	}
	return rest.Refuse(http.StatusConflict, "invalid-state-exception", "Cannot %s container %s in %s state", action, t.Spec().UUID, is)
}

// Deletable is Check for a kind of delete. Of what no host has there is nothing to be stopped: Zun's container is in Error then, for which
// any of them is allowed.
func (t Target) Deletable(action string, now time.Time) error {
	if t.Record.Claim.Host == "" {
		return nil
	}
	return t.Check(action, now)
}

// Alone refuses what is not to be done with a container of a capsule by itself.
func (t Target) Alone(action string) error {
	sized := action == "update" || action == "resize_container"
	if t.Own() != nil || sized && t.InCapsule {
		return nil
	}
	how := "it belongs to capsule %s and lives and dies with it"
	if sized {
		how = "it belongs to capsule %[3]s, which the request has to name: ?capsule=%[3]s"
	}
	return rest.Refuse(http.StatusConflict, "invalid-state-exception", "Cannot %s container %s by itself: "+how, action, t.Spec().UUID, t.Record.UUID)
}
