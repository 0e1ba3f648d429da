package capsules

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// watchCapsules is GET /v1/capsules?watch=true&since=N.
func (r *Resource) watchCapsules(c *rest.Call) error {
	if c.R.Method == http.MethodHead {
		c.W.Header().Set("Allow", http.MethodGet)
		return rest.Refuse(http.StatusMethodNotAllowed, "", "A watch needs the method GET")
	}
	if !c.Native {
		return rest.Refuse(http.StatusNotAcceptable, "", "A watch needs Accept: %s", rest.NativeType)
	}
	since, given, err := c.Number("since", 0)
	if err != nil {
		return err
	}
	if !given {
		return rest.InvalidValue("A watch needs since, the revision of the list that it goes on from")
	}
	visible, err := scope(c)
	if err != nil {
		return err
	}
	events := r.Backend.WatchCapsules(c.R.Context(), since)
	select { // what cannot begin is an error, not a stream
	case e, ok := <-events:
		if ok && e.Kind == store.Error {
			return fmt.Errorf("watch capsules since %d: %w", since, e.Err)
		}
		s := c.Stream(rest.NativeType)
		defer s.Close()
		if ok && r.send(c, s, e, visible) {
			r.follow(c, s, events, visible)
		}
	default:
		s := c.Stream(rest.NativeType)
		defer s.Close()
		s.Begin()
		r.follow(c, s, events, visible)
	}
	return nil
}

// follow sends events until there are no more or the reader does not take them.
func (r *Resource) follow(c *rest.Call, s *rest.Stream, events <-chan store.CapsuleEvent, visible func(*capsule.Capsule) bool) {
	for {
		select {
		case <-c.R.Context().Done():
			return
		case e, ok := <-events:
			if !ok || !r.send(c, s, e, visible) {
				return
			}
		}
	}
}

// watchLine is one line of a watch.
type watchLine struct {
	Type     string           `json:"type"`
	Revision int64            `json:"revision,omitempty"`
	Capsule  *capsule.Capsule `json:"capsule,omitempty"`
	Status   int              `json:"status,omitempty"`
	Detail   string           `json:"detail,omitempty"`
	Errors   any              `json:"errors,omitempty"`
}

// send writes one event; it is false when it was the last or could not be written.
func (r *Resource) send(c *rest.Call, s *rest.Stream, e store.CapsuleEvent, visible func(*capsule.Capsule) bool) bool {
	line := watchLine{Revision: e.Revision}
	switch e.Kind {
	case store.Put, store.Delete:
		// The last state of a capsule may be lost to compaction; its UUID alone tells nobody anything new.
		if e.Capsule == nil || !visible(e.Capsule) && e.Capsule.Project != "" {
			return true
		}
		line.Type, line.Capsule = "PUT", view.Native(e.Capsule)
		if e.Kind == store.Delete {
			line.Type = "DELETE"
		}
	case store.Bookmark:
		line.Type = "BOOKMARK"
	default:
		line = watchLine{Type: "ERROR"}
		line.Status, line.Detail, line.Errors = c.Errors(fmt.Errorf("watch capsules: %w", e.Err))
	}
	b, err := json.Marshal(line)
	if err != nil {
		c.Log.WithError(err).Error("watch event could not be encoded")
		return false
	}
	if _, err := s.Write(append(b, '\n')); err != nil {
		c.Log.WithError(err).Debug("watch was cut: its reader does not read")
		return false
	}
	return line.Type != "ERROR"
}
