package agent

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Kill sends a signal, by name or number, to the main process of a running container of a capsule of this host. What follows
// its end says the restart policy: whoever wants it to stay ended asks for [capsule.WantStopped] with no grace instead.
func (a *Agent) Kill(ctx context.Context, c *capsule.Capsule, name, signal string) error {
	run, err := runningRun(c, name)
	if err != nil {
		return err
	}
	if err := a.cfg.Runtime.Kill(ctx, run.ID, signal); err != nil {
		return fmt.Errorf("sending a signal to container %s: %w", name, err)
	}
	return nil
}

// defaultStopSignal is the engines'.
const defaultStopSignal = "SIGTERM"

// StopSignal is the signal, by name or number, that stops a container of a capsule of this host: its own, its image's, or SIGTERM.
func (a *Agent) StopSignal(ctx context.Context, c *capsule.Capsule, name string) (string, error) {
	run, err := runningRun(c, name)
	if err != nil {
		return "", err
	}
	if cs, _ := c.Spec.Container(name); cs.Lifecycle != nil && cs.Lifecycle.StopSignal != nil {
		return string(*cs.Lifecycle.StopSignal), nil
	}
	image, err := a.cfg.Runtime.Image(ctx, run.ImageID)
	if err != nil && !errdefs.IsNotFound(err) { // an image may be removed while what was made of it runs
		return "", fmt.Errorf("looking for the stop signal of container %s: %w", name, err)
	}
	return cmp.Or(image.StopSignal, defaultStopSignal), nil
}

const (
	maxPSArgs  = 256
	psArgChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_,:%+= "
)

// Processes lists what runs in a container of a capsule of this host, as ps does with psArgs; the engine's own when empty.
// The engine runs ps on the host: arguments with other than what options, columns and formats are made of are of the class
// InvalidArgument.
func (a *Agent) Processes(ctx context.Context, c *capsule.Capsule, name, psArgs string) (capsule.ProcessTable, error) {
	run, err := runningRun(c, name)
	if err != nil {
		return capsule.ProcessTable{}, err
	}
	if len(psArgs) > maxPSArgs || strings.Trim(psArgs, psArgChars) != "" {
		return capsule.ProcessTable{}, fmt.Errorf("%w: ps_args: at most %d letters, digits and characters of %q are taken",
			errdefs.ErrInvalidArgument, maxPSArgs, "-_,:%+= ")
	}
	t, err := a.cfg.Runtime.Processes(ctx, run.ID, strings.Fields(psArgs))
	if err != nil {
		return capsule.ProcessTable{}, fmt.Errorf("listing the processes of container %s: %w", name, err)
	}
	return t, nil
}

// CopyFrom returns a tar stream of a path in a container of a capsule of this host, which need not run, and what is there. The
// caller closes it.
func (a *Agent) CopyFrom(ctx context.Context, c *capsule.Capsule, name, path string) (io.ReadCloser, capsule.PathStat, error) {
	run, err := madeRun(c, name)
	if err != nil {
		return nil, capsule.PathStat{}, err
	}
	content, stat, err := a.cfg.Runtime.CopyFrom(ctx, run.ID, path)
	if err != nil {
		return nil, stat, fmt.Errorf("copying out of container %s: %w", name, err)
	}
	return content, stat, nil
}

// CopyTo unpacks a tar stream in a directory of a container of a capsule of this host, which need not run.
func (a *Agent) CopyTo(ctx context.Context, c *capsule.Capsule, name, path string, tar io.Reader) error {
	run, err := madeRun(c, name)
	if err != nil {
		return err
	}
	if err := a.cfg.Runtime.CopyTo(ctx, run.ID, path, tar); err != nil {
		return fmt.Errorf("copying into container %s: %w", name, err)
	}
	return nil
}

// labelProject is the label of a committed image that says whose it is.
const labelProject = "io.capsulet.project"

// Commit makes an image of a container of a capsule of this host, on this host, and returns its ID. An image that has the name
// already is replaced only if it was committed by the same project: other containers may be made of it. It is of the class
// AlreadyExists otherwise.
func (a *Agent) Commit(ctx context.Context, c *capsule.Capsule, name, repository, tag string) (imageID string, err error) {
	run, err := madeRun(c, name)
	if err != nil {
		return "", err
	}
	named, err := reference.ParseNormalizedNamed(repository)
	if err == nil && !reference.IsNameOnly(named) {
		err = fmt.Errorf("%q has a tag or a digest", repository)
	}
	if err == nil && tag != "" {
		named, err = reference.WithTag(named, tag)
	}
	if err != nil {
		return "", fmt.Errorf("%w: repository and tag are no reference: %w", errdefs.ErrInvalidArgument, err)
	}
	ref := reference.TagNameOnly(named).String()
	switch there, err := a.cfg.Runtime.Image(ctx, ref); {
	case errdefs.IsNotFound(err):
	case err != nil:
		return "", fmt.Errorf("looking for image %s: %w", ref, err)
	case there.Labels[labelProject] != c.Project || c.Project == "":
		return "", fmt.Errorf("%w: there is an image %s on the host that this project has not committed", errdefs.ErrAlreadyExists, ref)
	}
	id, err := a.cfg.Runtime.Commit(ctx, run.ID, ref, map[string]string{labelProject: c.Project})
	if err != nil {
		return "", fmt.Errorf("making an image of container %s: %w", name, err)
	}
	return id, nil
}

// madeRun is the newest attempt of a container that the engine still has.
func madeRun(c *capsule.Capsule, name string) (*capsule.Run, error) {
	if cs, _ := c.Spec.Container(name); cs == nil {
		return nil, fmt.Errorf("%w: container %s is not valid for capsule %s", errdefs.ErrInvalidArgument, name, c.Spec.Name)
	}
	cf := c.Facts.Container(name)
	if cf == nil || cf.Run == nil || cf.Run.Lost {
		return nil, fmt.Errorf("%w: container %s of capsule %s is not there", errdefs.ErrFailedPrecondition, name, c.Spec.Name)
	}
	return cf.Run, nil
}
