package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// State is what was told of a record last; it is kept in the store.
type State struct {
	Revision int64  `json:"revision"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Project  string `json:"project"`
	// Spec is a digest.
	Spec       string         `json:"spec"`
	Host       string         `json:"host,omitempty"`
	Status     string         `json:"status"`
	Deleting   bool           `json:"deleting,omitempty"`
	Containers map[string]Run `json:"containers,omitempty"`
}

// Run is an attempt of a container.
type Run struct {
	ID         string    `json:"id"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
}

// event is something to be told of a record.
type event struct {
	what string // the type without the kind
	// container and run are those that it is about, if it is about one.
	container string
	run       *capsule.Run
}

// kindOf is the word for records of a kind in the types of events.
func kindOf(c *capsule.Capsule) string {
	if c.Kind == capsule.KindCapsule {
		return "capsule"
	}
	return string(c.Kind)
}

// stateOf is what there is to tell of a record.
func stateOf(c *capsule.Capsule) (State, error) {
	spec, err := json.Marshal(c.Spec)
	if err != nil {
		return State{}, fmt.Errorf("digest the specification of %s: %w", c.UUID, err)
	}
	digest := sha256.Sum256(spec)
	s := State{
		Revision: c.Revision, Kind: kindOf(c), Name: c.Spec.Name, Project: c.Project, Spec: hex.EncodeToString(digest[:8]), Host: c.Claim.Host,
		Status: c.Status(), Deleting: c.Deletion != nil, Containers: map[string]Run{},
	}
	for i := range c.Facts.Containers {
		if f := &c.Facts.Containers[i]; f.Run != nil {
			s.Containers[f.Name] = Run{f.Run.ID, f.Run.StartedAt, f.Run.FinishedAt}
		}
	}
	return s, nil
}

// difference is what happened between what was told last, nil for nothing, and now.
func difference(told *State, now State, c *capsule.Capsule) (events []event) {
	add := func(happened bool, what string) {
		if happened {
			events = append(events, event{what: what})
		}
	}
	if told == nil {
		add(true, "create.end")
		told = &State{Spec: now.Spec}
	}
	add(now.Host != "" && now.Host != told.Host, "schedule.end")
	add(now.Spec != told.Spec, "update.end")
	for i := range c.Facts.Containers {
		f := &c.Facts.Containers[i]
		events = append(events, ofContainer(told.Containers[f.Name], f)...)
	}
	add(now.Status != told.Status && now.Status == capsule.StatusRunning, "start.end")
	add(now.Status != told.Status && now.Status == capsule.StatusError, "error")
	add(now.Deleting && !told.Deleting, "delete.start")
	return events
}

// ofContainer is what happened to a container. An attempt that ended and was followed by another in the meantime has its end.
func ofContainer(told Run, f *capsule.ContainerFacts) (events []event) {
	if last := f.Last; last != nil && last.ID == told.ID && told.FinishedAt.IsZero() && !told.StartedAt.IsZero() && !last.FinishedAt.IsZero() {
		events = append(events, event{"container_die.end", f.Name, last})
	}
	if f.Run == nil {
		return events
	}
	if !f.Run.StartedAt.IsZero() && !f.Run.StartedAt.Equal(told.StartedAt) {
		events = append(events, event{"container_start.end", f.Name, f.Run})
	}
	if !f.Run.FinishedAt.IsZero() && !f.Run.FinishedAt.Equal(told.FinishedAt) {
		events = append(events, event{"container_die.end", f.Name, f.Run})
	}
	return events
}
