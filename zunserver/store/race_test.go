package store

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store/member"
)

// TestWritersMeet lets the three writers of a capsule write at once: nobody's write is lost, and one claim wins.
func TestWritersMeet(t *testing.T) {
	s, ctx := shared(t), t.Context()
	const workers, each = 8, 15
	c := create(t, s)
	var g errgroup.Group
	var wins atomic.Int32
	for i := range workers {
		g.Go(func() error {
			_, err := s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Host: fmt.Sprint("h", i)})
			if err == nil {
				wins.Add(1)
			} else if !errdefs.IsFailedPrecondition(err) {
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil || wins.Load() != 1 {
		t.Fatalf("%d claims won: %v", wins.Load(), err)
	}
	c, err := s.Capsule(ctx, c.UUID)
	if err != nil {
		t.Fatal(err)
	}
	for range workers {
		g.Go(func() error {
			for range each {
				if _, err := s.UpdateFacts(ctx, c.UUID, c.Claim.Host, func(f *capsule.Facts) { f.Sandbox.Attempt++ }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for i := range int64(workers) {
		g.Go(func() error {
			_, err := s.DeleteCapsule(ctx, c.UUID, capsule.Deletion{At: at, GraceSeconds: 10 + i})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if c, err = s.Capsule(ctx, c.UUID); err != nil || c.Facts.Sandbox.Attempt != workers*each || c.Deletion.GraceSeconds != 10 {
		t.Errorf("%d facts of %d, %+v, %v", c.Facts.Sandbox.Attempt, workers*each, c.Deletion, err)
	}
}

// TestClaimMeetsDelete: a capsule that is deleted while it is claimed either goes unclaimed, or stays claimed and marked.
func TestClaimMeetsDelete(t *testing.T) {
	s, ctx := shared(t), t.Context()
	for range 20 {
		c := create(t, s)
		var g errgroup.Group
		var claim, deletion error
		g.Go(func() error { _, claim = s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Host: "h"}); return nil })
		g.Go(func() error { _, deletion = s.DeleteCapsule(ctx, c.UUID, capsule.Deletion{}); return nil })
		_ = g.Wait()
		left, err := s.Capsule(ctx, c.UUID)
		switch {
		case deletion != nil:
			t.Fatal(deletion)
		case claim == nil && (err != nil || left.Deletion == nil):
			t.Fatalf("claimed, then deleted: %v %v", left, err)
		case claim != nil && (!errdefs.IsNotFound(claim) || !errdefs.IsNotFound(err)):
			t.Fatalf("deleted before the claim (%v): %v %v", claim, left, err)
		}
	}
}

// TestExternalCluster runs two servers on one etcd that is none of theirs.
func TestExternalCluster(t *testing.T) {
	cfg := Config{Endpoints: []string{external(t)}, SealKey: newKey(t), Prefix: "/elsewhere"}
	one, two := open(t, cfg), open(t, cfg)
	_, revision, err := two.Capsules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ch := two.WatchCapsules(t.Context(), revision)
	c := create(t, one)
	if e := nextCapsule(t, ch); e.Kind != Put || e.Capsule.UUID != c.UUID {
		t.Errorf("the other server saw %+v", e)
	}
	l, err := one.AcquireHost(t.Context(), "h1", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	putHost(t, l, "a")
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	// A server that went without releasing its host loses it after the time to live.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := two.AcquireHost(ctx, "h1", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if hosts, _, err := two.Hosts(ctx); err != nil || len(hosts) != 0 {
		t.Errorf("the record of the dead holder: %v %v", hosts, err)
	}

	none := cfg
	none.Endpoints = []string{"unix://nobody/here.sock"}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Open(short, none); !errdefs.IsUnavailable(err) {
		t.Errorf("no cluster: %v", err)
	}
}

// external starts an etcd that belongs to no store, and returns its endpoint.
func external(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	conf := member.Config(dir, bookmarkInterval/2, zap.NewNop())
	socket := url.URL{Scheme: "unix", Host: filepath.Base(dir), Path: "/etcd.sock"}
	t.Chdir(filepath.Dir(dir)) // etcd's unix URLs are relative
	conf.ListenClientUrls = []url.URL{socket}
	etcd, err := embed.StartEtcd(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Close)
	<-etcd.Server.ReadyNotify()
	return socket.String()
}
