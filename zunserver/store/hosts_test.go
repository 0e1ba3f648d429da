package store

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func acquire(t *testing.T, s *Store, name string) *HostLease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	l, err := s.AcquireHost(ctx, name, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func putHost(t *testing.T, l *HostLease, address string) {
	t.Helper()
	if err := l.Put(t.Context(), capsule.Host{Name: l.name, Address: address, Up: true, Disabled: true, Revision: 7}); err != nil {
		t.Fatal(err)
	}
}

func disable(t *testing.T, s *Store, host string, disabled bool) error {
	t.Helper()
	_, err := s.ChangeService(t.Context(), host, func(of *capsule.Service) { of.Disabled = disabled })
	return err
}

func TestServices(t *testing.T) {
	s, ctx := open(t, Config{DataDir: t.TempDir(), SealKey: newKey(t)}), t.Context()
	if _, err := s.client.Put(ctx, s.disabledKey("old"), ""); err != nil { // as it was written before there were services
		t.Fatal(err)
	}
	since := time.Date(2026, 11, 26, 1, 2, 3, 0, time.UTC)
	for range 2 {
		if _, err := s.ChangeService(ctx, "h1", func(of *capsule.Service) { of.CreatedAt, of.DisabledReason = since, "disks" }); err != nil {
			t.Fatal(err)
		}
	}
	want := []capsule.Service{{Host: "h1", CreatedAt: since, DisabledReason: "disks"}, {Host: "old", Disabled: true}}
	if got, err := s.Services(ctx); err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	putHost(t, acquire(t, s, "h1"), "a")
	if _, err := s.ChangeService(ctx, "h1", func(of *capsule.Service) { of.ForcedDown = true }); err != nil {
		t.Fatal(err)
	}
	if list, _, err := s.Hosts(ctx); err != nil || len(list) != 1 || !list[0].ForcedDown || list[0].Disabled || list[0].DisabledReason != "disks" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := s.RemoveService(ctx, "h1"); err != nil {
		t.Error(err)
	}
	if err := s.RemoveService(ctx, "h1"); !errdefs.IsNotFound(err) {
		t.Errorf("removed twice: %v", err)
	}
	if list, _, err := s.Hosts(ctx); err != nil || len(list) != 1 || list[0].ForcedDown {
		t.Errorf("%+v, %v", list, err)
	}
}

// Changes of one service that come at once are all made.
func TestServiceChangesMeet(t *testing.T) {
	s := shared(t)
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			if _, err := s.ChangeService(t.Context(), "busy", func(of *capsule.Service) { of.DisabledReason += string(rune('a' + n)) }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := s.Services(t.Context()); err != nil || len(got) != 1 || len(got[0].DisabledReason) != 20 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestHosts(t *testing.T) {
	s, ctx := shared(t), t.Context()
	_, revision, err := s.Hosts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ch := s.WatchHosts(ctx, revision)
	expect := func(kind Kind, name, address string, disabled bool) {
		t.Helper()
		e := nextHost(t, ch)
		if e.Kind != kind || e.Host.Name != name || e.Host.Address != address || e.Host.Disabled != disabled || e.Host.Revision != e.Revision {
			t.Errorf("event %+v (%v), want %s %s %s disabled %v", e, e.Err, kind, name, address, disabled)
		}
		list, _, err := s.Hosts(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var found bool
		for _, h := range list {
			found = found || h.Name == name && h.Address == address && h.Disabled == disabled
		}
		if found != (kind == Put) {
			t.Errorf("after %s of %s the list is %+v", kind, name, list)
		}
	}
	if err := disable(t, s, "h1", true); err != nil { // before it is there: no event
		t.Fatal(err)
	}
	l1, l2 := acquire(t, s, "h1"), acquire(t, s, "h2")
	putHost(t, l1, "a")
	expect(Put, "h1", "a", true)
	putHost(t, l2, "b")
	expect(Put, "h2", "b", false)
	for _, disabled := range []bool{false, false, true, true} { // the repeated ones are no change
		if err := disable(t, s, "h1", disabled); err != nil {
			t.Fatal(err)
		}
	}
	if e := nextHost(t, ch); e.Kind != Put || e.Host.Disabled {
		t.Errorf("enabled: %+v", e)
	}
	expect(Put, "h1", "a", true)
	if err := l1.Release(ctx); err != nil {
		t.Fatal(err)
	}
	expect(Delete, "h1", "a", true)

	// A watch that starts in the middle knows what was before.
	_, revision, _ = s.Hosts(ctx)
	ch = s.WatchHosts(ctx, revision)
	if err := disable(t, s, "h2", true); err != nil {
		t.Fatal(err)
	}
	expect(Put, "h2", "b", true)
	putHost(t, acquire(t, s, "h1"), "c")
	expect(Put, "h1", "c", true)

	if err := disable(t, s, "a/b", true); !errdefs.IsInvalidArgument(err) {
		t.Errorf("host name with a slash: %v", err)
	}
}

func TestHostLease(t *testing.T) {
	s, ctx := shared(t), t.Context()
	first := acquire(t, s, "h1")
	got := make(chan *HostLease)
	go func() {
		second, err := s.AcquireHost(ctx, "h1", 5*time.Second)
		if err != nil {
			t.Error(err)
		}
		got <- second
	}()
	// The second one is waiting when its key is there.
	waiting := func() int {
		resp, err := s.client.Get(ctx, s.electionKey("h1")+"/", prefixCount...)
		if err != nil {
			t.Fatal(err)
		}
		return int(resp.Count)
	}
	for waiting() < 2 {
		time.Sleep(5 * time.Millisecond)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := s.AcquireHost(short, "h1", 5*time.Second); err == nil {
		t.Error("a third one holds the host too")
	}
	if n := waiting(); n != 2 {
		t.Errorf("who gave up waiting left its key: %d keys", n)
	}
	putHost(t, first, "a")
	if err := first.Put(ctx, capsule.Host{Name: "h2"}); !errdefs.IsInvalidArgument(err) {
		t.Errorf("put of another host: %v", err)
	}
	select {
	case <-first.Done():
		t.Error("the first lease is done before it was released")
	case <-got:
		t.Error("two hold the host")
	default:
	}
	if err := first.Release(ctx); err != nil {
		t.Fatal(err)
	}
	second := <-got
	<-first.Done()
	if err := first.Put(ctx, capsule.Host{Name: "h1"}); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("put after release: %v", err)
	}
	if err := first.Release(ctx); err != nil {
		t.Errorf("second release: %v", err)
	}
	if hosts, _, err := s.Hosts(ctx); err != nil || len(hosts) != 0 {
		t.Errorf("the record of a released host: %v %v", hosts, err)
	}
	putHost(t, second, "b")

	// An agent whose lease ended behind its back learns it.
	if _, err := s.client.Revoke(ctx, second.session.Lease()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-second.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("a lost lease is not noticed")
	}
	if err := second.Put(ctx, capsule.Host{Name: "h1"}); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("put after loss: %v", err)
	}
}

func TestAcquireEndsWithTheStore(t *testing.T) {
	s := shared(t)
	l := acquire(t, s, "h1")
	done := make(chan error)
	go func() {
		_, err := s.AcquireHost(context.WithoutCancel(t.Context()), "h1", 5*time.Second)
		done <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("got a host of a closed store")
	}
	<-l.Done()
}

// TestDisabledHostsAreNotClaimed also where the one who claims has not heard of it, and when it happens meanwhile.
func TestDisabledHostsAreNotClaimed(t *testing.T) {
	s, ctx := open(t, Config{DataDir: t.TempDir(), SealKey: newKey(t)}), t.Context()
	c := create(t, s)
	if err := disable(t, s, "h1", true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Host: "h1"}); !errdefs.IsAborted(err) {
		t.Errorf("claim of a disabled host: %v", err)
	}
	if got, err := s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Reason: "h1 is disabled"}); err != nil || got.Claim.Host != "" {
		t.Errorf("a reason: %+v, %v", got, err)
	}
	if err := disable(t, s, "h1", false); err != nil {
		t.Fatal(err)
	}
	open, err := s.stillOpen(ctx, "", "h1")
	if err == nil {
		err = disable(t, s, "h1", true) // between the look and the write
	}
	now, readErr := s.Capsule(ctx, c.UUID)
	if err != nil || readErr != nil {
		t.Fatal(err, readErr)
	}
	next := *now
	next.Claim = capsule.Claim{Host: "h1"}
	if done, newer, err := s.swap(ctx, now.Revision, &next, open...); err != nil || done != nil || newer == nil || newer.Claim.Host != "" {
		t.Errorf("written %+v, there is %+v, %v", done, newer, err)
	}
	if err := disable(t, s, "h1", false); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Host: "h1"}); err != nil || got.Claim.Host != "h1" {
		t.Errorf("claim of an enabled host: %+v, %v", got, err)
	}
}
