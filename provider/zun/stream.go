package zun

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/gophercloud/gophercloud/v2"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// silence is how long a watch may say nothing: three of the server's bookmarks.
const silence = 45 * time.Second

// EventType says what happened to a capsule.
type EventType string

// The types of watch events.
const (
	Put      EventType = "PUT"
	Deleted  EventType = "DELETE"
	Bookmark EventType = "BOOKMARK"
	Broken   EventType = "ERROR"
)

// Event is one change of a capsule.
type Event struct {
	Type EventType `json:"type"`
	// Revision is what to watch from after this event.
	Revision int64 `json:"revision"`
	// Capsule is the new state, the last known one when the type is Deleted, nil for the others.
	Capsule *capsule.Capsule `json:"capsule,omitempty"`
	// Err is set when the type is Broken: class OutOfRange means list again, anything else watch again.
	Err error `json:"-"`
}

// Watch streams what happens to capsules after the revision. The channel is closed when ctx ends, and after an event of
// the type Broken. The caller reads until it is closed.
func (c *Client) Watch(ctx context.Context, since int64) (<-chan Event, error) {
	return c.watch(ctx, since, "")
}

// WatchAllProjects is Watch over the projects of everybody, for administrators.
func (c *Client) WatchAllProjects(ctx context.Context, since int64) (<-chan Event, error) {
	return c.watch(ctx, since, "&all_projects=true")
}

func (c *Client) watch(ctx context.Context, since int64, query string) (<-chan Event, error) {
	streaming, cancel := context.WithCancel(ctx)
	target := c.service.ServiceURL("capsules") + "?watch=true&since=" + strconv.FormatInt(since, 10) + query
	watchdog := time.AfterFunc(silence, cancel) // also bounds the wait for the answer's head
	body, err := c.stream(streaming, "watch capsules", target)
	if err != nil {
		watchdog.Stop()
		cancel()
		return nil, err
	}
	events := make(chan Event)
	go func() {
		defer cancel()
		defer close(events)
		defer watchdog.Stop()
		defer body.Close()
		readEvents(ctx, body, events, func() { watchdog.Reset(silence) })
	}()
	return events, nil
}

// readEvents decodes lines until the stream breaks or ctx, the reader's, ends.
func readEvents(ctx context.Context, body io.Reader, events chan<- Event, alive func()) {
	lines := bufio.NewReader(body)
	for {
		e, err := readEvent(lines)
		if err != nil {
			e = Event{Type: Broken, Err: fmt.Errorf("watch capsules: %w", err)}
		}
		select {
		case events <- e:
		case <-ctx.Done():
			return
		}
		if e.Type == Broken {
			return
		}
		alive()
	}
}

func readEvent(r *bufio.Reader) (Event, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return Event{}, fmt.Errorf("stream ended: %w: %w", err, errdefs.ErrUnavailable)
	}
	var e struct {
		Event
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return Event{}, fmt.Errorf("read event: %w", err)
	}
	if e.Type == Broken {
		return Event{}, fmt.Errorf("%s: %w", detail(line, e.Status), classOf(e.Status))
	}
	return e.Event, nil
}

// Logs opens the log of a container of the capsule, previous for the attempt before. The stream ends with the log, or
// with ctx; the caller closes it.
func (c *Client) Logs(ctx context.Context, uuid, container string, previous bool, opts capsule.LogOptions) (io.ReadCloser, error) {
	q := url.Values{"container": {container}}
	flag := func(name string, on bool) {
		if on {
			q.Set(name, "true")
		}
	}
	flag("previous", previous)
	flag("follow", opts.Follow)
	flag("timestamps", opts.Timestamps)
	flag(string(opts.Stream), opts.Stream != "")
	if opts.Tail >= 0 {
		q.Set("tail", strconv.FormatInt(opts.Tail, 10))
	}
	if !opts.Since.IsZero() {
		q.Set("since", opts.Since.UTC().Format(time.RFC3339Nano))
	}
	if !opts.Until.IsZero() {
		q.Set("until", opts.Until.UTC().Format(time.RFC3339Nano))
	}
	return c.stream(ctx, "read the log of "+place(container, uuid), c.capsuleURL(uuid)+"/logs?"+q.Encode())
}

// place is where something is done, for people. A record of another kind than a capsule has one container, which needs no name.
func place(container, uuid string) string {
	if container == "" {
		return "container " + uuid
	}
	return container + " in capsule " + uuid
}

// Archive opens what lies at a path of a container of the capsule, as a tar file. NotFound: there is no such path. The stream ends with
// ctx; the caller closes it. uuid may be that of a container of another kind of record, without a container then.
func (c *Client) Archive(ctx context.Context, uuid, container, path string) (io.ReadCloser, error) {
	return c.stream(ctx, "copy "+path+" out of "+uuid, c.archiveURL(uuid, container, path))
}

// Unpack unpacks a tar file in a directory of a container of the capsule, as Archive has it.
func (c *Client) Unpack(ctx context.Context, uuid, container, dir string, tar io.Reader) error {
	_, err := c.service.Request(ctx, http.MethodPut, c.archiveURL(uuid, container, dir), &gophercloud.RequestOpts{ //nolint:bodyclose // there is none
		OkCodes: []int{http.StatusOK}, RawBody: tar, MoreHeaders: map[string]string{"Content-Type": "application/x-tar"},
	})
	if err != nil {
		return fmt.Errorf("copy into %s of %s: %w", dir, uuid, classify(err))
	}
	return nil
}

func (c *Client) archiveURL(uuid, container, path string) string {
	q := url.Values{"path": {path}}
	if container != "" {
		q.Set("container", container)
	}
	return c.capsuleURL(uuid) + "/archive?" + q.Encode()
}

// stream opens an answer that lasts as long as ctx.
func (c *Client) stream(ctx context.Context, what, target string) (io.ReadCloser, error) {
	resp, err := c.service.Request(ctx, http.MethodGet, target, &gophercloud.RequestOpts{
		OkCodes:          []int{http.StatusOK},
		MoreHeaders:      map[string]string{"Accept": mediaType},
		KeepResponseBody: true,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, classify(err))
	}
	return resp.Body, nil
}
