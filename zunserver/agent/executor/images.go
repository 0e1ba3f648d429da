package executor

import (
	"context"

	"github.com/capsulet/capsulet/zunserver/image"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Pull gets an image that is asked for as such; it joins a pull for a container that is under way.
func (e *Executor) Pull(ctx context.Context, r image.Request) (runtime.Image, error) {
	return e.images.Ensure(ctx, r)
}
