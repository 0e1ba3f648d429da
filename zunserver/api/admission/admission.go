// Package admission is the door that every record comes through, whichever resource it is made or changed by: what it names of
// its project's (networks, logins at registries) is resolved, and its project must have room for it.
//
//	capsules, containers, sandboxes ──► Gate ──► the store
//
// It stands in front of the store, and not in the handlers, so that no way to a record goes around it.
//
// Decisions (2026-11-26): quotas are looked at and records written under one lock for each project, so that two requests at once
// cannot both have the last place; several servers on one store may let through one request too many each. Only what grows is
// checked: who is over a limit that was lowered may shrink and change everything else.
package admission

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/capsulet/capsulet/zunserver/api/quotas"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Records are what is behind the gate; *store.Store says what each method does.
type Records interface {
	Capsule(ctx context.Context, uuid string) (*capsule.Capsule, error)
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
	CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error)
	UpdateSpec(ctx context.Context, uuid string, update func(*capsule.Spec) error) (*capsule.Capsule, error)
	UpdateStandalone(ctx context.Context, uuid string, update func(*capsule.Spec, *[]capsule.Standalone) error) (*capsule.Capsule, error)
	ReviseCapsule(ctx context.Context, uuid string, plan func(*capsule.Capsule) (*capsule.Capsule, error)) (*capsule.Capsule, error)
}

// Networks resolves a choice of networks in place; path is where it stands.
type Networks interface {
	Resolve(ctx context.Context, project string, nets []capsule.Net, path string) error
}

// Registries finds the logins of a project for an image.
type Registries interface {
	Logins(ctx context.Context, project string) (func(image string) []capsule.Credential, error)
}

// Quotas knows the limits of a project.
type Quotas interface {
	Limits(ctx context.Context, project string) (view.Quotas, error)
}

// Gate admits records. Make it with New.
type Gate struct {
	records    Records
	networks   Networks
	registries Registries
	quotas     Quotas

	mu    sync.Mutex
	locks map[string]*lock // by project
}

// lock is one project's, as long as somebody has it or waits for it.
type lock struct {
	turn  chan struct{} // has one element while nobody has it
	users int
}

// New is a gate in front of records.
func New(records Records, networks Networks, registries Registries, quotas Quotas) *Gate {
	return &Gate{records: records, networks: networks, registries: registries, quotas: quotas, locks: map[string]*lock{}}
}

// CreateCapsule is that of the records. A project without room is refused: 403 OverQuota.
func (g *Gate) CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error) {
	if err := g.resolve(ctx, c.Project, nil, &c.Spec); err != nil {
		return nil, err
	}
	of, unlock, err := g.enter(ctx, c.Project, c.UUID)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var wanted quotas.Used
	wanted.Add(c)
	if err := of.room(quotas.Used{}, wanted); err != nil {
		return nil, err
	}
	return g.records.CreateCapsule(ctx, c)
}

// UpdateSpec is that of the records.
func (g *Gate) UpdateSpec(ctx context.Context, uuid string, update func(*capsule.Spec) error) (*capsule.Capsule, error) {
	return g.update(ctx, uuid, func(c *capsule.Capsule, of account) (*capsule.Capsule, error) {
		return g.records.UpdateSpec(ctx, uuid, func(s *capsule.Spec) error {
			return g.change(ctx, c.Project, of, s, &c.Standalone, func() error { return update(s) })
		})
	})
}

// UpdateStandalone is that of the records.
func (g *Gate) UpdateStandalone(ctx context.Context, uuid string, update func(*capsule.Spec, *[]capsule.Standalone) error) (*capsule.Capsule, error) {
	return g.update(ctx, uuid, func(c *capsule.Capsule, of account) (*capsule.Capsule, error) {
		return g.records.UpdateStandalone(ctx, uuid, func(s *capsule.Spec, all *[]capsule.Standalone) error {
			return g.change(ctx, c.Project, of, s, all, func() error { return update(s, all) })
		})
	})
}

// ReviseCapsule is that of the records. A new revision needs the room by which it is larger than the former one, which it replaces.
func (g *Gate) ReviseCapsule(ctx context.Context, uuid string, plan func(*capsule.Capsule) (*capsule.Capsule, error)) (*capsule.Capsule, error) {
	return g.update(ctx, uuid, func(c *capsule.Capsule, of account) (*capsule.Capsule, error) {
		return g.records.ReviseCapsule(ctx, uuid, func(one *capsule.Capsule) (next *capsule.Capsule, err error) {
			err = g.change(ctx, c.Project, of, &one.Spec, &one.Standalone, func() error {
				next, err = plan(one)
				return err
			})
			if err != nil || next == nil {
				return nil, err
			}
			if err := g.resolve(ctx, c.Project, nil, &next.Spec); err != nil {
				return nil, err
			}
			var had, wanted quotas.Used
			had.Add(one)
			wanted.Add(next)
			return next, of.room(had, wanted)
		})
	})
}

// update makes a change while no other record of the project is made or changed.
func (g *Gate) update(ctx context.Context, uuid string, write func(*capsule.Capsule, account) (*capsule.Capsule, error)) (*capsule.Capsule, error) {
	c, err := g.records.Capsule(ctx, uuid)
	if err != nil {
		return nil, err
	}
	of, unlock, err := g.enter(ctx, c.Project, uuid)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return write(c, of)
}

// change makes a change in place and admits what it made.
func (g *Gate) change(ctx context.Context, project string, of account, s *capsule.Spec, standalone *[]capsule.Standalone, update func() error) error {
	before, err := s.Clone()
	if err != nil {
		return err
	}
	var had, wanted quotas.Used
	had.Add(&capsule.Capsule{Spec: *s, Standalone: *standalone})
	if err := update(); err != nil {
		return err
	}
	if err := g.resolve(ctx, project, before, s); err != nil {
		return err
	}
	wanted.Add(&capsule.Capsule{Spec: *s, Standalone: *standalone})
	return of.room(had, wanted)
}

// resolve replaces and completes what a spec names of its project's; what was there before is done already.
func (g *Gate) resolve(ctx context.Context, project string, before, s *capsule.Spec) error {
	if before == nil || !slices.Equal(before.Nets, s.Nets) {
		if err := g.choose(ctx, project, before, s); err != nil {
			return err
		}
	}
	var logins func(string) []capsule.Credential
	for _, list := range [][]capsule.ContainerSpec{s.InitContainers, s.Containers, s.EphemeralContainers} {
		for i := range list {
			cs := &list[i]
			if before != nil {
				if was, _ := before.Container(cs.Name); was != nil && was.Image == cs.Image && slices.Equal(was.PullCredentials, cs.PullCredentials) {
					continue
				}
			}
			if logins == nil {
				var err error
				if logins, err = g.registries.Logins(ctx, project); err != nil {
					return err
				}
			}
			for _, l := range logins(cs.Image) {
				if !slices.Contains(cs.PullCredentials, l) {
					cs.PullCredentials = append(slices.Clip(cs.PullCredentials), l)
				}
			}
		}
	}
	return nil
}

// choose resolves the networks that were not in the spec before: those may have been deleted since, and are the agent's to
// complain of.
func (g *Gate) choose(ctx context.Context, project string, before, s *capsule.Spec) error {
	nets := slices.Clone(s.Nets)
	const path = "nets"
	if before == nil {
		if err := g.networks.Resolve(ctx, project, nets, path); err != nil {
			return err
		}
		s.Nets = nets
		return nil
	}
	for i := range nets {
		if slices.Contains(before.Nets, nets[i]) {
			continue
		}
		if err := g.networks.Resolve(ctx, project, nets[i:i+1], path); err != nil {
			return err
		}
	}
	for i := range nets {
		if slices.ContainsFunc(nets[:i], func(n capsule.Net) bool { return n.Network == nets[i].Network }) {
			return rest.InvalidField(fmt.Sprintf("%s[%d].network", path, i), "another entry means this network too")
		}
	}
	s.Nets = nets
	return nil
}

// account is what a project may have, and what its other records take of it.
type account struct {
	limits view.Quotas
	used   quotas.Used
}

// unlimited is for whom nothing has to be counted.
var unlimited = view.Quotas{Containers: quotas.Unlimited, Memory: quotas.Unlimited, CPU: quotas.Unlimited, Disk: quotas.Unlimited}

// enter returns the account of a project without the record uuid and, where it has limits, waits for its turn first: the account
// is right until the turn is given back.
func (g *Gate) enter(ctx context.Context, project, uuid string) (of account, unlock func(), err error) {
	if of.limits, err = g.quotas.Limits(ctx, project); err != nil || of.limits == unlimited {
		return of, func() {}, err
	}
	if unlock, err = g.lock(ctx, project); err != nil {
		return of, nil, err
	}
	all, _, err := g.records.Capsules(ctx)
	if err != nil {
		unlock()
		return of, nil, fmt.Errorf("count what the project uses: %w", err)
	}
	for _, one := range all {
		if one.Project == project && one.UUID != uuid {
			of.used.Add(one)
		}
	}
	return of, unlock, nil
}

// room refuses a record that grows beyond what its project may have (zun/common/exception.py, OverQuota).
func (a account) room(had, wanted quotas.Used) error {
	var over []string
	for _, of := range []struct {
		name              string
		limit             int64
		used, had, wanted float64
	}{
		{"containers", a.limits.Containers, a.used.Containers, had.Containers, wanted.Containers},
		{"cpu", a.limits.CPU, a.used.CPU, had.CPU, wanted.CPU},
		{"disk", a.limits.Disk, a.used.Disk, had.Disk, wanted.Disk},
		{"memory", a.limits.Memory, a.used.Memory, had.Memory, wanted.Memory},
	} {
		if of.limit >= 0 && of.wanted > of.had && of.used+of.wanted > float64(of.limit) {
			over = append(over, of.name)
		}
	}
	if len(over) == 0 {
		return nil
	}
	return rest.Refuse(http.StatusForbidden, "over-quota", "Quota exceeded for resources: %s", strings.Join(over, ", "))
}

// lock waits for the project's turn.
func (g *Gate) lock(ctx context.Context, project string) (unlock func(), err error) {
	g.mu.Lock()
	l := g.locks[project]
	if l == nil {
		l = &lock{turn: make(chan struct{}, 1)}
		l.turn <- struct{}{}
		g.locks[project] = l
	}
	l.users++
	g.mu.Unlock()
	leave := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(g.locks, project)
		}
	}
	select {
	case <-l.turn:
		return func() { l.turn <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("wait for the other changes of the project: %w", ctx.Err())
	}
}
