package executor

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/agent/container"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// subPaths makes the subPaths of a container's mounts and returns where they are, by the index of the mount. As with the
// kubelet, the error does not tell what the host's file system has to say; the log does.
func (e *Executor) subPaths(ctx context.Context, c *capsule.Capsule, cs *capsule.ContainerSpec, p container.Place,
	act lifecycle.Action,
) (map[int]runtime.Mount, error) {
	subs, err := container.SubPaths(cs, p.Refs)
	if err != nil || len(subs) == 0 {
		return nil, err
	}
	places := make(map[int]runtime.Mount, len(subs))
	for _, sub := range subs {
		vm := &cs.VolumeMounts[sub.Index]
		m, ok := p.Mounts[vm.Name]
		if !ok {
			return nil, fmt.Errorf("volume mount %q names a volume that is not there", vm.Name)
		}
		place, err := e.cfg.Volumes.SubPath(ctx, c, e.sandboxOf(c, act.SandboxID), volume.SubPath{
			Container: cs.Name, Index: sub.Index, Volume: m, Path: sub.Path, Recursive: sub.Recursive,
		})
		if errdefs.IsUnavailable(err) || errdefs.IsInvalidArgument(err) || ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			e.cfg.Log.WithError(err).WithFields(map[string]any{"capsule": c.UUID, "container": cs.Name}).Warn("Cannot prepare a subPath")
			what := "prepare subPath"
			if errors.Is(err, volume.ErrMissingSubPath) {
				what = "create subPath directory"
			}
			return nil, fmt.Errorf("failed to %s for volumeMount %q of container %q", what, vm.Name, cs.Name)
		}
		places[sub.Index] = place
	}
	return places, nil
}
