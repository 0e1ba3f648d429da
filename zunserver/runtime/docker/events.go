package docker

import (
	"context"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/convert"
)

// Events subscribes to the changes of the instance's containers. A partition gives no sign here: the caller pings.
func (h *Host) Events(ctx context.Context) (<-chan runtime.Event, error) {
	// The client library reports a refused connection only through the stream.
	api, err := h.ping(ctx)
	if err != nil {
		return nil, err
	}
	by := filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)),
		filters.Arg("label", runtime.LabelInstance+"="+h.cfg.Instance),
	)
	for _, action := range []events.Action{
		events.ActionCreate, events.ActionStart, events.ActionDie, events.ActionOOM, events.ActionDestroy,
		events.ActionPause, events.ActionUnPause,
	} {
		by.Add("event", string(action))
	}
	h.seen.Clear() // what happened until now was not told
	sctx, cancel := context.WithCancel(ctx)
	messages, failed := api.Events(sctx, events.ListOptions{Filters: by})
	out := make(chan runtime.Event)
	go func() {
		defer close(out)
		defer cancel()
		for {
			select {
			case m := <-messages:
				h.seen.Forget(m.Actor.ID)
				select {
				case out <- convert.Event(m):
				case <-sctx.Done():
					return
				}
			case err := <-failed:
				if sctx.Err() == nil {
					h.log.WithError(err).Debug("The stream of events ended")
				}
				return
			}
		}
	}()
	return out, nil
}
