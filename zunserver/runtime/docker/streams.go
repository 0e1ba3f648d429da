package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/convert"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/logs"
)

// Logs copies the log of a container: out of the engine's files where they are at hand, else through its API.
func (h *Host) Logs(ctx context.Context, id string, opts capsule.LogOptions, stdout, stderr io.Writer) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	switch opts.Stream {
	case capsule.Stdout:
		stderr = nil
	case capsule.Stderr:
		stdout = nil
	}
	err = h.copyLog(ctx, r, opts, stdout, stderr)
	switch {
	case ctx.Err() != nil: // a stream that ends with its context looks like one that came to its end
		return fmt.Errorf("logs of container %s: %w", id, ctx.Err())
	case err != nil:
		return fail(err, "logs of container %s", id)
	default:
		return nil
	}
}

func (h *Host) copyLog(ctx context.Context, r container.InspectResponse, opts capsule.LogOptions, stdout, stderr io.Writer) error {
	if h.near && r.HostConfig.LogConfig.Type == convert.LogDriver {
		err := h.copyFiles(ctx, r.ID, opts, stdout, stderr)
		if !errors.Is(err, logs.ErrElsewhere) {
			return err
		}
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if opts.Follow && !r.Config.Tty && api.losesLines() { // of a terminal it does not send entries
		err = followAgain(ctx, api, r.ID, opts, logs.NewFollower(opts.Timestamps, stdout, stderr))
	} else {
		err = copyOnce(ctx, api, r, opts, stdout, stderr)
	}
	if err != nil || !opts.Follow || !opts.Until.IsZero() || ctx.Err() != nil {
		return err
	}
	// An engine that goes down ends its answers as if all were said.
	wctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	if err := h.awaitEnd(wctx, r.ID); err != nil {
		return fmt.Errorf("it broke off while the container runs: %w (%v)", errdefs.ErrUnavailable, err) //nolint:errorlint // a deadline of its own
	}
	return nil
}

// copyOnce copies what the engine sends.
func copyOnce(ctx context.Context, api *connection, r container.InspectResponse, opts capsule.LogOptions, stdout, stderr io.Writer) error {
	log, err := api.ContainerLogs(ctx, r.ID, logsOptions(opts))
	if err != nil {
		return err
	}
	defer log.Close()
	if r.Config.Tty {
		return demultiplex(true, stdout, nil, log)
	}
	return logs.CopyFrames(log, opts.Timestamps, stdout, stderr)
}

const (
	// endPatience is how long after the end of its log a container may be seen running.
	endPatience = 5 * time.Second
	// absencePatience is how long an engine may be away while the log of one of its containers is followed in its files.
	absencePatience = 30 * time.Second
)

// copyFiles copies the log out of the engine's files. To know when the container ends it asks the engine.
func (h *Host) copyFiles(ctx context.Context, id string, opts capsule.LogOptions, stdout, stderr io.Writer) error {
	root, err := h.rootDir(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	if opts.Follow {
		go func() {
			defer close(ended)
			if err := h.awaitEndPatiently(ctx, id); err != nil {
				cancel(err)
			}
		}()
	}
	err = logs.CopyFiles(ctx, logs.Path(root, id), opts, ended, stdout, stderr)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// awaitEnd returns when the container does not run any more, or is gone.
func (h *Host) awaitEnd(ctx context.Context, id string) error {
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	answer, failed := api.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case <-answer:
		return nil
	case err := <-failed:
		if errdefs.IsNotFound(err) {
			return nil
		}
		return err
	}
}

// awaitEndPatiently goes on while the engine restarts.
func (h *Host) awaitEndPatiently(ctx context.Context, id string) error {
	var away time.Time // since when
	for {
		began := time.Now()
		err := h.awaitEnd(ctx, id)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if away.IsZero() || time.Since(began) > time.Second { // it was there
			away = time.Now()
		}
		if time.Since(away) > absencePatience {
			return fail(err, "ask whether container %s runs", id)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func logsOptions(opts capsule.LogOptions) container.LogsOptions {
	out := container.LogsOptions{
		ShowStdout: opts.Stream != capsule.Stderr, ShowStderr: opts.Stream != capsule.Stdout, Follow: opts.Follow, Timestamps: opts.Timestamps,
		Since: seconds(opts.Since), Until: seconds(opts.Until), Tail: "all",
	}
	if opts.Tail >= 0 {
		out.Tail = strconv.FormatInt(opts.Tail, 10)
	}
	return out
}

// once are the options for one reading of entries with their times.
func once(opts capsule.LogOptions) container.LogsOptions {
	opts.Follow, opts.Timestamps = false, true
	return logsOptions(opts)
}

// seconds is a time as the engine's API reads it with all its digits; empty for the zero time.
func seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond())
}

// demultiplex copies a container's output to where it belongs; nil writers lose it.
func demultiplex(tty bool, stdout, stderr io.Writer, from io.Reader) error {
	if stdout == nil {
		stdout = io.Discard
	}
	if stderr == nil {
		stderr = io.Discard
	}
	var err error
	if tty {
		_, err = io.Copy(stdout, from)
	} else {
		_, err = stdcopy.StdCopy(stdout, stderr, from)
	}
	return err
}

// CopyFrom returns a tar stream of a path. NotFound is the container's or the path's.
func (h *Host) CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, capsule.PathStat, error) {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return nil, capsule.PathStat{}, err
	}
	api, err := h.api(ctx)
	if err != nil {
		return nil, capsule.PathStat{}, err
	}
	content, stat, err := api.CopyFromContainer(ctx, r.ID, path)
	if err != nil {
		return nil, capsule.PathStat{}, fail(err, "copy %s from container %s", path, id)
	}
	return content, capsule.PathStat{
		Name: stat.Name, Size: stat.Size, Mode: stat.Mode, ModTime: stat.Mtime, LinkTarget: stat.LinkTarget,
	}, nil
}

// CopyTo unpacks a tar stream in a directory. What is copied below a tmpfs mount of a container, or onto a tmpfs volume of a
// container that does not run, is lost without an error: the engine mounts another one for the copy.
func (h *Host) CopyTo(ctx context.Context, id, path string, tar io.Reader) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if err := api.CopyToContainer(ctx, r.ID, path, tar, container.CopyToContainerOptions{}); err != nil {
		return fail(err, "copy to %s in container %s", path, id)
	}
	return nil
}
