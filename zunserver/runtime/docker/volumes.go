package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"github.com/docker/docker/api/types/container"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/convert"
)

// CreateVolume makes a volume of the engine's local driver. The engine itself returns one that exists.
func (h *Host) CreateVolume(ctx context.Context, cfg runtime.VolumeConfig) (runtime.Volume, error) {
	api, err := h.api(ctx)
	if err != nil {
		return runtime.Volume{}, err
	}
	o := volume.CreateOptions{
		Name: cfg.Name, Driver: "local",
		Labels: map[string]string{runtime.LabelInstance: h.cfg.Instance, runtime.LabelCapsule: cfg.Capsule},
	}
	if cfg.Memory {
		options := "nodev,nosuid,mode=0755"
		if cfg.SizeBytes > 0 {
			options += ",size=" + strconv.FormatInt(cfg.SizeBytes, 10)
		}
		o.DriverOpts = map[string]string{"type": "tmpfs", "device": "tmpfs", "o": options}
	}
	v, err := api.VolumeCreate(ctx, o)
	if err != nil {
		return runtime.Volume{}, fail(err, "create volume %s", cfg.Name)
	}
	if v.Labels[runtime.LabelInstance] != h.cfg.Instance || v.Labels[runtime.LabelCapsule] != cfg.Capsule {
		return runtime.Volume{}, fmt.Errorf("create volume %s: the name is taken by a volume that is not this capsule's: %w", cfg.Name, errdefs.ErrAlreadyExists)
	}
	return runtime.Volume{Name: v.Name, Mountpoint: v.Mountpoint}, nil
}

// ListVolumes returns the volumes of a capsule.
func (h *Host) ListVolumes(ctx context.Context, uuid string) ([]runtime.Volume, error) {
	api, err := h.api(ctx)
	if err != nil {
		return nil, err
	}
	r, err := api.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", runtime.LabelInstance+"="+h.cfg.Instance), filters.Arg("label", runtime.LabelCapsule+"="+uuid))})
	if err != nil {
		return nil, fail(err, "list volumes")
	}
	var all []runtime.Volume
	for _, v := range r.Volumes {
		all = append(all, runtime.Volume{Name: v.Name, Mountpoint: v.Mountpoint})
	}
	return all, nil
}

// RemoveVolume deletes a volume.
func (h *Host) RemoveVolume(ctx context.Context, name string) error {
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if err := api.VolumeRemove(ctx, name, false); err != nil && !errdefs.IsNotFound(err) {
		return fail(err, "remove volume %s", name)
	}
	return nil
}

// Stats asks for one reading. Engines before 28 take it from a collector that ticks once a second.
func (h *Host) Stats(ctx context.Context, id string) (capsule.Usage, []capsule.Interface, error) {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return capsule.Usage{}, nil, err
	}
	if convert.State(r.State) != capsule.StateRunning {
		return capsule.Usage{}, nil, fmt.Errorf("statistics of container %s: it does not run: %w", id, errdefs.ErrNotFound)
	}
	api, err := h.api(ctx)
	if err != nil {
		return capsule.Usage{}, nil, err
	}
	answer, err := api.ContainerStatsOneShot(ctx, r.ID)
	if err != nil {
		return capsule.Usage{}, nil, fail(err, "statistics of container %s", id)
	}
	defer func() { _ = answer.Body.Close() }()
	var s container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		return capsule.Usage{}, nil, fail(err, "statistics of container %s", id)
	}
	if s.Read.IsZero() { // it ended meanwhile
		return capsule.Usage{}, nil, fmt.Errorf("statistics of container %s: it does not run: %w", id, errdefs.ErrNotFound)
	}
	usage, networks := convert.Stats(s)
	return usage, networks, nil
}
