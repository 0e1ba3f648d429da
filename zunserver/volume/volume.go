package volume

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Driver prepares volumes on one host. Implementations are safe for concurrent use for different capsules.
type Driver interface {
	// Prepare makes every volume of the capsule and returns how it is mounted, by name; Target is the caller's. It is
	// idempotent, brings the files of files volumes up to date in one step, and keeps what is in other volumes. InvalidArgument: the volume can never be made as asked on this host.
	Prepare(ctx context.Context, c *capsule.Capsule) (map[string]runtime.Mount, error)
	// SubPath makes the file or directory sub of a prepared volume a path of its own, for the index-th mount of a
	// container, and returns it; missing directories are made. It never leads out of the volume. Each attempt of the
	// container asks again. An error of the class [ErrMissingSubPath]: sub was not there and could not be made.
	SubPath(uuid, container string, index int, volume runtime.Mount, sub string) (string, error)
	// Remove deletes the volumes of a capsule; nil when there are none.
	Remove(ctx context.Context, uuid string) error
}

// Far is the driver of hosts whose file system is not ours.
type Far struct{}

// Prepare refuses volumes by name.
func (Far) Prepare(_ context.Context, c *capsule.Capsule) (map[string]runtime.Mount, error) {
	for _, v := range c.Spec.Volumes {
		return nil, fmt.Errorf("%w: volume %q: volumes on hosts that do not share capsulet's file system are not supported yet",
			errdefs.ErrInvalidArgument, v.Name)
	}
	return map[string]runtime.Mount{}, nil
}

// SubPath has nothing to look into.
func (Far) SubPath(string, string, int, runtime.Mount, string) (string, error) {
	return "", fmt.Errorf("%w: volumes on hosts that do not share capsulet's file system are not supported yet", errdefs.ErrInvalidArgument)
}

// Remove has nothing to do.
func (Far) Remove(context.Context, string) error { return nil }
