package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Services returns what operators said of hosts, also of those that have no agent now, in the order of the hosts' names.
func (s *Store) Services(ctx context.Context) ([]capsule.Service, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := s.client.Get(ctx, s.disabledPrefix(), clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("list services: %w", classify(ctx, err))
	}
	list := make([]capsule.Service, 0, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		one, err := s.decodeService(kv)
		if err != nil {
			return nil, fmt.Errorf("list services: %w", err)
		}
		list = append(list, one)
	}
	return list, nil
}

// ChangeService lets change edit what is said of a host and writes it if it is something else then; the record is made if there
// is none. It holds for a host that is not there (yet), and outlives agents. When another write came between, change is called
// again.
func (s *Store) ChangeService(ctx context.Context, host string, change func(*capsule.Service)) (capsule.Service, error) {
	if err := checkHostName(host); err != nil {
		return capsule.Service{}, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	for {
		next, done, err := s.tryService(ctx, host, change)
		if err != nil {
			return next, fmt.Errorf("change the service of host %s: %w", host, err)
		}
		if done {
			return next, nil
		}
	}
}

func (s *Store) tryService(ctx context.Context, host string, change func(*capsule.Service)) (next capsule.Service, done bool, err error) {
	key := s.disabledKey(host)
	resp, err := s.client.Get(ctx, key)
	if err != nil {
		return next, false, classify(ctx, err)
	}
	was, revision := capsule.Service{Host: host}, int64(0)
	if len(resp.Kvs) > 0 {
		if was, err = s.decodeService(resp.Kvs[0]); err != nil {
			return next, false, err
		}
		revision = resp.Kvs[0].ModRevision
	}
	next = was
	change(&next)
	if next.Host = host; next == was && revision > 0 {
		return next, true, nil
	}
	value, err := json.Marshal(next)
	if err != nil {
		return next, false, err
	}
	txn, err := s.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).
		Then(clientv3.OpPut(key, string(value))).Commit()
	if err != nil {
		return next, false, classify(ctx, err)
	}
	return next, txn.Succeeded, nil
}

// RemoveService forgets what was said of a host; NotFound when nothing was.
func (s *Store) RemoveService(ctx context.Context, host string) error {
	if err := checkHostName(host); err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := s.client.Delete(ctx, s.disabledKey(host))
	if err == nil && resp.Deleted == 0 {
		err = errdefs.ErrNotFound
	} else if err != nil {
		err = classify(ctx, err)
	}
	if err != nil {
		return fmt.Errorf("remove the service of host %s: %w", host, err)
	}
	return nil
}

// stillOpen is what has to hold when a capsule that lived on was is written as one that lives on next: what operators say of a
// host that is claimed has not changed since it was read here. Aborted when the host takes no new capsules.
func (s *Store) stillOpen(ctx context.Context, was, next string) ([]clientv3.Cmp, error) {
	if was != "" || next == "" {
		return nil, nil
	}
	key, revision := s.disabledKey(next), int64(0)
	resp, err := s.client.Get(ctx, key)
	if err != nil {
		return nil, classify(ctx, err)
	}
	if len(resp.Kvs) > 0 {
		of, err := s.decodeService(resp.Kvs[0])
		if err != nil {
			return nil, err
		}
		if of.Disabled || of.ForcedDown {
			return nil, fmt.Errorf("host %s takes no new capsules: %w", next, errdefs.ErrAborted)
		}
		revision = resp.Kvs[0].ModRevision
	}
	return []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", revision)}, nil
}

// decodeService reads a record; an empty one, of before 2026-11-26, says disabled.
func (s *Store) decodeService(kv *mvccpb.KeyValue) (capsule.Service, error) {
	one := capsule.Service{Host: strings.TrimPrefix(string(kv.Key), s.disabledPrefix())}
	if len(kv.Value) == 0 {
		one.Disabled = true
		return one, nil
	}
	host := one.Host
	if err := json.Unmarshal(kv.Value, &one); err != nil {
		return one, fmt.Errorf("the record %s is not a service: %w: %w", kv.Key, errdefs.ErrDataLoss, err)
	}
	one.Host = host
	return one, nil
}
