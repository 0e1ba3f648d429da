package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/conversion"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// equality takes two times for equal that are the same instant, two quantities that are the same amount, and nil for equal
// to empty.
var equality = conversion.EqualitiesOrDie(func(a, b time.Time) bool { return a.Equal(b) },
	func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })

// verdict is what a change does with the record.
type verdict int

const (
	keep verdict = iota
	write
	remove
)

// CreateCapsule writes a new record and returns it with its revision. The UUID has to be one in canonical form, and
// Deletion, Claim and Facts have to be empty (InvalidArgument); AlreadyExists when the UUID is taken.
func (s *Store) CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error) {
	if id, err := uuid.Parse(c.UUID); err != nil || id.String() != c.UUID {
		return nil, fmt.Errorf("create capsule %.64q: not a UUID in lower-case canonical form: %w", c.UUID, errdefs.ErrInvalidArgument)
	}
	if c.Deletion != nil || !equality.DeepEqual(c.Claim, capsule.Claim{}) || !equality.DeepEqual(c.Facts, capsule.Facts{}) {
		return nil, fmt.Errorf("create capsule %s: a new capsule has no deletion, claim or facts: %w", c.UUID, errdefs.ErrInvalidArgument)
	}
	made, _, err := s.swap(ctx, 0, c)
	if err != nil {
		return nil, fmt.Errorf("create capsule %s: %w", c.UUID, err)
	}
	if made == nil {
		return nil, fmt.Errorf("create capsule: %s is the UUID of another one: %w", c.UUID, errdefs.ErrAlreadyExists)
	}
	return made, nil
}

// Capsule returns one record; NotFound.
func (s *Store) Capsule(ctx context.Context, uuid string) (*capsule.Capsule, error) {
	c, err := s.capsule(ctx, uuid)
	if err != nil {
		return nil, fmt.Errorf("get capsule %.64q: %w", uuid, err)
	}
	return c, nil
}

// Capsules returns all records in the order of their UUIDs and the revision that the list is complete for: no write that had ended
// before is missing. The slice is the caller's.
func (s *Store) Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	newest, err := s.newest(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("list capsules: %w", err)
	}
	if records, revision, ok := s.records.At(ctx, newest); ok {
		return slices.Clone(records), revision, nil
	}
	return s.readCapsules(ctx)
}

// readCapsules is Capsules out of etcd itself.
func (s *Store) readCapsules(ctx context.Context) ([]*capsule.Capsule, int64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := s.client.Get(ctx, s.capsulesPrefix(), clientv3.WithPrefix())
	if err != nil {
		return nil, 0, fmt.Errorf("list capsules: %w", classify(ctx, err))
	}
	list := make([]*capsule.Capsule, 0, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		c, err := s.decodeCapsule(kv)
		if err != nil {
			return nil, 0, fmt.Errorf("list capsules: %w", err)
		}
		list = append(list, c)
	}
	return list, resp.Header.Revision, nil
}

// DeleteCapsule marks the capsule for deletion. A second delete takes effect only when its deadline is earlier or it is
// the first that is forced. A capsule
// that no host was claimed for has nothing to end: its record goes at once, and the answer is its last state with the
// mark. NotFound when there is none, FailedPrecondition for a sandbox that has containers.
func (s *Store) DeleteCapsule(ctx context.Context, uuid string, d capsule.Deletion) (*capsule.Capsule, error) {
	if d.GraceSeconds < 0 {
		return nil, fmt.Errorf("delete capsule %s: the grace period %d is negative: %w", uuid, d.GraceSeconds, errdefs.ErrInvalidArgument)
	}
	return s.change(ctx, "delete", uuid, func(c *capsule.Capsule) (verdict, error) {
		if n := len(c.Spec.Containers); c.Kind == capsule.KindSandbox && n > 0 && c.Deletion == nil {
			return keep, fmt.Errorf("sandbox %s has %d containers; they go first: %w", uuid, n, errdefs.ErrFailedPrecondition)
		}
		if old := c.Deletion; old != nil {
			force := d.Force || old.Force
			if !d.Deadline().Before(old.Deadline()) {
				d = *old
			}
			if d.Force = force; d == *old {
				return keep, nil
			}
		}
		c.Deletion = &d
		if c.Claim.Host == "" {
			return remove, nil
		}
		return write, nil
	})
}

// ClaimCapsule writes where the capsule lives or, with an empty Host, the reason why no host could be claimed; a reason
// that stands there already is not written again. FailedPrecondition when a host was claimed before or the capsule is
// being deleted, NotFound when it is gone, Aborted when the host takes no new capsules (disabled, forced down) at that moment.
func (s *Store) ClaimCapsule(ctx context.Context, uuid string, claim capsule.Claim) (*capsule.Capsule, error) {
	return s.change(ctx, "claim", uuid, func(c *capsule.Capsule) (verdict, error) {
		switch {
		case c.Claim.Host != "":
			return keep, fmt.Errorf("it lives on host %s already: %w", c.Claim.Host, errdefs.ErrFailedPrecondition)
		case c.Deletion != nil:
			return keep, fmt.Errorf("it is being deleted: %w", errdefs.ErrFailedPrecondition)
		case claim.Host == "" && claim.Reason == c.Claim.Reason:
			return keep, nil
		}
		c.Claim = claim
		return write, nil
	})
}

// MarkAway says that the host of the capsule is away, or not any more. FailedPrecondition when it does not live on host,
// NotFound when it is gone.
func (s *Store) MarkAway(ctx context.Context, uuid, host string, away *capsule.Away) (*capsule.Capsule, error) {
	return s.change(ctx, "mark the host away of", uuid, func(c *capsule.Capsule) (verdict, error) {
		switch {
		case c.Claim.Host != host || host == "":
			return keep, fmt.Errorf("it lives on host %q, not on %q: %w", c.Claim.Host, host, errdefs.ErrFailedPrecondition)
		case equality.DeepEqual(c.Claim.Away, away):
			return keep, nil
		}
		c.Claim.Away = away
		return write, nil
	})
}

// UpdateFacts lets update change the facts of a capsule that lives on host, and writes them if they mean something else
// than before. When another write came between, update is called again on newer facts, so it has to be a function of
// what it is given. FailedPrecondition when the capsule does not live on host, NotFound when it is gone.
func (s *Store) UpdateFacts(ctx context.Context, uuid, host string, update func(*capsule.Facts)) (*capsule.Capsule, error) {
	return s.change(ctx, "update the facts of", uuid, func(c *capsule.Capsule) (verdict, error) {
		return editFacts(c, host, update)
	})
}

func editFacts(c *capsule.Capsule, host string, update func(*capsule.Facts)) (verdict, error) {
	if c.Claim.Host != host || host == "" {
		return keep, fmt.Errorf("it lives on host %q, not on %q: %w", c.Claim.Host, host, errdefs.ErrFailedPrecondition)
	}
	facts, err := clone(c.Facts)
	if err != nil {
		return keep, err
	}
	update(&facts)
	if equality.DeepEqual(facts, c.Facts) {
		return keep, nil
	}
	c.Facts = facts
	return write, nil
}

// UpdateSpec lets update change what was asked for, and writes it if it means something else than before. What may change is
// the caller's to decide. An error of update ends it and is returned. When another write came between, update is called
// again on the newer spec. FailedPrecondition when the capsule is being deleted, NotFound when it is gone.
func (s *Store) UpdateSpec(ctx context.Context, uuid string, update func(*capsule.Spec) error) (*capsule.Capsule, error) {
	return s.change(ctx, "update", uuid, func(c *capsule.Capsule) (verdict, error) {
		if c.Deletion != nil {
			return keep, fmt.Errorf("it is being deleted: %w", errdefs.ErrFailedPrecondition)
		}
		spec, err := clone(c.Spec)
		if err != nil {
			return keep, err
		}
		if err := update(&spec); err != nil {
			return keep, err
		}
		if equality.DeepEqual(spec, c.Spec) {
			return keep, nil
		}
		c.Spec = spec
		return write, nil
	})
}

// UpdateStandalone lets update change the spec of a record and what its owner wants of its standalone containers, which may come
// and go. It is UpdateSpec otherwise.
func (s *Store) UpdateStandalone(ctx context.Context, uuid string, update func(*capsule.Spec, *[]capsule.Standalone) error) (*capsule.Capsule, error) {
	return s.change(ctx, "update", uuid, func(c *capsule.Capsule) (verdict, error) {
		if c.Deletion != nil {
			return keep, fmt.Errorf("it is being deleted: %w", errdefs.ErrFailedPrecondition)
		}
		twin, err := clone(*c)
		if err != nil {
			return keep, err
		}
		if err := update(&twin.Spec, &twin.Standalone); err != nil {
			return keep, err
		}
		if equality.DeepEqual(twin.Spec, c.Spec) && equality.DeepEqual(twin.Standalone, c.Standalone) {
			return keep, nil
		}
		c.Spec, c.Standalone = twin.Spec, twin.Standalone
		return write, nil
	})
}

// ExpireContainer deletes a standalone container of a record that the host has, if it has ended for good and its owner wants that
// ([capsule.Capsule.Expired]): with its record, or out of its sandbox. It does nothing otherwise: somebody may have started it again.
func (s *Store) ExpireContainer(ctx context.Context, uuid, host, container string, now time.Time) error {
	_, err := s.change(ctx, "expire a container of", uuid, func(c *capsule.Capsule) (verdict, error) {
		switch {
		case c.Claim.Host != host:
			return keep, fmt.Errorf("it is not claimed for host %s: %w", host, errdefs.ErrFailedPrecondition)
		case c.Deletion != nil || !c.Expired(container):
			return keep, nil
		case c.Kind == capsule.KindContainer:
			c.Deletion = &capsule.Deletion{At: now}
		default:
			c.Spec.Containers = slices.DeleteFunc(slices.Clone(c.Spec.Containers), func(cs capsule.ContainerSpec) bool { return cs.Name == container })
			c.Standalone = slices.DeleteFunc(slices.Clone(c.Standalone), func(s capsule.Standalone) bool { return s.Container == container })
		}
		return write, nil
	})
	return err
}

// RemoveCapsule ends the record of a capsule that was deleted and has nothing left; nil when it is gone,
// FailedPrecondition when nobody asked for its deletion.
func (s *Store) RemoveCapsule(ctx context.Context, uuid string) error {
	_, err := s.change(ctx, "remove", uuid, func(c *capsule.Capsule) (verdict, error) {
		if c.Deletion == nil {
			return keep, fmt.Errorf("nobody asked for its deletion: %w", errdefs.ErrFailedPrecondition)
		}
		return remove, nil
	})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}
