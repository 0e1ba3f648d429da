package store

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/containerd/errdefs"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// HostLease is the right of this process to be the agent of a host. It is kept alive until it is released, lost (etcd did
// not answer for its time to live), or the store is closed.
type HostLease struct {
	lead
	name string
}

// lead is an election that this process has won.
type lead struct {
	store    *Store
	session  *concurrency.Session
	election *concurrency.Election
}

// Lead is the right of this process to do something that only one may do at a time. It is kept alive until it is released,
// lost, or the store is closed.
type Lead struct{ lead }

// Lead waits until this process is the one that does what, however long another one does.
func (s *Store) Lead(ctx context.Context, what string, ttl time.Duration) (*Lead, error) {
	l, err := s.win(ctx, s.leadKey(what), ttl)
	if err != nil {
		return nil, fmt.Errorf("lead the %s: %w", what, err)
	}
	return &Lead{l}, nil
}

// AcquireHost waits until this process holds the host, however long another one does. When a holder dies, its lease ends
// after its ttl, which is rounded up to seconds. Whoever holds it watches Done.
func (s *Store) AcquireHost(ctx context.Context, name string, ttl time.Duration) (*HostLease, error) {
	if err := checkHostName(name); err != nil {
		return nil, err
	}
	l, err := s.win(ctx, s.electionKey(name), ttl)
	if err != nil {
		return nil, fmt.Errorf("acquire host %s: %w", name, err)
	}
	return &HostLease{l, name}, nil
}

// win waits until the election of this key is won.
func (s *Store) win(ctx context.Context, key string, ttl time.Duration) (lead, error) {
	grant, err := s.client.Grant(ctx, int64((ttl+time.Second-1)/time.Second))
	if err != nil {
		return lead{}, classify(ctx, err)
	}
	//nolint:contextcheck // the session lives as long as the store, not as long as the wait for it
	session, err := concurrency.NewSession(s.client, concurrency.WithLease(grant.ID), concurrency.WithContext(s.ctx))
	if err != nil {
		return lead{}, classify(ctx, err)
	}
	l := lead{store: s, session: session, election: concurrency.NewElection(session, key)}
	if err := l.campaign(ctx); err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = l.Release(cleanup) // the lease ends by itself then
		return lead{}, err
	}
	return l, nil
}

// campaign waits for the election, and no longer than the lease lives.
func (l *lead) campaign(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(l.session.Ctx(), func() { //nolint:contextcheck // it is the lease's end that counts
		cancel(fmt.Errorf("the lease ended while waiting for its turn: %w", errdefs.ErrUnavailable))
	})
	defer stop()
	if err := l.election.Campaign(ctx, holder()); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return classify(ctx, err)
	}
	return nil
}

// Put writes the record of the host; it goes with the lease. Disabled and Revision are not the agent's and are ignored.
// FailedPrecondition when this process does not hold the host any more.
func (l *HostLease) Put(ctx context.Context, h capsule.Host) error {
	if h.Name != l.name {
		return fmt.Errorf("put host %s: the lease is for %s: %w", h.Name, l.name, errdefs.ErrInvalidArgument)
	}
	h.Serve(capsule.Service{})
	h.Revision = 0
	value, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("put host %s: %w", l.name, err)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := l.store.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(l.election.Key()), "=", l.election.Rev())).
		Then(clientv3.OpPut(l.store.hostKey(l.name), string(value), clientv3.WithLease(l.session.Lease()))).Commit()
	if err != nil && !isLeaseGone(err) {
		return fmt.Errorf("put host %s: %w", l.name, classify(ctx, err))
	}
	if err != nil || !resp.Succeeded {
		return fmt.Errorf("put host %s: this process does not hold it any more: %w", l.name, errdefs.ErrFailedPrecondition)
	}
	return nil
}

// Done is closed when this process does not hold it any more.
func (l *lead) Done() <-chan struct{} { return l.session.Done() }

// Release gives it up, with the record of a host, and lets the next process have it at once. Releasing twice is nil.
func (l *lead) Release(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	l.session.Orphan()
	if _, err := l.store.client.Revoke(ctx, l.session.Lease()); err != nil && !isLeaseGone(err) {
		return fmt.Errorf("release %s: %w", l.election.Key(), classify(ctx, err))
	}
	return nil
}

// holder says for people who the key of the election belongs to.
func holder() string {
	name, _ := os.Hostname()
	return fmt.Sprintf("%s pid %d", name, os.Getpid())
}
