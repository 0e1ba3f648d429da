package store

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/containerd/errdefs"
	clientv3 "go.etcd.io/etcd/client/v3"
)

type login struct{ Password string }

func TestTable(t *testing.T) {
	s := open(t, Config{DataDir: t.TempDir(), SealKey: newKey(t)})
	ctx, logins := t.Context(), NewTable[login](s, "logins")
	if _, err := logins.Create(ctx, "p/one", login{"hunter2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := logins.Create(ctx, "p/one", login{"other"}); !errdefs.IsAlreadyExists(err) {
		t.Errorf("twice: %v", err)
	}
	if r, err := logins.Get(ctx, "p/one"); err != nil || r.Value.Password != "hunter2" || r.Key != "p/one" {
		t.Errorf("%+v, %v", r, err)
	}
	if raw, err := s.client.Get(ctx, s.prefix, clientv3.WithPrefix()); err != nil || len(raw.Kvs) != 1 || bytes.Contains(raw.Kvs[0].Value, []byte("hunter2")) {
		t.Errorf("the record is not sealed: %v, %v", raw, err)
	}
	for key, want := range map[string]error{"": errdefs.ErrInvalidArgument, "p/two": nil} {
		if _, err := logins.Change(ctx, key, func(l *login, exists bool) error {
			l.Password = "new"
			if exists {
				t.Error("it exists")
			}
			return nil
		}); !errors.Is(err, want) {
			t.Errorf("%q: %v", key, err)
		}
	}
	refused := errors.New("refused")
	if _, err := logins.Change(ctx, "p/two", func(*login, bool) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("refused change: %v", err)
	}
	list, err := logins.List(ctx, "p/")
	if err != nil || len(list) != 2 || list[1].Value.Password != "new" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := logins.Remove(ctx, "p/one"); err != nil {
		t.Error(err)
	}
	if err := logins.Remove(ctx, "p/one"); !errdefs.IsNotFound(err) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := logins.Get(ctx, "p/one"); !errdefs.IsNotFound(err) {
		t.Errorf("get: %v", err)
	}
}

// No change is lost when many come at once.
func TestTableChangesMeet(t *testing.T) {
	s := open(t, Config{DataDir: t.TempDir(), SealKey: newKey(t)})
	numbers := NewTable[[]int](s, "numbers")
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			if _, err := numbers.Change(t.Context(), "all", func(all *[]int, _ bool) error {
				*all = append(*all, n)
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r, err := numbers.Get(t.Context(), "all")
	if slices.Sort(r.Value); err != nil || len(r.Value) != 20 || r.Value[19] != 19 {
		t.Errorf("%v, %v", r.Value, err)
	}
}
