package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Table keeps small records of one kind, sealed as capsules are. It is safe for concurrent use; records belong to the caller.
type Table[T any] struct {
	store *Store
	name  string
}

// Record is one record of a table.
type Record[T any] struct {
	// Key may have slashes: what begins alike can be listed together.
	Key   string
	Value T
	// Revision is that of its last write.
	Revision int64
}

// NewTable is the table called name of the store. Its records are JSON of T.
func NewTable[T any](s *Store, name string) *Table[T] { return &Table[T]{store: s, name: name} }

// List returns the records whose keys begin with prefix, in the order of their keys.
func (t *Table[T]) List(ctx context.Context, prefix string) ([]Record[T], error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := t.store.client.Get(ctx, t.key(prefix), clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", t.name, classify(ctx, err))
	}
	list := make([]Record[T], 0, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		r, err := t.decode(kv)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", t.name, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// Get returns one record; NotFound when it is not there.
func (t *Table[T]) Get(ctx context.Context, key string) (Record[T], error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := t.store.client.Get(ctx, t.key(key))
	if err != nil {
		return Record[T]{}, fmt.Errorf("get %s %.64q: %w", t.name, key, classify(ctx, err))
	}
	if len(resp.Kvs) == 0 {
		return Record[T]{}, fmt.Errorf("get %s %.64q: %w", t.name, key, errdefs.ErrNotFound)
	}
	return t.decode(resp.Kvs[0])
}

// Create writes a record that is not there; AlreadyExists when it is.
func (t *Table[T]) Create(ctx context.Context, key string, value T) (Record[T], error) {
	r, ok, err := t.put(ctx, key, 0, value)
	if err == nil && !ok {
		err = errdefs.ErrAlreadyExists
	}
	if err != nil {
		return r, fmt.Errorf("create %s %.64q: %w", t.name, key, err)
	}
	return r, nil
}

// Change lets change edit a record and writes it if it means something else then. exists is false for the zero record, which is
// created by that write. When another write came between, change is called again on the newer record. An error of change
// ends it and is returned.
func (t *Table[T]) Change(ctx context.Context, key string, change func(value *T, exists bool) error) (Record[T], error) {
	for {
		r, err := t.Get(ctx, key)
		if err != nil && !errdefs.IsNotFound(err) {
			return r, err
		}
		next, err := clone(r.Value)
		if err == nil {
			err = change(&next, r.Revision > 0)
		}
		if err != nil {
			return r, fmt.Errorf("change %s %.64q: %w", t.name, key, err)
		}
		if r.Revision > 0 && equality.DeepEqual(next, r.Value) {
			return r, nil
		}
		done, ok, err := t.put(ctx, key, r.Revision, next)
		if err != nil {
			return r, fmt.Errorf("change %s %.64q: %w", t.name, key, err)
		}
		if ok {
			return done, nil
		}
	}
}

// Remove ends a record; NotFound when it is not there.
func (t *Table[T]) Remove(ctx context.Context, key string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := t.store.client.Delete(ctx, t.key(key))
	if err != nil {
		return fmt.Errorf("remove %s %.64q: %w", t.name, key, classify(ctx, err))
	}
	if resp.Deleted == 0 {
		return fmt.Errorf("remove %s %.64q: %w", t.name, key, errdefs.ErrNotFound)
	}
	return nil
}

// put writes a record if its last write is revision (0: it is not there); ok is false when it is another.
func (t *Table[T]) put(ctx context.Context, key string, revision int64, value T) (r Record[T], ok bool, err error) {
	if key == "" || strings.Contains(key, "\x00") {
		return r, false, fmt.Errorf("the key is empty or has a zero byte: %w", errdefs.ErrInvalidArgument)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	plain, err := json.Marshal(value)
	if err != nil {
		return r, false, fmt.Errorf("encode the record: %w", err)
	}
	k := t.key(key)
	resp, err := t.store.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(k), "=", revision)).
		Then(clientv3.OpPut(k, string(t.store.seal.Seal(k, plain)))).Commit()
	if err != nil {
		return r, false, classify(ctx, err)
	}
	r = Record[T]{Key: key, Revision: resp.Header.Revision}
	if err := json.Unmarshal(plain, &r.Value); err != nil {
		return r, false, fmt.Errorf("read back the record: %w", err)
	}
	return r, resp.Succeeded, nil
}

func (t *Table[T]) key(key string) string { return t.store.prefix + "records/" + t.name + "/" + key }

func (t *Table[T]) decode(kv *mvccpb.KeyValue) (Record[T], error) {
	r := Record[T]{Key: strings.TrimPrefix(string(kv.Key), t.key("")), Revision: kv.ModRevision}
	plain, err := t.store.seal.Open(string(kv.Key), kv.Value)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(plain, &r.Value); err != nil {
		// The decoder's message may quote the record.
		return r, fmt.Errorf("the record %s cannot be read: %w", kv.Key, errdefs.ErrDataLoss)
	}
	return r, nil
}
