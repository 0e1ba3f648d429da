package docker

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/versions"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/logs"
)

const (
	// lossless is the API of the first engine (23) that loses nothing of a log that it rotates while somebody follows.
	lossless = "1.42"
	// fewLines is how many of the last lines are read first when there are new ones; readPause is how long the next reading
	// waits at least, and readAnyway when there is one although the engine has said nothing.
	fewLines, readPause, readAnyway = 1000, 50 * time.Millisecond, 10 * time.Second
)

func (c *connection) losesLines() bool { return versions.LessThan(c.ClientVersion(), lossless) }

// followAgain follows a log by reading it whenever the engine says that there is more. It returns at its end, or when the
// engine breaks off.
func followAgain(ctx context.Context, api *connection, id string, opts capsule.LogOptions, log *logs.Follower) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wakes := logsOptions(capsule.LogOptions{Follow: true, Stream: opts.Stream, Until: opts.Until})
	more, err := api.ContainerLogs(ctx, id, wakes)
	if err != nil {
		return err
	}
	defer more.Close()
	news, over := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(over)
		for buffer := make([]byte, 64<<10); ; {
			if _, err := more.Read(buffer); err != nil {
				return
			}
			select {
			case news <- struct{}{}:
			default: // it is known already
			}
		}
	}()
	r := rereader{api, id, opts, log}
	if err := r.begin(ctx); err != nil {
		return err
	}
	anyway := time.NewTicker(readAnyway)
	defer anyway.Stop()
	for ended := false; !ended; {
		select {
		case <-news:
		case <-anyway.C:
		case <-over:
			ended = true
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := r.rest(ctx); err != nil {
			return err
		}
		select { // what is written in small pieces is read in larger ones
		case <-time.After(readPause):
		case <-over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// rereader reads a log in parts that overlap.
type rereader struct {
	api  *connection
	id   string
	opts capsule.LogOptions
	log  *logs.Follower
}

// begin reads what was there before. Also who wants none of it has to know where it ends.
func (r *rereader) begin(ctx context.Context) error {
	o, skip := r.opts, r.opts.Tail == 0
	if skip {
		o.Tail = 1
	}
	log, err := r.api.ContainerLogs(ctx, r.id, once(o))
	if err != nil {
		return err
	}
	defer log.Close()
	return r.log.Begin(log, skip)
}

// rest reads what has come since: the last lines, of which there have to be enough to begin with one that is known.
func (r *rereader) rest(ctx context.Context) error {
	o := r.opts
	if since := r.log.Since(); since.After(o.Since) {
		o.Since = since
	}
	for o.Tail = fewLines; ; o.Tail *= 8 {
		all := o.Tail > fewLines<<12
		if all {
			o.Tail = -1
		}
		if done, err := r.read(ctx, o, all); done || err != nil {
			return err
		}
	}
}

func (r *rereader) read(ctx context.Context, o capsule.LogOptions, all bool) (bool, error) {
	log, err := r.api.ContainerLogs(ctx, r.id, once(o))
	if err != nil {
		return false, err
	}
	defer log.Close()
	return r.log.Take(log, all)
}
