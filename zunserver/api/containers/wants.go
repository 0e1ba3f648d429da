package containers

import (
	"fmt"
	"net/http"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/containers/creation"
	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

type timeoutQuery struct {
	Timeout int `query:"timeout" description:"Seconds that it gets to stop; 10 when not given."`
}

type rebuildQuery struct {
	Image       string `query:"image" description:"Another image."`
	ImageDriver string `query:"image_driver" description:"docker."`
}

// want changes what is wanted of the container that the request means: edit may change the container and its entry. Whether the
// state allows it is looked at in the same write.
func (r *Resource) want(c *rest.Call, action string, edit func(t target.Target, w *capsule.Want) error) (target.Target, error) {
	t, err := r.Find(c, auth.Action("container:"+action))
	if err != nil {
		return t, err
	}
	return r.change(c, t, action, func(t target.Target) error {
		if err := t.Check(action, r.Now()); err != nil {
			return err
		}
		w := &t.Own().Want
		before := *w
		if err := edit(t, w); err != nil {
			return err
		}
		if !w.Same(before) { // what is asked for again has begun when it was asked for first
			w.At = r.Now().UTC()
		}
		return nil
	})
}

// change writes what edit makes of a container that is one of its own.
func (r *Resource) change(c *rest.Call, t target.Target, action string, edit func(target.Target) error) (target.Target, error) {
	if err := t.Alone(action); err != nil {
		return t, err
	}
	if t.Record.Deletion != nil {
		return t, t.Check(action, r.Now())
	}
	r.History.Catch(c.R.Context(), t.Spec().UUID)
	made, err := r.rewrite(c.R.Context(), t.Record.UUID, func(one *capsule.Capsule) error {
		now := target.Target{Record: one, Name: t.Name, InCapsule: t.InCapsule}
		if now.Spec() == nil || now.Own() == nil && !t.InCapsule {
			return rest.NotFound(c.R.PathValue("id"))
		}
		return edit(now)
	})
	if errdefs.IsNotFound(err) {
		return t, rest.NotFound(c.R.PathValue("id"))
	}
	if err != nil {
		return t, fmt.Errorf("%s container %s: %w", action, t.Spec().UUID, err)
	}
	return target.Target{Record: made, Name: t.Name, InCapsule: t.InCapsule}, nil
}

// act is want for an action with no more than a time to stop, answered with 202.
func (r *Resource) act(c *rest.Call, action string, edit func(t target.Target, w *capsule.Want), names ...string) error {
	p, err := target.ParamsOf(c, names...)
	if err != nil {
		return err
	}
	seconds, given, err := p.Whole("timeout", 0)
	if err != nil {
		return err
	}
	t, err := r.want(c, action, func(t target.Target, w *capsule.Want) error {
		w.GraceSeconds = nil
		if given {
			w.GraceSeconds = &seconds
		}
		edit(t, w)
		return nil
	})
	if err == nil {
		r.recordWant(c, t, action)
	}
	return accepted(c, err)
}

// accepted answers 202 without a body.
func accepted(c *rest.Call, err error) error {
	if err == nil {
		c.W.WriteHeader(http.StatusAccepted)
	}
	return err
}

// start is POST /v1/containers/{id}/start. While one is under way, another one is the same: it is no reboot.
func (r *Resource) start(c *rest.Call) error {
	return r.act(c, "start", func(t target.Target, w *capsule.Want) {
		if t.Record.Starting(t.Name) {
			w.State = capsule.WantRunning
		} else {
			w.Start()
		}
	})
}

// stop is POST /v1/containers/{id}/stop.
func (r *Resource) stop(c *rest.Call) error {
	return r.act(c, "stop", func(_ target.Target, w *capsule.Want) { w.State = capsule.WantStopped }, "timeout")
}

// reboot is POST /v1/containers/{id}/reboot.
func (r *Resource) reboot(c *rest.Call) error {
	return r.act(c, "reboot", func(_ target.Target, w *capsule.Want) { w.Start() }, "timeout")
}

// pause is POST /v1/containers/{id}/pause.
func (r *Resource) pause(c *rest.Call) error {
	return r.act(c, "pause", func(_ target.Target, w *capsule.Want) { w.State = capsule.WantPaused })
}

// unpause is POST /v1/containers/{id}/unpause.
func (r *Resource) unpause(c *rest.Call) error {
	return r.act(c, "unpause", func(_ target.Target, w *capsule.Want) { w.State = capsule.WantRunning })
}

// rebuild is POST /v1/containers/{id}/rebuild: what ran runs again, what did not is made and not started.
func (r *Resource) rebuild(c *rest.Call) error {
	p, err := target.ParamsOf(c, "image", "image_driver")
	if err != nil {
		return err
	}
	image, err := p.Text("image")
	if err == nil && image != "" {
		err = creation.CheckImage(image)
	}
	if err != nil {
		return err
	}
	driver, err := p.Text("image_driver")
	if err == nil {
		err = creation.CheckDriver(driver)
	}
	if err != nil {
		return err
	}
	t, err := r.want(c, "rebuild", func(t target.Target, w *capsule.Want) error {
		runs := t.Status(r.Now()) == capsule.StatusRunning
		if image != "" {
			t.Spec().Image = image
		}
		w.GraceSeconds = nil
		w.Start()
		if w.Rebuild = w.Starts; !runs {
			w.State = capsule.WantCreated
		}
		return nil
	})
	if err == nil {
		r.recordWant(c, t, "rebuild")
	}
	return accepted(c, err)
}
