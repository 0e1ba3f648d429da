package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// origin is when the capsule under measurement was posted, in nanoseconds since 1970; traces count from there.
var origin atomic.Int64

// traced prints what is asked of a host, and how long the answer took.
type traced struct{ runtime.Host }

func trace(began time.Time, format string, args ...any) {
	zero := time.Unix(0, origin.Load())
	fmt.Fprintf(os.Stderr, "  %8.1f ms  +%6.1f ms  %s\n", milliseconds(began.Sub(zero)), milliseconds(time.Since(began)),
		fmt.Sprintf(format, args...))
}

func (t traced) List(ctx context.Context, uuid string) ([]runtime.Container, error) {
	defer trace(time.Now(), "list %q", uuid)
	return t.Host.List(ctx, uuid)
}

func (t traced) Inspect(ctx context.Context, id string) (runtime.Container, error) {
	defer trace(time.Now(), "inspect %.12s", id)
	return t.Host.Inspect(ctx, id)
}

func (t traced) Create(ctx context.Context, cfg runtime.ContainerConfig) (string, error) {
	defer trace(time.Now(), "create %s", what(cfg.Identity))
	return t.Host.Create(ctx, cfg)
}

func (t traced) Start(ctx context.Context, id string) error {
	defer trace(time.Now(), "start %.12s", id)
	return t.Host.Start(ctx, id)
}

func (t traced) Stop(ctx context.Context, id string, grace time.Duration) error {
	defer trace(time.Now(), "stop %.12s", id)
	return t.Host.Stop(ctx, id, grace)
}

func (t traced) Remove(ctx context.Context, id string) error {
	defer trace(time.Now(), "remove %.12s", id)
	return t.Host.Remove(ctx, id)
}

func (t traced) Image(ctx context.Context, ref string) (runtime.Image, error) {
	defer trace(time.Now(), "image %s", ref)
	return t.Host.Image(ctx, ref)
}

func (t traced) Info(ctx context.Context) (runtime.Info, error) {
	defer trace(time.Now(), "info")
	return t.Host.Info(ctx)
}

func (t traced) Events(ctx context.Context) (<-chan runtime.Event, error) {
	in, err := t.Host.Events(ctx)
	if err != nil {
		return nil, err
	}
	out := make(chan runtime.Event)
	go func() {
		defer close(out)
		for e := range in {
			trace(time.Now(), "event %s %s %.12s", e.Action, what(e.Identity), e.ID)
			select {
			case out <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func what(i runtime.Identity) string {
	if i.Sandbox() {
		return "sandbox"
	}
	return i.Container
}
