package zunserver

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/agent"
	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/api/admission"
	"github.com/capsulet/capsulet/zunserver/api/images"
	"github.com/capsulet/capsulet/zunserver/api/networks"
	"github.com/capsulet/capsulet/zunserver/api/quotas"
	"github.com/capsulet/capsulet/zunserver/api/registries"
	"github.com/capsulet/capsulet/zunserver/api/services"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// resources are what capsules and containers use, over the store and the agents.
func (s *Server) resources() api.Resources {
	limits := view.Quotas{Containers: quotas.Unlimited, Memory: quotas.Unlimited, CPU: quotas.Unlimited, Disk: quotas.Unlimited}
	if s.cfg.Quotas != nil {
		limits = *s.cfg.Quotas
	}
	ofRegistries := &registries.Resource{Table: store.NewTable[capsule.Registry](s.store, "registries"), Now: time.Now}
	return api.Resources{
		Networks:   &networks.Resource{Table: s.store.Networks(), Capsules: s.store, Engine: s.cfg.EngineNetworks, Now: time.Now},
		Registries: ofRegistries,
		Quotas: &quotas.Resource{
			Projects: store.NewTable[quotas.Own](s.store, "quotas"), Classes: store.NewTable[quotas.Own](s.store, "quota_classes"),
			Capsules: s.store, Defaults: limits,
		},
		Services: &services.Resource{Backend: s.store, Now: time.Now},
		Images: &images.Resource{
			Table: s.store.Images(), Hosts: imagesOf{s.agents}, Records: s.store, Registries: ofRegistries, Now: time.Now,
		},
	}
}

// admitted is the store behind the gate that every record of the API comes through.
type admitted struct {
	*store.Store
	gate *admission.Gate
}

func (s *Server) admitted(r *api.Resources) admitted {
	return admitted{s.store, admission.New(s.store, r.Networks, r.Registries, r.Quotas)}
}

// CreateCapsule is the gate's.
func (a admitted) CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error) {
	return a.gate.CreateCapsule(ctx, c)
}

// UpdateSpec is the gate's.
func (a admitted) UpdateSpec(ctx context.Context, uuid string, update func(*capsule.Spec) error) (*capsule.Capsule, error) {
	return a.gate.UpdateSpec(ctx, uuid, update)
}

// ReviseCapsule is the gate's.
func (a admitted) ReviseCapsule(ctx context.Context, uuid string, plan func(*capsule.Capsule) (*capsule.Capsule, error)) (*capsule.Capsule, error) {
	return a.gate.ReviseCapsule(ctx, uuid, plan)
}

// UpdateStandalone is the gate's.
func (a admitted) UpdateStandalone(ctx context.Context, uuid string, update func(*capsule.Spec, *[]capsule.Standalone) error) (*capsule.Capsule, error) {
	return a.gate.UpdateStandalone(ctx, uuid, update)
}

// imagesOf finds the agent of a host.
type imagesOf struct{ agents map[string]*agent.Agent }

// Images implements the Hosts of package api/images.
func (i imagesOf) Images(ctx context.Context, host string) ([]capsule.Image, error) {
	a := i.agents[host]
	if a == nil {
		return nil, notServed(host)
	}
	return a.Images(ctx)
}

// RemoveImage implements the Hosts of package api/images.
func (i imagesOf) RemoveImage(ctx context.Context, host, ref string) error {
	a := i.agents[host]
	if a == nil {
		return notServed(host)
	}
	return a.RemoveImage(ctx, ref)
}

// Pulls implements the Hosts of package api/images. Another server's agent looks by itself.
func (i imagesOf) Pulls(host string) {
	if a := i.agents[host]; a != nil {
		a.Pulls()
	}
}

func notServed(host string) error {
	return fmt.Errorf("%w: host %s is not served by this server", errdefs.ErrUnavailable, host)
}

// register keeps a record of every host that is configured, so that it is known while it has no agent.
func (s *Server) register(ctx context.Context) error {
	for ctx.Err() == nil {
		err := s.registerOnce(ctx)
		if err == nil {
			<-ctx.Done()
			return nil
		}
		s.log.WithError(err).Warn("Cannot write which hosts are served, trying again")
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return nil
}

func (s *Server) registerOnce(ctx context.Context) error {
	now := time.Now().UTC()
	for _, h := range s.cfg.Hosts {
		if _, err := s.store.ChangeService(ctx, h.Name, func(of *capsule.Service) {
			if of.Zone = h.AvailabilityZone; of.CreatedAt.IsZero() {
				of.CreatedAt = now
			}
		}); err != nil {
			return err
		}
	}
	return nil
}
