package fake

import (
	"context"
	"slices"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// streamBuffer is how far a subscriber may fall behind before it is cut.
const streamBuffer = 1024

// stream is one subscription. Only the engine sends and closes, both under mu.
type stream struct {
	instance string
	ch       chan runtime.Event
	closed   bool
}

func (s *stream) close() {
	if !s.closed {
		s.closed = true
		close(s.ch)
	}
}

// Events subscribes to the changes of the instance's containers. A subscriber that falls far behind is cut.
func (h *Host) Events(ctx context.Context) (<-chan runtime.Event, error) {
	var s *stream
	err := h.call(ctx, "events", "", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		s = &stream{instance: h.instance, ch: make(chan runtime.Event, streamBuffer)}
		h.streams = append(h.streams, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		s.close()
		h.streams = slices.DeleteFunc(h.streams, func(o *stream) bool { return o == s })
	})
	return s.ch, nil
}

// publish tells the subscribers; the caller holds mu.
func (e *engine) publish(c *container, action string) {
	event := runtime.Event{ID: c.view.ID, Identity: c.view.Identity, Action: action, At: e.now()}
	e.streams = slices.DeleteFunc(e.streams, func(s *stream) bool {
		if s.instance != "" && s.instance != c.view.Identity.Instance {
			return false
		}
		select {
		case s.ch <- event:
			return false
		default:
			s.close()
			return true
		}
	})
}
