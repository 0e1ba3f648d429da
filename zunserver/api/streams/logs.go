package streams

import (
	"fmt"
	"net/http"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// logPatience is how long the reader of a log may take nothing: people stop their terminals.
const logPatience = 10 * time.Minute

// logs is GET /v1/capsules/{id}/logs.
func (r *Resource) logs(c *rest.Call) error {
	one, container, err := r.find(c, auth.CapsuleLogs)
	if err != nil {
		return err
	}
	previous, err := c.Flag("previous")
	if err != nil {
		return err
	}
	opts, err := logOptions(c)
	if err != nil {
		return err
	}
	leave, err := r.Limit.Enter(c.Caller)
	if err != nil {
		return err
	}
	defer leave()
	s := c.Stream("application/octet-stream")
	s.Patience = logPatience
	defer s.Close()
	if opts.Follow {
		timer := time.AfterFunc(rest.HeaderDelay, s.Begin)
		defer timer.Stop()
	}
	err = r.Backend.Logs(c.R.Context(), one, container, previous, opts, s, s)
	if errdefs.IsNotFound(err) {
		return rest.Refuse(http.StatusNotFound, "container-not-found", "Container %s of capsule %s has no such log: %s", container, one.UUID, err)
	}
	if err != nil {
		return fmt.Errorf("read the log of container %s of capsule %s: %w", container, one.UUID, err)
	}
	s.Begin()
	return nil
}

// containerOf is the name of the container that is meant: the only one when none is named.
func containerOf(c *capsule.Capsule, name string) (string, error) {
	if name == "" {
		if len(c.Spec.Containers) != 1 {
			return "", rest.InvalidValue("The capsule has %d containers: choose one with container=", len(c.Spec.Containers))
		}
		return c.Spec.Containers[0].Name, nil
	}
	if cs, _ := c.Spec.Container(name); cs == nil {
		return "", rest.NotFound(name)
	}
	return name, nil
}

func logOptions(c *rest.Call) (o capsule.LogOptions, err error) {
	if o.Follow, err = c.Flag("follow"); err != nil {
		return o, err
	}
	if o.Timestamps, err = c.Flag("timestamps"); err != nil {
		return o, err
	}
	o.Tail = -1
	if text := c.R.URL.Query().Get("tail"); text != "" && text != "all" { // all is Zun's word for no limit
		if o.Tail, _, err = c.Number("tail", 0); err != nil {
			return o, err
		}
	}
	if o.Since, err = c.Moment("since"); err != nil {
		return o, err
	}
	if o.Until, err = c.Moment("until"); err != nil {
		return o, err
	}
	if o.Stream, err = streamOf(c); err != nil {
		return o, err
	}
	if o.Stream != "" && o.Tail >= 0 {
		return o, rest.InvalidValue("tail and one of stdout and stderr exclude each other: the last lines are those of both")
	}
	return o, nil
}

// streamOf reads which outputs are wanted, as Zun's logs of containers have it: both unless one is chosen.
func streamOf(c *rest.Call) (capsule.Stream, error) {
	wanted := map[capsule.Stream]bool{}
	for _, stream := range []capsule.Stream{capsule.Stdout, capsule.Stderr} {
		on, err := c.Flag(string(stream))
		if err != nil {
			return "", err
		}
		wanted[stream] = on
	}
	switch {
	case wanted[capsule.Stdout] == wanted[capsule.Stderr]:
		return "", nil
	case wanted[capsule.Stdout]:
		return capsule.Stdout, nil
	default:
		return capsule.Stderr, nil
	}
}
