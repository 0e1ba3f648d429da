package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// change runs edit on the record until a write of its result meets the revision that edit saw. edit replaces what it changes: what its
// argument points to is shared.
func (s *Store) change(ctx context.Context, action, uuid string, edit func(*capsule.Capsule) (verdict, error)) (*capsule.Capsule, error) {
	c, err := s.edit(ctx, uuid, edit)
	if err != nil {
		return nil, fmt.Errorf("%s capsule %.64q: %w", action, uuid, err)
	}
	return c, nil
}

func (s *Store) edit(ctx context.Context, uuid string, edit func(*capsule.Capsule) (verdict, error)) (*capsule.Capsule, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	c, err := s.capsule(ctx, uuid)
	for err == nil {
		var v verdict
		edited := *c
		if v, err = edit(&edited); err != nil {
			return nil, err
		}
		var done, newer *capsule.Capsule
		switch v {
		case keep:
			return c, nil
		case write:
			var open []clientv3.Cmp
			if open, err = s.stillOpen(ctx, c.Claim.Host, edited.Claim.Host); err == nil {
				done, newer, err = s.swap(ctx, c.Revision, &edited, open...)
			}
		case remove:
			done, newer, err = s.swapGone(ctx, &edited)
		}
		if err == nil && done != nil {
			return done, nil
		}
		if err == nil && newer == nil {
			err = errdefs.ErrNotFound
		}
		c = newer
	}
	return nil, err
}

// capsule reads one record.
func (s *Store) capsule(ctx context.Context, uuid string) (*capsule.Capsule, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := s.client.Get(ctx, s.capsuleKey(uuid))
	if err != nil {
		return nil, classify(ctx, err)
	}
	if len(resp.Kvs) == 0 {
		return nil, errdefs.ErrNotFound
	}
	return s.decodeCapsule(resp.Kvs[0])
}

// swap writes c if the record has the revision (0: does not exist). It returns the record as readers get it or, when the
// revision is another or one of also does not hold, the present record, which is nil if there is none.
func (s *Store) swap(
	ctx context.Context, revision int64, c *capsule.Capsule, also ...clientv3.Cmp,
) (done, newer *capsule.Capsule, err error) {
	key := s.capsuleKey(c.UUID)
	plain, err := encodeCapsule(c)
	if err != nil {
		return nil, nil, err
	}
	resp, newer, err := s.swapOp(ctx, key, revision, clientv3.OpPut(key, string(s.seal.Seal(key, plain))), also...)
	if resp == nil {
		return nil, newer, err
	}
	// What was written is what everybody reads: times without zones and monotonic clocks, and the same memory.
	done, err = s.records.Share(c.UUID, resp.Header.Revision, func() (*capsule.Capsule, error) {
		read := new(capsule.Capsule)
		if err := json.Unmarshal(plain, read); err != nil {
			return nil, fmt.Errorf("read back the record: %w", err)
		}
		read.Revision = resp.Header.Revision
		return read, nil
	})
	return done, nil, err
}

// swapGone removes the record if it still has the revision of c.
func (s *Store) swapGone(ctx context.Context, c *capsule.Capsule) (done, newer *capsule.Capsule, err error) {
	key := s.capsuleKey(c.UUID)
	resp, newer, err := s.swapOp(ctx, key, c.Revision, clientv3.OpDelete(key))
	if resp == nil {
		return nil, newer, err
	}
	c.Revision = resp.Header.Revision
	return c, nil, nil
}

// swapOp runs op if key has the revision and also holds. Otherwise it returns no response and the present record, if there is one.
func (s *Store) swapOp(
	ctx context.Context, key string, revision int64, op clientv3.Op, also ...clientv3.Cmp,
) (*clientv3.TxnResponse, *capsule.Capsule, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := s.client.Txn(ctx).
		If(append(also, clientv3.Compare(clientv3.ModRevision(key), "=", revision))...).Then(op).Else(clientv3.OpGet(key)).Commit()
	if err != nil {
		return nil, nil, classify(ctx, err)
	}
	if resp.Succeeded {
		return resp, nil, nil
	}
	kvs := resp.Responses[0].GetResponseRange().Kvs
	if len(kvs) == 0 {
		return nil, nil, nil
	}
	newer, err := s.decodeCapsule(kvs[0])
	return nil, newer, err
}

func encodeCapsule(c *capsule.Capsule) ([]byte, error) {
	stored := *c
	stored.Revision = 0
	plain, err := json.Marshal(&stored)
	if err != nil {
		return nil, fmt.Errorf("encode the record: %w", err)
	}
	return plain, nil
}

// decodeCapsule returns the record, which is shared.
func (s *Store) decodeCapsule(kv *mvccpb.KeyValue) (*capsule.Capsule, error) {
	return s.records.Share(s.uuidOf(kv.Key), kv.ModRevision, func() (*capsule.Capsule, error) { return s.readCapsule(kv) })
}

func (s *Store) readCapsule(kv *mvccpb.KeyValue) (*capsule.Capsule, error) {
	plain, err := s.seal.Open(string(kv.Key), kv.Value)
	if err != nil {
		return nil, err
	}
	c := new(capsule.Capsule)
	if err := json.Unmarshal(plain, c); err != nil {
		// The decoder's message may quote the record.
		return nil, fmt.Errorf("the record %s is not a capsule: %w", kv.Key, errdefs.ErrDataLoss)
	}
	c.Revision = kv.ModRevision
	return c, nil
}

// uuidOf is the last part of a capsule's key.
func (s *Store) uuidOf(key []byte) string { return strings.TrimPrefix(string(key), s.capsulesPrefix()) }

// clone copies a part of a record.
func clone[T any](part T) (T, error) {
	var b bytes.Buffer
	var twin T
	if err := json.NewEncoder(&b).Encode(part); err != nil {
		return twin, fmt.Errorf("copy the %T: %w", part, err)
	}
	if err := json.NewDecoder(&b).Decode(&twin); err != nil {
		return twin, fmt.Errorf("copy the %T: %w", part, err)
	}
	return twin, nil
}
