package containers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/containers/history"
	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// imperativeTimeout bounds what is done once, after the request.
const imperativeTimeout = 10 * time.Minute

// record adds an action to the history of the container.
func (r *Resource) record(c *rest.Call, t target.Target, action string, goal history.Goal) {
	r.History.Add(c.R.Context(), history.Action{
		Action: action, Container: t.Spec().UUID, Request: c.ID(), User: c.Caller.User, Project: c.Caller.Project,
		Started: r.Now().UTC(), Goal: goal,
	})
}

// once does something after the request is answered, and records it.
func (r *Resource) once(c *rest.Call, t target.Target, action string, do func(context.Context) error) error {
	until := r.Now().UTC().Add(imperativeTimeout)
	container, request := t.Spec().UUID, c.ID()
	r.record(c, t, action, history.Goal{Until: until.Add(time.Minute)})
	started := r.Jobs.Go(imperativeTimeout, func(ctx context.Context) {
		err := do(ctx)
		ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), imperativeTimeout/60)
		defer cancel()
		r.History.Finish(ended, container, request, err)
	})
	if !started {
		err := fmt.Errorf("the server is ending, or has too much to do: %w", errdefs.ErrUnavailable)
		r.History.Finish(c.R.Context(), container, request, err)
		return err
	}
	return nil
}

type killQuery struct {
	Signal string `query:"signal" description:"The name or the number of a signal; SIGKILL when not given."`
}

// kill is POST /v1/containers/{id}/kill.
func (r *Resource) kill(c *rest.Call) error {
	p, err := target.ParamsOf(c, "signal")
	if err != nil {
		return err
	}
	word, err := p.Text("signal")
	if err != nil {
		return err
	}
	signal, ok := signalOf(word)
	if !ok {
		return rest.InvalidField("signal", "Value: '%.32s'. It is not the name or the number of a signal", word)
	}
	if signal == "SIGKILL" {
		t, err := r.want(c, "kill", func(_ target.Target, w *capsule.Want) error {
			w.State, w.GraceSeconds = capsule.WantStopped, new(int64)
			return nil
		})
		if err == nil {
			r.recordWant(c, t, "kill")
		}
		return accepted(c, err)
	}
	t, err := r.Look(c, "kill")
	if err != nil {
		return err
	}
	if err := t.Alone("kill"); err != nil {
		return err
	}
	return accepted(c, r.once(c, t, "kill", func(ctx context.Context) error { return r.send(ctx, t, signal) }))
}

// send sends a signal. That which stops the container is its owner's word that it shall end, so that the restart policy is not in
// force before the next start; what runs on in spite of it runs on. That is written before the signal goes, and taken back if it
// does not.
func (r *Resource) send(ctx context.Context, t target.Target, signal string) error {
	word, err := r.Control.StopSignal(ctx, t.Record, t.Name)
	if err != nil {
		return err
	}
	if stops, ok := signalOf(word); !ok || stops != signal {
		return r.Control.Kill(ctx, t.Record, t.Name, signal)
	}
	if err := r.suspend(ctx, t, true); err != nil {
		return err
	}
	if err := r.Control.Kill(ctx, t.Record, t.Name, signal); err != nil {
		return errors.Join(err, r.suspend(ctx, t, false))
	}
	return nil
}

// suspend takes the restart policy out of force, or back into it, unless another start was asked for since.
func (r *Resource) suspend(ctx context.Context, t target.Target, on bool) error {
	_, err := r.rewrite(ctx, t.Record.UUID, func(one *capsule.Capsule) error {
		if own := one.StandaloneOf(t.Name); own != nil && own.Want.Starts == t.Own().Want.Starts {
			own.Want.NoRestart = on
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("suspend the restart policy of container %s: %w", t.Spec().UUID, err)
	}
	return nil
}

type commitQuery struct {
	Repository string `query:"repository" description:"The name of the image."`
	Tag        string `query:"tag" description:"Its tag; latest when not given."`
}

// commitment is the answer of commit: the image that will be there.
type commitment struct {
	UUID string `json:"uuid"`
}

// commit is POST /v1/containers/{id}/commit.
func (r *Resource) commit(c *rest.Call) error {
	p, err := target.ParamsOf(c, "repository", "tag")
	if err != nil {
		return err
	}
	repository, err := p.Needed("repository")
	if err != nil {
		return err
	}
	tag, err := p.Text("tag")
	if err != nil {
		return err
	}
	if repository, tag, err = imageName(repository, tag); err != nil {
		return err
	}
	t, err := r.Look(c, "commit")
	if err != nil {
		return err
	}
	err = r.once(c, t, "commit", func(ctx context.Context) error {
		_, err := r.Control.Commit(ctx, t.Record, t.Name, repository, tag)
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, commitment{capsule.ImageUUID(t.Record.Claim.Host, repository, tag)})
}

// recordWant records an action whose goal is what is wanted now.
func (r *Resource) recordWant(c *rest.Call, t target.Target, action string) {
	want := t.Own().Want
	r.record(c, t, action, history.Goal{Want: &want})
}

// Containing returns the record that has a container with this UUID, and its name there, for [history.Log]; NotFound.
func Containing(b Finder) history.Lookup {
	return func(ctx context.Context, id string) (*capsule.Capsule, string, error) {
		one, err := b.CapsuleOfContainer(ctx, id)
		if err != nil {
			return nil, "", err
		}
		for _, list := range [][]capsule.ContainerSpec{one.Spec.Containers, one.Spec.InitContainers, one.Spec.EphemeralContainers} {
			for i := range list {
				if list[i].UUID == id {
					return one, list[i].Name, nil
				}
			}
		}
		return nil, "", fmt.Errorf("find container %s: %w", id, errdefs.ErrNotFound)
	}
}

// Finder finds records by the UUIDs of their containers.
type Finder interface {
	CapsuleOfContainer(ctx context.Context, uuid string) (*capsule.Capsule, error)
}
