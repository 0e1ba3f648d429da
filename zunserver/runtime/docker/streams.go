package docker

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Logs copies the log of a container.
func (h *Host) Logs(ctx context.Context, id string, opts capsule.LogOptions, stdout, stderr io.Writer) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	log, err := api.ContainerLogs(ctx, r.ID, logsOptions(opts))
	if err != nil {
		return fail(err, "logs of container %s", id)
	}
	defer func() { _ = log.Close() }()
	if err := demultiplex(r.Config.Tty, stdout, stderr, log); err != nil {
		return fail(err, "logs of container %s", id)
	}
	// A stream that ends with its context looks like one that came to its end.
	if ctx.Err() != nil {
		return fmt.Errorf("logs of container %s: %w", id, ctx.Err())
	}
	return nil
}

func logsOptions(opts capsule.LogOptions) container.LogsOptions {
	out := container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: opts.Follow, Timestamps: opts.Timestamps,
		Since: seconds(opts.Since), Until: seconds(opts.Until), Tail: "all",
	}
	if opts.Tail >= 0 {
		out.Tail = strconv.FormatInt(opts.Tail, 10)
	}
	return out
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
func (h *Host) CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, error) {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return nil, err
	}
	api, err := h.api(ctx)
	if err != nil {
		return nil, err
	}
	content, _, err := api.CopyFromContainer(ctx, r.ID, path)
	if err != nil {
		return nil, fail(err, "copy %s from container %s", path, id)
	}
	return content, nil
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
