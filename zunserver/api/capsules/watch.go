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

// watcher is one watch: a line for each change of what its caller sees and asked for.
type watcher struct {
	r       *Resource
	c       *rest.Call
	stream  *rest.Stream
	visible func(*capsule.Capsule) bool
	matches func(*capsule.Capsule) bool
	// told is what the reader knows of each capsule: that it is there, or that it is not. Of others it may know from a list.
	told map[string]bool
	// complete: it knows of no others.
	complete bool
}

// lines is the media type of a watch in Zun's form.
const lines = "application/x-ndjson"

// watchCapsules is GET /v1/capsules?watch=true&since=N. Without since, what is there comes first, and then a bookmark. The capsules
// have the form that the caller asks for.
func (r *Resource) watchCapsules(c *rest.Call) error {
	if c.R.Method == http.MethodHead {
		c.W.Header().Set("Allow", http.MethodGet)
		return rest.Refuse(http.StatusMethodNotAllowed, "", "A watch needs the method GET")
	}
	since, given, err := c.Number("since", 0)
	if err != nil {
		return err
	}
	w := watcher{r: r, c: c, told: map[string]bool{}, complete: !given}
	if w.visible, err = scope(c); err != nil {
		return err
	}
	if w.matches, err = labelled(c); err != nil {
		return err
	}
	var there []*capsule.Capsule
	if !given {
		if there, since, err = r.Backend.Capsules(c.R.Context()); err != nil {
			return fmt.Errorf("list capsules: %w", err)
		}
	}
	events := r.Backend.WatchCapsules(c.R.Context(), since)
	var first *store.CapsuleEvent
	select { // what cannot begin is an error, not a stream
	case e, ok := <-events:
		if ok && e.Kind == store.Error {
			return fmt.Errorf("watch capsules since %d: %w", since, e.Err)
		}
		if !ok {
			return nil
		}
		first = &e
	default:
	}
	mediaType := lines
	if c.Native {
		mediaType = rest.NativeType
	}
	w.stream = c.Stream(mediaType)
	defer w.stream.Close()
	w.stream.Begin()
	if given || w.list(there, since) {
		if first == nil || w.send(*first) {
			w.follow(events)
		}
	}
	return nil
}

// list sends what is there.
func (w *watcher) list(there []*capsule.Capsule, revision int64) bool {
	for _, one := range there {
		if !w.send(store.CapsuleEvent{Kind: store.Put, Capsule: one, Revision: one.Revision}) {
			return false
		}
	}
	return w.send(store.CapsuleEvent{Kind: store.Bookmark, Revision: revision})
}

// follow sends events until there are no more or the reader does not take them.
func (w *watcher) follow(events <-chan store.CapsuleEvent) {
	for {
		select {
		case <-w.c.R.Context().Done():
			return
		case e, ok := <-events:
			if !ok || !w.send(e) {
				return
			}
		}
	}
}

// watchLine is one line of a watch.
type watchLine struct {
	Type     string `json:"type"`
	Revision int64  `json:"revision,omitempty"`
	// Capsule is rendered.
	Capsule json.RawMessage `json:"capsule,omitempty"`
	Status  int             `json:"status,omitempty"`
	Detail  string          `json:"detail,omitempty"`
	Errors  any             `json:"errors,omitempty"`
}

// line is what the reader is told of an event; false: nothing.
func (w *watcher) line(e store.CapsuleEvent) (line watchLine, ok bool, err error) {
	line = watchLine{Revision: e.Revision}
	switch e.Kind {
	case store.Put, store.Delete:
		// The last state of a capsule may be lost to compaction; its UUID alone tells nobody anything new.
		if e.Capsule == nil || !w.visible(e.Capsule) && e.Capsule.Project != "" {
			return line, false, nil
		}
		was, told := w.told[e.Capsule.UUID]
		there := e.Kind == store.Put && w.matches(e.Capsule)
		w.told[e.Capsule.UUID] = there
		if e.Kind == store.Delete {
			delete(w.told, e.Capsule.UUID)
		}
		if !there && !was && (told || w.complete) {
			return line, false, nil // it is not there for this reader, who knows
		}
		line.Type = "PUT"
		line.Capsule, err = w.r.rendered(e.Capsule, w.c.Native, view.For(w.c, w.r.Now()))
		if !there { // it is gone, or has other labels now
			line.Type = "DELETE"
		}
	case store.Bookmark:
		line.Type = "BOOKMARK"
	default:
		line = watchLine{Type: "ERROR"}
		line.Status, line.Detail, line.Errors = w.c.Errors(fmt.Errorf("watch capsules: %w", e.Err))
	}
	return line, true, err
}

// send writes one event; it is false when it was the last or could not be written.
func (w *watcher) send(e store.CapsuleEvent) bool {
	line, ok, err := w.line(e)
	if !ok {
		return true
	}
	var b []byte
	if err == nil {
		b, err = marshal(line)
	}
	if err != nil {
		w.c.Log.WithError(err).Error("watch event could not be encoded")
		return false
	}
	if _, err := w.stream.Write(append(b, '\n')); err != nil {
		w.c.Log.WithError(err).Debug("watch was cut: its reader does not read")
		return false
	}
	return line.Type != "ERROR"
}
