package streams

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

type (
	topQuery struct {
		containerQuery
		PsArgs string `query:"ps_args" description:"arguments for ps; -ef when not given"`
	}
	statsQuery struct {
		Container string `query:"container" description:"name of the container of which alone is told; all when not given"`
	}
)

// looks are the routes for what runs, and what it uses.
func (r *Resource) looks() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/v1/capsules/{id}/top", Serve: r.top, Doc: rest.Doc{
			Summary: "List the processes of a container of a capsule.", Query: topQuery{}, Answers: map[int]any{200: capsule.ProcessTable{}},
			Native: capsule.ProcessTable{}}},
		{Method: "GET", Path: "/v1/capsules/{id}/stats", Serve: r.stats, Doc: rest.Doc{
			Summary: "Say what a running capsule uses, and each of its containers.", Query: statsQuery{}, Answers: map[int]any{200: capsule.Stats{}},
			Native: capsule.Stats{}}},
	}
}

// top is GET /v1/capsules/{id}/top.
func (r *Resource) top(c *rest.Call) error {
	one, container, err := r.find(c, auth.CapsuleTop)
	if err != nil {
		return err
	}
	table, err := r.Control.Processes(c.R.Context(), one, container, c.R.URL.Query().Get("ps_args"))
	if err != nil {
		return fmt.Errorf("list the processes of container %s of capsule %s: %w", container, one.UUID, err)
	}
	return c.JSON(http.StatusOK, table)
}

// stats is GET /v1/capsules/{id}/stats.
func (r *Resource) stats(c *rest.Call) error {
	one, container, err := r.record(c, auth.CapsuleStats)
	if err == nil && container != "" {
		container, err = containerOf(one, container)
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(one.Facts.Containers, func(f capsule.ContainerFacts) bool { return f.Run.State() == capsule.StateRunning }) {
		return rest.Refuse(http.StatusConflict, "invalid-state-exception", "Nothing runs in capsule %s", one.UUID)
	}
	report := r.Stats.Stats(c.R.Context(), []*capsule.Capsule{one})
	i := slices.IndexFunc(report.Capsules, func(s capsule.Stats) bool { return s.UUID == one.UUID })
	if i < 0 {
		return rest.Refuse(http.StatusServiceUnavailable, "service-unavailable", "What capsule %s uses cannot be read now", one.UUID)
	}
	s := report.Capsules[i]
	if container != "" {
		s.Containers = slices.DeleteFunc(slices.Clone(s.Containers), func(s capsule.ContainerStats) bool { return s.Name != container })
		if len(s.Containers) == 0 {
			return rest.Refuse(http.StatusConflict, "invalid-state-exception", "Container %s of capsule %s does not run", container, one.UUID)
		}
	}
	return c.JSON(http.StatusOK, s)
}
