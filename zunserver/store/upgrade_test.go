package store

import (
	"errors"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// upgrading is a capsule on host h1 with a successor on h2.
func upgrading(t *testing.T, s *Store) (c, next *capsule.Capsule) {
	t.Helper()
	c = create(t, s)
	host := func(id, name string) {
		if _, err := s.ClaimCapsule(t.Context(), id, capsule.Claim{Host: name}); err != nil {
			t.Fatal(err)
		}
	}
	host(c.UUID, "h1")
	next = &capsule.Capsule{UUID: uuid.NewString(), Kind: capsule.KindSuccessor, Of: c.UUID, Project: c.Project, Spec: c.Spec}
	next.Spec.Hash = "next"
	if _, err := s.ReviseCapsule(t.Context(), c.UUID, func(c *capsule.Capsule) (*capsule.Capsule, error) {
		c.Upgrade = &capsule.Upgrade{Successor: next.UUID}
		return next, nil
	}); err != nil {
		t.Fatal(err)
	}
	host(next.UUID, "h2")
	for id, name := range map[string]string{c.UUID: "h1", next.UUID: "h2"} {
		if _, err := s.UpdateFactsOf(t.Context(), id, id, name, func(f *capsule.Facts) { f.HostAddress = name }); err != nil {
			t.Fatal(err)
		}
	}
	return c, next
}

func must(t *testing.T, s *Store, id string) *capsule.Capsule {
	t.Helper()
	c, err := s.Capsule(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func yes(*capsule.Capsule) bool { return true }

func TestUpgradeExchangesRealisations(t *testing.T) {
	s := shared(t)
	c, next := upgrading(t, s)
	at := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	if _, err := s.FinishUpgrade(t.Context(), c.UUID, next.UUID, at, yes); err != nil {
		t.Fatal(err)
	}
	mine, former := must(t, s, c.UUID), must(t, s, next.UUID)
	if mine.Spec.Hash != "next" || mine.Claim.Host != "h2" || mine.Facts.HostAddress != "h2" || mine.BodyID() != next.UUID || mine.Upgrade != nil ||
		mine.Deletion != nil || mine.Kind != capsule.KindCapsule {
		t.Errorf("the capsule %+v", mine)
	}
	if former.Spec.Hash != c.Spec.Hash || former.Claim.Host != "h1" || former.Facts.HostAddress != "h1" || former.BodyID() != c.UUID ||
		former.Deletion == nil || !former.Deletion.At.Equal(at) || former.Kind != capsule.KindSuccessor {
		t.Errorf("the former revision %+v", former)
	}
	if mine.Revision != former.Revision {
		t.Errorf("two writes: %d and %d", mine.Revision, former.Revision)
	}
	// Facts of the former body do not reach the capsule any more.
	for _, w := range []struct {
		id, body, host string
		refused        bool
	}{{c.UUID, c.UUID, "h1", true}, {c.UUID, next.UUID, "h2", false}, {next.UUID, c.UUID, "h1", false}, {next.UUID, next.UUID, "h2", true}} {
		_, err := s.UpdateFactsOf(t.Context(), w.id, w.body, w.host, func(f *capsule.Facts) { f.Sandbox.Attempt++ })
		if errdefs.IsFailedPrecondition(err) != w.refused || !w.refused && err != nil {
			t.Errorf("%+v: %v", w, err)
		}
	}
	if _, err := s.FinishUpgrade(t.Context(), c.UUID, next.UUID, at, yes); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("twice: %v", err)
	}
}

func TestUpgradeIsNotFinishedWhen(t *testing.T) {
	s := shared(t)
	remove := func(id string) {
		if _, err := s.DeleteCapsule(t.Context(), id, capsule.Deletion{At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		name   string
		before func(c, next *capsule.Capsule)
		ready  func(*capsule.Capsule) bool
	}{
		{"the capsule is being deleted", func(c, _ *capsule.Capsule) { remove(c.UUID) }, yes},
		{"the successor is being deleted", func(_, next *capsule.Capsule) { remove(next.UUID) }, yes},
		{"the successor is not ready any more", func(_, _ *capsule.Capsule) {}, func(n *capsule.Capsule) bool { return n.Claim.Host != "h2" }},
		{"another revision is wanted", func(c, _ *capsule.Capsule) {
			if _, err := s.ReviseCapsule(t.Context(), c.UUID, func(c *capsule.Capsule) (*capsule.Capsule, error) {
				c.Upgrade = &capsule.Upgrade{Successor: uuid.NewString()}
				return nil, nil
			}); err != nil {
				t.Fatal(err)
			}
		}, yes},
	} {
		c, next := upgrading(t, s)
		row.before(c, next)
		if _, err := s.FinishUpgrade(t.Context(), c.UUID, next.UUID, time.Now(), row.ready); !errdefs.IsFailedPrecondition(err) {
			t.Errorf("%s: %v", row.name, err)
		}
		if mine := must(t, s, c.UUID); mine.Body != "" || mine.Claim.Host != "h1" {
			t.Errorf("%s: %+v", row.name, mine)
		}
	}
}

// A capsule that no host took is replaced by its new revision, and nothing is left of it.
func TestUpgradeOfWhatHasNoHost(t *testing.T) {
	s := shared(t)
	c := create(t, s)
	next := &capsule.Capsule{UUID: uuid.NewString(), Kind: capsule.KindSuccessor, Of: c.UUID, Spec: c.Spec}
	if _, err := s.ReviseCapsule(t.Context(), c.UUID, func(c *capsule.Capsule) (*capsule.Capsule, error) {
		c.Upgrade = &capsule.Upgrade{Successor: next.UUID}
		return next, nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ClaimCapsule(t.Context(), next.UUID, capsule.Claim{Host: "h2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.FinishUpgrade(t.Context(), c.UUID, next.UUID, time.Now(), yes); err != nil {
		t.Fatal(err)
	}
	if mine := must(t, s, c.UUID); mine.Claim.Host != "h2" || mine.BodyID() != next.UUID {
		t.Errorf("%+v", mine)
	}
	if _, err := s.Capsule(t.Context(), next.UUID); !errdefs.IsNotFound(err) {
		t.Errorf("the former revision: %v", err)
	}
}

func TestReviseWritesBothOrNothing(t *testing.T) {
	s := shared(t)
	c := create(t, s)
	next := &capsule.Capsule{UUID: uuid.NewString(), Kind: capsule.KindSuccessor, Of: c.UUID}
	boom := errors.New("boom")
	if _, err := s.ReviseCapsule(t.Context(), c.UUID, func(c *capsule.Capsule) (*capsule.Capsule, error) {
		c.Spec.Hash = "changed"
		return next, boom
	}); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	meets := 0
	made, err := s.ReviseCapsule(t.Context(), c.UUID, func(c *capsule.Capsule) (*capsule.Capsule, error) {
		if meets++; meets == 1 { // somebody else writes between
			if _, err := s.ClaimCapsule(t.Context(), c.UUID, capsule.Claim{Host: "h1"}); err != nil {
				t.Error(err)
			}
		}
		c.Upgrade = &capsule.Upgrade{Successor: next.UUID}
		return next, nil
	})
	if err != nil || meets != 2 || made.Claim.Host != "h1" || made.Upgrade == nil || made.Spec.Hash == "changed" {
		t.Errorf("%d times, %+v, %v", meets, made, err)
	}
	if is := must(t, s, next.UUID); is.Revision != made.Revision {
		t.Errorf("two writes: %d and %d", is.Revision, made.Revision)
	}
	same, err := s.ReviseCapsule(t.Context(), c.UUID, func(*capsule.Capsule) (*capsule.Capsule, error) { return nil, nil })
	if err != nil || same.Revision != made.Revision {
		t.Errorf("nothing was written: %+v, %v", same, err)
	}
}
