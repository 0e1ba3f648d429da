package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/classes"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/convert"
)

// CreateNetwork makes a bridge. Engines take two networks of one name, so the names are looked at before; who calls it twice at
// once for one name makes two.
func (h *Host) CreateNetwork(ctx context.Context, cfg runtime.NetworkConfig) error {
	all, err := h.ListNetworks(ctx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(all, func(n runtime.Network) bool { return n.Name == cfg.Name }); i >= 0 {
		if all[i].ID != cfg.ID {
			return fmt.Errorf("create network %s: the engine has another network of this name: %w", cfg.Name, errdefs.ErrAlreadyExists)
		}
		return nil
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if _, err := api.NetworkCreate(ctx, cfg.Name, convert.Network(cfg, h.cfg.Instance)); err != nil {
		return fmt.Errorf("create network %s: %w", cfg.Name, classes.OfNetwork(err))
	}
	return nil
}

// ListNetworks returns the networks of the engine.
func (h *Host) ListNetworks(ctx context.Context) ([]runtime.Network, error) {
	api, err := h.api(ctx)
	if err != nil {
		return nil, err
	}
	list, err := api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fail(err, "list networks")
	}
	all := make([]runtime.Network, 0, len(list))
	for _, n := range list {
		one := runtime.Network{Name: n.Name, Driver: n.Driver}
		if n.Labels[runtime.LabelInstance] == h.cfg.Instance {
			one.ID = n.Labels[runtime.LabelNetwork]
		}
		all = append(all, one)
	}
	return all, nil
}

// RemoveNetwork deletes a network.
func (h *Host) RemoveNetwork(ctx context.Context, name string) error {
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if err := api.NetworkRemove(ctx, name); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove network %s: %w", name, classes.OfNetwork(err))
	}
	return nil
}

// Connect puts a sandbox into a network.
func (h *Host) Connect(ctx context.Context, e runtime.Endpoint) error {
	r, err := h.inspect(ctx, e.ID)
	if err != nil {
		return err
	}
	if r.NetworkSettings != nil && r.NetworkSettings.Networks[e.Network] != nil {
		return nil
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	h.seen.Forget(r.ID)
	if err := api.NetworkConnect(ctx, e.Network, r.ID, convert.Endpoint(e.IPv4, e.IPv6)); err != nil {
		return fmt.Errorf("connect container %s to network %s: %w", strings.TrimPrefix(r.Name, "/"), e.Network, classes.OfNetwork(err))
	}
	return nil
}

// Disconnect takes a sandbox out of a network.
func (h *Host) Disconnect(ctx context.Context, id, name string) error {
	r, err := h.inspect(ctx, id)
	if err != nil {
		return err
	}
	if r.NetworkSettings == nil || r.NetworkSettings.Networks[name] == nil {
		return nil
	}
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	h.seen.Forget(r.ID)
	if err := api.NetworkDisconnect(ctx, name, r.ID, false); err != nil {
		return fmt.Errorf("disconnect container %s from network %s: %w", strings.TrimPrefix(r.Name, "/"), name, classes.OfNetwork(err))
	}
	return nil
}
