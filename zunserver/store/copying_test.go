package store

import (
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// awaitCopy waits until lists are answered from memory.
func awaitCopy(t *testing.T, s *Store) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, _, ok := s.records.At(t.Context(), 0); ok {
			return
		}
		if time.Now().After(end) {
			t.Fatal("there is no copy after 10 s")
		}
	}
}

// TestListHasEveryWrite: a list has what any server wrote before it began, though it comes from memory.
func TestListHasEveryWrite(t *testing.T) {
	cfg := Config{Endpoints: []string{external(t)}, SealKey: newKey(t)}
	one, two := open(t, cfg), open(t, cfg)
	awaitCopy(t, two)
	ctx := t.Context()
	for i := range 50 {
		c := create(t, one)
		all, revision, err := two.Capsules(ctx)
		if err != nil || len(all) != i+1 || revision < c.Revision {
			t.Fatalf("after %d creations the other server lists %d at revision %d (%d), %v", i+1, len(all), revision, c.Revision, err)
		}
	}
	all, _, err := two.Capsules(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if _, err := one.DeleteCapsule(ctx, c.UUID, capsule.Deletion{At: at}); err != nil {
			t.Fatal(err)
		}
		left, _, err := two.Capsules(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range left {
			if l.UUID == c.UUID {
				t.Fatalf("%s was deleted and is listed", c.UUID)
			}
		}
	}
}

// TestForeignWrites: in an etcd that others use too, their writes keep no list waiting for an event of ours.
func TestForeignWrites(t *testing.T) {
	cfg := Config{Endpoints: []string{external(t)}, SealKey: newKey(t)}
	s := open(t, cfg)
	awaitCopy(t, s)
	c := create(t, s)
	for range 5 {
		resp, err := s.client.Put(t.Context(), "/somebody/else", "x")
		if err != nil {
			t.Fatal(err)
		}
		all, revision, ok := s.records.At(t.Context(), resp.Header.Revision)
		if !ok || revision < resp.Header.Revision || len(all) != 1 || all[0].UUID != c.UUID {
			t.Fatalf("%v at revision %d of %d: %v", all, revision, resp.Header.Revision, ok)
		}
	}
}

// TestReadersShare: one revision of a record is decoded once, whoever reads it.
func TestReadersShare(t *testing.T) {
	s, ctx := shared(t), t.Context()
	awaitCopy(t, s)
	_, since, err := s.Capsules(ctx)
	if err != nil {
		t.Fatal(err)
	}
	first, second := s.WatchCapsules(ctx, since), s.WatchCapsules(ctx, since)
	c := create(t, s)
	seen := map[*capsule.Capsule]bool{nextCapsule(t, first).Capsule: true, nextCapsule(t, second).Capsule: true}
	all, _, err := s.Capsules(ctx)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	one, err := s.Capsule(ctx, c.UUID)
	if err != nil {
		t.Fatal(err)
	}
	seen[all[0]], seen[one] = true, true
	if len(seen) != 1 {
		t.Errorf("two watches, a list and a read have %d records for one", len(seen))
	}
	all[0] = nil // the slice is the caller's
	if again, _, err := s.Capsules(ctx); err != nil || again[0] != one {
		t.Errorf("a caller's slice is somebody else's too: %v, %v", again, err)
	}
}

// TestLostCopy: a list does not depend on the copy, which comes back.
func TestLostCopy(t *testing.T) {
	s := shared(t)
	c := create(t, s)
	awaitCopy(t, s)
	s.records.Lose()
	if all, _, err := s.Capsules(t.Context()); err != nil || len(all) != 1 || all[0].UUID != c.UUID {
		t.Errorf("%v, %v", all, err)
	}
}

// TestUnreadableRecord: while a record cannot be read there is no copy, and lists fail; afterwards there is one again.
func TestUnreadableRecord(t *testing.T) {
	cfg := Config{Endpoints: []string{external(t)}, SealKey: newKey(t)}
	s := open(t, cfg)
	awaitCopy(t, s)
	c := create(t, s)
	bad := s.capsuleKey("not-sealed") // a record that cannot be read loses the copy, and lists say why
	if _, err := s.client.Put(t.Context(), bad, "x"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Capsules(t.Context()); err == nil {
		t.Fatal("a record that cannot be opened is not missed")
	}
	if _, err := s.client.Delete(t.Context(), bad, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	awaitCopy(t, s)
	if all, _, err := s.Capsules(t.Context()); err != nil || len(all) != 1 || all[0].UUID != c.UUID {
		t.Errorf("%v, %v", all, err)
	}
}
