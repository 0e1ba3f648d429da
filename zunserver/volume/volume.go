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
	// idempotent and keeps what is in a volume. InvalidArgument: the volume can never be made as asked on this host.
	Prepare(ctx context.Context, c *capsule.Capsule) (map[string]runtime.Mount, error)
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

// Remove has nothing to do.
func (Far) Remove(context.Context, string) error { return nil }
