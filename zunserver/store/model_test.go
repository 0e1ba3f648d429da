package store

import (
	"bufio"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store/seal"
)

var prefixCount = []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithCountOnly()}

// TestModel does random operations on the store and on a map, compares every answer, and in the end the list and what a
// watch from the beginning adds up to. MODEL_SEED repeats a run.
func TestModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("MODEL_SEED"); v != "" {
		if _, err := fmt.Sscan(v, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("MODEL_SEED=%d", seed)
	dir, key := t.TempDir(), newKey(t)
	m := &model{t: t, r: rand.New(rand.NewPCG(seed, 1)), s: open(t, Config{DataDir: dir, SealKey: key}), want: map[string]*capsule.Capsule{}}
	watched := m.s.WatchCapsules(t.Context(), 0)
	for range 400 {
		m.step()
	}
	list, revision, err := m.s.Capsules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.compare("list", list)
	if m.last > revision {
		t.Errorf("the list is of revision %d, a write before it of %d", revision, m.last)
	}
	sum := map[string]*capsule.Capsule{}
	for at := int64(0); at < m.last; {
		e := nextCapsule(t, watched)
		if e.Kind == Error {
			t.Fatal(e.Err)
		}
		at = e.Revision
		if sum[e.Capsule.UUID] = e.Capsule; e.Kind == Delete {
			delete(sum, e.Capsule.UUID)
		}
	}
	m.compare("watch", slices.Collect(maps.Values(sum)))
	if err := m.s.Close(); err != nil {
		t.Fatal(err)
	}
	m.s = open(t, Config{DataDir: dir, SealKey: key})
	if list, _, err = m.s.Capsules(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.compare("list after a restart", list)
}

// model is the store's contract on a map.
type model struct {
	t    *testing.T
	r    *rand.Rand
	s    *Store
	want map[string]*capsule.Capsule
	last int64
}

func (m *model) step() {
	c := m.pick()
	switch m.r.IntN(6) {
	case 0:
		made, err := m.s.CreateCapsule(m.t.Context(), fresh())
		m.expect("create", made, err, nil)
		m.want[made.UUID] = made
	case 1:
		m.claim(c)
	case 2:
		m.facts(c)
	case 3:
		m.delete(c)
	case 4:
		gone := m.want[c.UUID] == nil
		err := m.s.RemoveCapsule(m.t.Context(), c.UUID)
		if refuse := !gone && c.Deletion == nil; errdefs.IsFailedPrecondition(err) != refuse || !refuse && err != nil {
			m.t.Fatalf("remove %+v: %v", c, err)
		} else if !refuse && !gone {
			delete(m.want, c.UUID)
			m.last++
		}
	case 5:
		got, err := m.s.Capsule(m.t.Context(), c.UUID)
		if errdefs.IsNotFound(err) != (m.want[c.UUID] == nil) || err == nil && !cmp.Equal(got, c) {
			m.t.Fatalf("get %s: %v\n%s", c.UUID, err, cmp.Diff(c, got))
		}
	}
}

// pick returns a capsule of the model or, seldom, one that nobody knows.
func (m *model) pick() *capsule.Capsule {
	keys := slices.Sorted(maps.Keys(m.want))
	if len(keys) == 0 || m.r.IntN(10) == 0 {
		return fresh()
	}
	return m.want[keys[m.r.IntN(len(keys))]]
}

func (m *model) claim(c *capsule.Capsule) {
	claim := capsule.Claim{Reason: fmt.Sprint("full ", m.r.IntN(2))}
	if m.r.IntN(2) == 0 {
		claim = capsule.Claim{Host: fmt.Sprint("h", m.r.IntN(2)), At: at}
	}
	got, err := m.s.ClaimCapsule(m.t.Context(), c.UUID, claim)
	switch {
	case m.want[c.UUID] == nil:
		m.expect("claim", got, err, errdefs.IsNotFound)
	case c.Claim.Host != "" || c.Deletion != nil:
		m.expect("claim", got, err, errdefs.IsFailedPrecondition)
	default:
		m.put("claim", got, err, claim.Host != "" || claim.Reason != c.Claim.Reason, func(w *capsule.Capsule) { w.Claim = claim })
	}
}

func (m *model) facts(c *capsule.Capsule) {
	host, n := fmt.Sprint("h", m.r.IntN(2)), m.r.IntN(3)
	got, err := m.s.UpdateFacts(m.t.Context(), c.UUID, host, func(f *capsule.Facts) { f.Sandbox.Attempt = n })
	switch {
	case m.want[c.UUID] == nil:
		m.expect("facts", got, err, errdefs.IsNotFound)
	case c.Claim.Host != host:
		m.expect("facts", got, err, errdefs.IsFailedPrecondition)
	default:
		m.put("facts", got, err, c.Facts.Sandbox.Attempt != n, func(w *capsule.Capsule) { w.Facts.Sandbox.Attempt = n })
	}
}

func (m *model) delete(c *capsule.Capsule) {
	d := capsule.Deletion{At: at, GraceSeconds: int64(m.r.IntN(5))}
	got, err := m.s.DeleteCapsule(m.t.Context(), c.UUID, d)
	switch {
	case m.want[c.UUID] == nil:
		m.expect("delete", got, err, errdefs.IsNotFound)
	case c.Claim.Host == "":
		m.expect("delete", got, err, nil)
		delete(m.want, c.UUID)
	default:
		changes := c.Deletion == nil || d.GraceSeconds < c.Deletion.GraceSeconds
		m.put("delete", got, err, changes, func(w *capsule.Capsule) { w.Deletion = &d })
	}
}

// put expects that the answer is the model's record with the change, under a new revision, or the record as it was.
func (m *model) put(what string, got *capsule.Capsule, err error, changes bool, change func(*capsule.Capsule)) {
	m.t.Helper()
	m.expect(what, got, err, nil)
	want := *m.want[got.UUID]
	if changes {
		change(&want)
		if got.Revision <= want.Revision {
			m.t.Fatalf("%s: revision %d after %d", what, got.Revision, want.Revision)
		}
		want.Revision = got.Revision
	}
	if !cmp.Equal(got, &want) {
		m.t.Fatalf("%s:\n%s", what, cmp.Diff(&want, got))
	}
	m.want[got.UUID] = &want
}

func (m *model) expect(what string, got *capsule.Capsule, err error, class func(error) bool) {
	m.t.Helper()
	if class == nil && err != nil || class != nil && !class(err) {
		m.t.Fatalf("%s: %v", what, err)
	}
	if got != nil {
		m.last = max(m.last, got.Revision)
	}
}

func (m *model) compare(what string, list []*capsule.Capsule) {
	m.t.Helper()
	got := map[string]*capsule.Capsule{}
	for _, c := range list {
		got[c.UUID] = c
	}
	if !cmp.Equal(got, m.want) {
		m.t.Errorf("%s:\n%s", what, cmp.Diff(m.want, got))
	}
}

// TestKill kills a process that writes without an end, and finds every record whose write was answered. The hosts of the
// dead process are free at once.
func TestKill(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_KILL_DIR"); dir != "" {
		writeUntilKilled(t, dir)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "STORE_TEST_KILL_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var answered []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if answered = append(answered, lines.Text()); len(answered) == 50 {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait() // killed
	if len(answered) < 50 {
		t.Fatalf("the writer ended after %d: %v", len(answered), answered)
	}
	key, err := seal.LoadOrCreateKey(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s := open(t, Config{DataDir: filepath.Join(dir, "etcd"), SealKey: key})
	t.Logf("opened after the kill in %s", time.Since(start))
	for _, id := range answered {
		if c, err := s.Capsule(t.Context(), id); err != nil || c.Claim.Host != "h1" {
			t.Errorf("%s: %v %v", id, c, err)
		}
	}
	if hosts, _, err := s.Hosts(t.Context()); err != nil || len(hosts) != 0 {
		t.Errorf("the dead process has hosts: %v %v", hosts, err)
	}
	acquire(t, s, "h1") // its predecessor's lease has an hour left
}

func writeUntilKilled(t *testing.T, dir string) {
	key, err := seal.LoadOrCreateKey(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, Config{DataDir: filepath.Join(dir, "etcd"), SealKey: key})
	l, err := s.AcquireHost(t.Context(), "h1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	putHost(t, l, "a")
	for {
		fmt.Println(claimed(t, s).UUID) //nolint:forbidigo // the test that kills this process reads it
	}
}
