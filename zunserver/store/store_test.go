package store

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store/member"
)

var at = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newKey(t *testing.T) []byte {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	return key
}

func open(t *testing.T, cfg Config) *Store {
	t.Helper()
	cfg.DetectChanges = true
	if cfg.DataDir == "" {
		cfg.DataDir = t.TempDir()
	}
	if cfg.SealKey == nil {
		cfg.SealKey = newKey(t)
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// shared is one server for the tests that only need records of their own.
func shared(t *testing.T) *Store {
	t.Helper()
	return open(t, Config{})
}

func fresh() *capsule.Capsule {
	return &capsule.Capsule{UUID: uuid.NewString(), Project: "p", CreatedAt: at, Spec: capsule.Spec{Name: "web",
		Containers: []capsule.ContainerSpec{{Name: "c", Env: []capsule.EnvVar{{Name: "TOKEN", Value: "hunter2-is-secret", Sensitive: true}}}}}}
}

func create(t *testing.T, s *Store) *capsule.Capsule {
	t.Helper()
	c, err := s.CreateCapsule(t.Context(), fresh())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// claimed makes a capsule that h1 has claimed.
func claimed(t *testing.T, s *Store) *capsule.Capsule {
	t.Helper()
	c, err := s.ClaimCapsule(t.Context(), create(t, s).UUID, capsule.Claim{Host: "h1", At: at})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLifeOfACapsule(t *testing.T) {
	s, ctx := shared(t), t.Context()
	c := create(t, s)
	got, err := s.Capsule(ctx, c.UUID)
	if err != nil || !cmp.Equal(got, c) {
		t.Fatalf("read back: %v\n%s", err, cmp.Diff(c, got))
	}
	if _, err := s.CreateCapsule(ctx, c); !errdefs.IsAlreadyExists(err) {
		t.Errorf("second create: %v", err)
	}
	for _, reason := range []string{"full", "full", "fuller"} {
		if got, err = s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Reason: reason, At: time.Now()}); err != nil || got.Claim.Reason != reason {
			t.Fatalf("claim with reason %s: %v %v", reason, got, err)
		}
	}
	if writes := got.Revision - c.Revision; writes != 2 {
		t.Errorf("three reasons, one repeated, made %d writes", writes)
	}
	if got, err = s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Host: "h1", At: at}); err != nil || got.Claim.Host != "h1" || got.Claim.Reason != "" {
		t.Fatalf("claim: %v %v", got, err)
	}
	if _, err := s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Host: "h2"}); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("second claim: %v", err)
	}
	if err := s.RemoveCapsule(ctx, c.UUID); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("remove before delete: %v", err)
	}
	if got, err = s.DeleteCapsule(ctx, c.UUID, capsule.Deletion{At: at, GraceSeconds: 30}); err != nil || got.Deletion == nil {
		t.Fatalf("delete: %v %v", got, err)
	}
	if err := s.RemoveCapsule(ctx, c.UUID); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveCapsule(ctx, c.UUID); err != nil {
		t.Errorf("second remove: %v", err)
	}
	if _, err := s.Capsule(ctx, c.UUID); !errdefs.IsNotFound(err) {
		t.Errorf("after remove: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	s := shared(t)
	for name, mutate := range map[string]func(*capsule.Capsule){
		"no uuid":       func(c *capsule.Capsule) { c.UUID = "" },
		"no real uuid":  func(c *capsule.Capsule) { c.UUID = "../hosts/x" },
		"upper case":    func(c *capsule.Capsule) { c.UUID = strings.ToUpper(c.UUID) },
		"urn":           func(c *capsule.Capsule) { c.UUID = "urn:uuid:" + c.UUID },
		"with claim":    func(c *capsule.Capsule) { c.Claim.Host = "h" },
		"with deletion": func(c *capsule.Capsule) { c.Deletion = &capsule.Deletion{} },
		"with facts":    func(c *capsule.Capsule) { c.Facts.HostAddress = "a" },
	} {
		c := fresh()
		mutate(c)
		if _, err := s.CreateCapsule(t.Context(), c); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	big := fresh()
	big.Spec.Volumes = []capsule.Volume{{Files: &capsule.FilesVolume{Items: []capsule.File{{Content: make([]byte, member.MaxRequestBytes)}}}}}
	if _, err := s.CreateCapsule(t.Context(), big); !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), "too large") {
		t.Errorf("too large: %v", err)
	}
}

func TestDelete(t *testing.T) {
	s, ctx := shared(t), t.Context()
	c := create(t, s)
	got, err := s.DeleteCapsule(ctx, c.UUID, capsule.Deletion{At: at, GraceSeconds: 30})
	if err != nil || got.Deletion == nil {
		t.Fatalf("delete unclaimed: %v %v", got, err)
	}
	if _, err := s.Capsule(ctx, c.UUID); !errdefs.IsNotFound(err) {
		t.Errorf("an unclaimed capsule goes at once: %v", err)
	}
	if _, err := s.DeleteCapsule(ctx, c.UUID, capsule.Deletion{At: at}); !errdefs.IsNotFound(err) {
		t.Errorf("delete what is gone: %v", err)
	}

	c = claimed(t, s)
	if _, err := s.DeleteCapsule(ctx, c.UUID, capsule.Deletion{At: at, GraceSeconds: -1}); !errdefs.IsInvalidArgument(err) {
		t.Errorf("negative grace: %v", err)
	}
	for _, step := range []struct {
		name      string
		d         capsule.Deletion
		remaining time.Duration
	}{
		{"first", capsule.Deletion{At: at, GraceSeconds: 30}, 30 * time.Second},
		{"same", capsule.Deletion{At: at, GraceSeconds: 30}, 30 * time.Second},
		{"longer", capsule.Deletion{At: at, GraceSeconds: 60}, 30 * time.Second},
		{"shorter but later", capsule.Deletion{At: at.Add(25 * time.Second), GraceSeconds: 10}, 30 * time.Second},
		{"shorter", capsule.Deletion{At: at.Add(5 * time.Second), GraceSeconds: 5}, 10 * time.Second},
		{"at once", capsule.Deletion{At: at.Add(6 * time.Second)}, 6 * time.Second},
		{"by force", capsule.Deletion{At: at.Add(60 * time.Second), Force: true}, 6 * time.Second},
		{"sooner, without force", capsule.Deletion{At: at.Add(5 * time.Second)}, 5 * time.Second},
	} {
		before := c.Revision
		if c, err = s.DeleteCapsule(ctx, c.UUID, step.d); err != nil {
			t.Fatal(step.name, err)
		}
		if left := c.Deletion.Deadline().Sub(at); left != step.remaining {
			t.Errorf("%s: deadline after %s, want %s", step.name, left, step.remaining)
		}
		if step.name == "same" && c.Revision != before {
			t.Error("the same delete again was a write")
		}
	}
	if !c.Deletion.Force {
		t.Error("force was taken back")
	}
	if _, err := s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Host: "h2"}); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("claim of a deleted capsule: %v", err)
	}
}

func TestMarkAway(t *testing.T) {
	s, ctx := shared(t), t.Context()
	c := claimed(t, s)
	away := &capsule.Away{Since: at, Message: "h1 is away"}
	marked, err := s.MarkAway(ctx, c.UUID, "h1", away)
	if err != nil || marked.Claim.Lost() != "h1 is away" || marked.Claim.Host != "h1" {
		t.Fatalf("%+v, %v", marked, err)
	}
	if again, err := s.MarkAway(ctx, c.UUID, "h1", away); err != nil || again.Revision != marked.Revision {
		t.Errorf("the same again was a write: %v", err)
	}
	back := *away
	back.Until = at.Add(time.Minute)
	if marked, err = s.MarkAway(ctx, c.UUID, "h1", &back); err != nil || marked.Claim.Lost() != "" {
		t.Errorf("%+v, %v", marked, err)
	}
	if _, err := s.MarkAway(ctx, c.UUID, "h2", away); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("another host: %v", err)
	}
	if _, err := s.MarkAway(ctx, "none", "h1", away); !errdefs.IsNotFound(err) {
		t.Errorf("no capsule: %v", err)
	}
}

func TestOneLeads(t *testing.T) {
	s, ctx := shared(t), t.Context()
	first, err := s.Lead(ctx, "test", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	next := make(chan *Lead, 1)
	go func() {
		l, err := s.Lead(ctx, "test", 5*time.Second)
		if err != nil {
			t.Error(err)
		}
		next <- l
	}()
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := s.Lead(short, "test", 5*time.Second); err == nil {
		t.Error("two lead")
	}
	if other, err := s.Lead(ctx, "another", 5*time.Second); err != nil {
		t.Error(err)
	} else if err := other.Release(ctx); err != nil {
		t.Error(err)
	}
	select {
	case <-next:
		t.Error("two lead")
	default:
	}
	if err := first.Release(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case l := <-next:
		_ = l.Release(ctx)
	case <-time.After(10 * time.Second):
		t.Error("nobody leads")
	}
	<-first.Done()
}

func TestUpdateFacts(t *testing.T) {
	s, ctx := shared(t), t.Context()
	c := claimed(t, s)
	zone := time.FixedZone("somewhere", 7200)
	set := func(f *capsule.Facts) {
		f.StartedAt = at
		f.Containers = []capsule.ContainerFacts{{Name: "c", Run: &capsule.Run{ID: "1", StartedAt: at}}}
	}
	first, err := s.UpdateFacts(ctx, c.UUID, "h1", set)
	if err != nil || first.Revision == c.Revision {
		t.Fatalf("%v %v", first, err)
	}
	for name, same := range map[string]func(*capsule.Facts){
		"nothing":                func(*capsule.Facts) {},
		"again":                  set,
		"empty for nil":          func(f *capsule.Facts) { f.Sandbox.Addresses = []string{} },
		"the instant of a zone":  func(f *capsule.Facts) { f.StartedAt = f.StartedAt.In(zone) },
		"the instant in the run": func(f *capsule.Facts) { f.Containers[0].Run.StartedAt = at.Local() },
	} {
		if got, err := s.UpdateFacts(ctx, c.UUID, "h1", same); err != nil || got.Revision != first.Revision {
			t.Errorf("%s: was written, or %v", name, err)
		}
	}
	got, err := s.UpdateFacts(ctx, c.UUID, "h1", func(f *capsule.Facts) { f.Containers[0].Run.ExitCode = 3 })
	if err != nil || got.Revision == first.Revision || got.Facts.Containers[0].Run.ExitCode != 3 {
		t.Errorf("a change deep inside: %v %v", got, err)
	}
	for _, host := range []string{"h2", ""} {
		if _, err := s.UpdateFacts(ctx, c.UUID, host, set); !errdefs.IsFailedPrecondition(err) {
			t.Errorf("facts from host %q: %v", host, err)
		}
	}
	if _, err := s.UpdateFacts(ctx, uuid.NewString(), "h1", set); !errdefs.IsNotFound(err) {
		t.Errorf("facts of nothing: %v", err)
	}
	if _, err := s.UpdateFacts(ctx, create(t, s).UUID, "", set); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("facts of an unclaimed capsule: %v", err)
	}
}

func TestUpdateSpec(t *testing.T) {
	s, ctx := shared(t), t.Context()
	c := claimed(t, s)
	got, err := s.UpdateSpec(ctx, c.UUID, func(spec *capsule.Spec) error { spec.Hash = "2"; return nil })
	if err != nil || got.Spec.Hash != "2" || got.Revision <= c.Revision || got.Spec.Containers[0].Env[0].Value != "hunter2-is-secret" {
		t.Fatalf("%v %+v", err, got)
	}
	if again, err := s.UpdateSpec(ctx, c.UUID, func(spec *capsule.Spec) error { spec.Hash = "2"; return nil }); err != nil || again.Revision != got.Revision {
		t.Errorf("the same again: %v, revision %d after %d", err, again.Revision, got.Revision)
	}
	refused := func(spec *capsule.Spec) error { spec.Hash = "3"; return errdefs.ErrInvalidArgument }
	if _, err := s.UpdateSpec(ctx, c.UUID, refused); !errdefs.IsInvalidArgument(err) {
		t.Errorf("refused: %v", err)
	}
	if now, err := s.Capsule(ctx, c.UUID); err != nil || now.Spec.Hash != "2" {
		t.Errorf("after a refusal: %v %+v", err, now)
	}
	if _, err := s.DeleteCapsule(ctx, c.UUID, capsule.Deletion{At: at}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateSpec(ctx, c.UUID, refused); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("deleted: %v", err)
	}
	if _, err := s.UpdateSpec(ctx, uuid.NewString(), refused); !errdefs.IsNotFound(err) {
		t.Errorf("gone: %v", err)
	}
}

func TestEndedContext(t *testing.T) {
	s := shared(t)
	c := create(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Capsule(ctx, c.UUID); err == nil {
		t.Error("get answered after the end of its context")
	}
	if _, err := s.ClaimCapsule(ctx, c.UUID, capsule.Claim{Host: "h"}); err == nil {
		t.Error("claim answered after the end of its context")
	}
}
