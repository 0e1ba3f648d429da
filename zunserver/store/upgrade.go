package store

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// ReviseCapsule lets plan change what is asked for: the Spec and the Upgrade of the record. The record of a new revision, if plan
// returns one, is written with it, or neither is. An error of plan ends it and is returned. When another write came between,
// plan is called again on the newer record. FailedPrecondition when the capsule is being deleted, NotFound when it is gone.
func (s *Store) ReviseCapsule(ctx context.Context, uuid string, plan func(*capsule.Capsule) (successor *capsule.Capsule, err error)) (*capsule.Capsule, error) {
	var next *capsule.Capsule
	return s.both(ctx, "revise", uuid, func(c *capsule.Capsule) (_ []*capsule.Capsule, v verdict, err error) {
		if c.Deletion != nil {
			return nil, keep, fmt.Errorf("it is being deleted: %w", errdefs.ErrFailedPrecondition)
		}
		revised, err := clone(*c)
		if err != nil {
			return nil, keep, err
		}
		if next, err = plan(&revised); err != nil {
			return nil, keep, err
		}
		if next == nil && equality.DeepEqual(revised, *c) {
			return nil, keep, nil
		}
		*c = revised
		if next == nil {
			return nil, write, nil
		}
		return []*capsule.Capsule{next}, write, nil
	})
}

// UpdateUpgrade lets edit change the upgrade of a capsule that its successor belongs to. FailedPrecondition when it is not that
// one's any more, NotFound when the capsule is gone.
func (s *Store) UpdateUpgrade(ctx context.Context, uuid, successor string, edit func(*capsule.Upgrade)) (*capsule.Capsule, error) {
	return s.change(ctx, "update the upgrade of", uuid, func(c *capsule.Capsule) (verdict, error) {
		if err := upgradedBy(c, successor); err != nil {
			return keep, err
		}
		u := *c.Upgrade
		edit(&u)
		if equality.DeepEqual(u, *c.Upgrade) {
			return keep, nil
		}
		c.Upgrade = &u
		return write, nil
	})
}

func upgradedBy(c *capsule.Capsule, successor string) error {
	if c.Upgrade == nil || successor == "" || c.Upgrade.Successor != successor {
		return fmt.Errorf("%s is not its next revision: %w", successor, errdefs.ErrFailedPrecondition)
	}
	return nil
}

// FinishUpgrade makes the successor's realisation the capsule's own, if ready still says so of the record that is there: in one
// write the two records exchange spec, claim, facts and body, and the successor, which has the former revision then, is marked for
// deletion; it goes at once when no host has it. FailedPrecondition when the successor is not that of the capsule or one of them is
// being deleted, NotFound when one is gone.
func (s *Store) FinishUpgrade(ctx context.Context, uuid, successor string, at time.Time, ready func(next *capsule.Capsule) bool) (*capsule.Capsule, error) {
	return s.both(ctx, "finish the upgrade of", uuid, func(c *capsule.Capsule) ([]*capsule.Capsule, verdict, error) {
		if err := upgradedBy(c, successor); err != nil {
			return nil, keep, err
		}
		found, err := s.capsule(ctx, successor)
		if err != nil {
			return nil, keep, fmt.Errorf("its next revision %s: %w", successor, err)
		}
		twin := *found
		next := &twin
		if c.Deletion != nil || next.Deletion != nil || !ready(next) {
			return nil, keep, fmt.Errorf("it, or its next revision, is being deleted or not ready any more: %w", errdefs.ErrFailedPrecondition)
		}
		former := *c
		c.Spec, c.Claim, c.Facts, c.Body, c.Upgrade = next.Spec, next.Claim, next.Facts, next.BodyID(), nil
		next.Spec, next.Claim, next.Facts, next.Body = former.Spec, former.Claim, former.Facts, former.BodyID()
		next.Deletion = &capsule.Deletion{At: at.UTC(), GraceSeconds: former.Spec.Grace()}
		return []*capsule.Capsule{next}, write, nil
	})
}

// UpdateFactsOf is [Store.UpdateFacts] for a capsule that has that body: after a new revision was taken over, what was seen of the
// former one is of another record.
func (s *Store) UpdateFactsOf(ctx context.Context, uuid, body, host string, update func(*capsule.Facts)) (*capsule.Capsule, error) {
	return s.change(ctx, "update the facts of", uuid, func(c *capsule.Capsule) (verdict, error) {
		if c.BodyID() != body {
			return keep, fmt.Errorf("its body is %s, not %s: %w", c.BodyID(), body, errdefs.ErrFailedPrecondition)
		}
		return editFacts(c, host, update)
	})
}

// both runs edit on the record until a write of its result, together with the other records that edit returns, meets the revisions that
// edit saw. Of the others, one without a revision is created, and one that shall go and has no host is removed.
func (s *Store) both(ctx context.Context, action, uuid string, edit func(*capsule.Capsule) ([]*capsule.Capsule, verdict, error)) (*capsule.Capsule, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for {
		c, err := s.capsule(ctx, uuid)
		if err != nil {
			return nil, fmt.Errorf("%s capsule %.64q: %w", action, uuid, err)
		}
		edited := *c
		others, v, err := edit(&edited)
		if err != nil {
			return nil, fmt.Errorf("%s capsule %.64q: %w", action, uuid, err)
		}
		if v == keep {
			return c, nil
		}
		done, err := s.writeAll(ctx, append([]*capsule.Capsule{&edited}, others...))
		if err != nil {
			return nil, fmt.Errorf("%s capsule %.64q: %w", action, uuid, err)
		}
		if done {
			return s.Capsule(ctx, uuid)
		}
	}
}

// writeAll is false when one of the records has another revision.
func (s *Store) writeAll(ctx context.Context, records []*capsule.Capsule) (bool, error) {
	var met []clientv3.Cmp
	var ops []clientv3.Op
	for _, c := range records {
		key := s.capsuleKey(c.UUID)
		met = append(met, clientv3.Compare(clientv3.ModRevision(key), "=", c.Revision))
		if c.Deletion != nil && c.Claim.Host == "" {
			ops = append(ops, clientv3.OpDelete(key))
			continue
		}
		plain, err := encodeCapsule(c)
		if err != nil {
			return false, err
		}
		ops = append(ops, clientv3.OpPut(key, string(s.seal.Seal(key, plain))))
	}
	resp, err := s.client.Txn(ctx).If(met...).Then(ops...).Commit()
	if err != nil {
		return false, classify(ctx, err)
	}
	return resp.Succeeded, nil
}
