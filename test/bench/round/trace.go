package round

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// origin is when the round began, in nanoseconds since 1970; traces count from there.
var origin atomic.Int64

// Begin begins a round.
func Begin() time.Time {
	now := time.Now()
	origin.Store(now.UnixNano())
	return now
}

// Milliseconds is how long after the beginning of the round t is.
func Milliseconds(t time.Time) float64 { return milliseconds(t.Sub(time.Unix(0, origin.Load()))) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Traced prints what is asked of a host, and how long the answer took.
type Traced struct{ runtime.Host }

// Trace prints something that began then and is over now.
func Trace(began time.Time, format string, args ...any) {
	fmt.Fprintf(os.Stderr, "  %8.1f ms  +%6.1f ms  %s\n", Milliseconds(began), milliseconds(time.Since(began)),
		fmt.Sprintf(format, args...))
}

// List implements runtime.Host.
func (t Traced) List(ctx context.Context, uuid string) ([]runtime.Container, error) {
	defer Trace(time.Now(), "list %q", uuid)
	return t.Host.List(ctx, uuid)
}

// Inspect implements runtime.Host.
func (t Traced) Inspect(ctx context.Context, id string) (runtime.Container, error) {
	defer Trace(time.Now(), "inspect %.12s", id)
	return t.Host.Inspect(ctx, id)
}

// Create implements runtime.Host.
func (t Traced) Create(ctx context.Context, cfg runtime.ContainerConfig) (string, error) {
	defer Trace(time.Now(), "create %s", what(cfg.Identity))
	return t.Host.Create(ctx, cfg)
}

// Start implements runtime.Host.
func (t Traced) Start(ctx context.Context, id string) error {
	defer Trace(time.Now(), "start %.12s", id)
	return t.Host.Start(ctx, id)
}

// Stop implements runtime.Host.
func (t Traced) Stop(ctx context.Context, id string, grace time.Duration) error {
	defer Trace(time.Now(), "stop %.12s", id)
	return t.Host.Stop(ctx, id, grace)
}

// Remove implements runtime.Host.
func (t Traced) Remove(ctx context.Context, id string) error {
	defer Trace(time.Now(), "remove %.12s", id)
	return t.Host.Remove(ctx, id)
}

// Image implements runtime.Host.
func (t Traced) Image(ctx context.Context, ref string) (runtime.Image, error) {
	defer Trace(time.Now(), "image %s", ref)
	return t.Host.Image(ctx, ref)
}

// Info implements runtime.Host.
func (t Traced) Info(ctx context.Context) (runtime.Info, error) {
	defer Trace(time.Now(), "info")
	return t.Host.Info(ctx)
}

// Events implements runtime.Host.
func (t Traced) Events(ctx context.Context) (<-chan runtime.Event, error) {
	in, err := t.Host.Events(ctx)
	if err != nil {
		return nil, err
	}
	out := make(chan runtime.Event)
	go func() {
		defer close(out)
		for e := range in {
			Trace(time.Now(), "event %s %s %.12s", e.Action, what(e.Identity), e.ID)
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
