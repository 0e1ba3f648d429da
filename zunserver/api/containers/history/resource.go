package history

import (
	"fmt"
	"net/http"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
)

// event is the only one of an action (zun/objects/container_action.py, ContainerActionEvent). Nothing here has a traceback.
type event struct {
	Event     string  `json:"event"`
	Start     *string `json:"start_time"`
	Finish    *string `json:"finish_time"`
	Result    *string `json:"result"`
	Traceback *string `json:"traceback"`
}

// action is one of the history (zun/api/controllers/v1/views/actions_view.py).
type action struct {
	Action    string  `json:"action"`
	Container string  `json:"container_uuid"`
	Request   string  `json:"request_id"`
	User      string  `json:"user_id"`
	Project   string  `json:"project_id"`
	Start     *string `json:"start_time"`
	Message   *string `json:"message"`
	Finish    *string `json:"finish_time"`
	Events    []event `json:"events,omitempty"`
}

type actions struct {
	Actions []action `json:"containerActions"`
}

func shownAction(a *Action) action {
	return action{
		Action: a.Action, Container: a.Container, Request: a.Request, User: a.User, Project: a.Project,
		Start: view.Time(a.Started), Message: view.OrNull(a.Message), Finish: view.Time(a.Finished),
	}
}

// Resource serves the history of containers. All of it is required.
type Resource struct {
	target.Finder
	History *Log
}

// Routes are what it serves.
func (r *Resource) Routes() []rest.Route {
	return []rest.Route{
		target.Get("container_actions", r.list, "List what was asked of a container.", nil, actions{}),
		target.Get("container_actions/{request}", r.one, "Show one thing that was asked of a container.", nil, action{}),
	}
}

// list is GET /v1/containers/{id}/container_actions, the newest first.
func (r *Resource) list(c *rest.Call) error {
	t, err := r.Find(c, "container:actions")
	if err != nil {
		return err
	}
	all, err := r.History.Of(c.R.Context(), t.Spec().UUID)
	if err != nil {
		return err
	}
	list := actions{Actions: make([]action, 0, len(all))}
	for i := range all {
		list.Actions = append(list.Actions, shownAction(&all[i]))
	}
	return c.JSON(http.StatusOK, list)
}

// one is GET /v1/containers/{id}/container_actions/{request}.
func (r *Resource) one(c *rest.Call) error {
	t, err := r.Find(c, "container:actions")
	if err != nil {
		return err
	}
	request := c.R.PathValue("request")
	a, err := r.History.One(c.R.Context(), t.Spec().UUID, request)
	if errdefs.IsNotFound(err) {
		return rest.Refuse(http.StatusNotFound, "resource-not-found", "The Action resource %.64s could not be found.", request)
	}
	if err != nil {
		return fmt.Errorf("get action %.64s: %w", request, err)
	}
	s := shownAction(&a)
	e := event{Event: "compute__do_container_" + a.Action, Start: s.Start, Finish: view.Time(a.Finished)}
	if !a.Finished.IsZero() {
		e.Result = view.OrNull("Success")
		if a.Failed {
			e.Result = view.OrNull("Error")
		}
	}
	s.Events = []event{e}
	return c.JSON(http.StatusOK, s)
}
