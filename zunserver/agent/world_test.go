package agent_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/agent"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/network"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/stats"
	"github.com/capsulet/capsulet/zunserver/store"
	"github.com/capsulet/capsulet/zunserver/volume"
)

const hostName = "h1"

// world is a real store, a host in memory and an agent between them.
type world struct {
	t     *testing.T
	store *store.Store
	host  *fake.Host
	// wrap, when set, is what the next agent gets for the host.
	wrap func(*fake.Host) runtime.Host
	// volumes, when set, are the next agent's.
	volumes  volume.Driver
	instance string
	// patience is how long await waits.
	patience time.Duration
	agent    *agent.Agent
	end      context.CancelFunc
	ended    chan struct{}
	// leases has the lease that the agent holds.
	leases chan *store.HostLease
}

// tappedStore shows the test the lease of the agent.
type tappedStore struct {
	*store.Store
	leases chan *store.HostLease
}

func (s tappedStore) AcquireHost(ctx context.Context, name string, ttl time.Duration) (*store.HostLease, error) {
	l, err := s.Store.AcquireHost(ctx, name, ttl)
	if err == nil {
		select {
		case <-s.leases:
		default:
		}
		s.leases <- l
	}
	return l, err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{DataDir: t.TempDir(), SealKey: make([]byte, 32), DetectChanges: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	h := fake.New(fake.Config{Instance: "test", VolumeDir: t.TempDir()})
	h.AddImage("app", fake.Behaviour{})
	w := &world{t: t, store: s, host: h, leases: make(chan *store.HostLease, 1), patience: 15 * time.Second, instance: "test"}
	w.startAgent()
	t.Cleanup(func() {
		w.stopAgent()
		for _, v := range h.Violations() {
			t.Errorf("violation: %s", v)
		}
	})
	return w
}

// startAgent starts an agent as a new process would: it knows nothing.
func (w *world) startAgent() {
	var host runtime.Host = w.host
	if w.wrap != nil {
		host = w.wrap(w.host)
	}
	volumes := w.volumes
	if volumes == nil {
		volumes = volume.NewFar(w.host)
	}
	a := agent.New(agent.Config{
		Name: hostName, Instance: w.instance, Address: "192.0.2.1", Runtime: host, Volumes: volumes, Network: network.NewFar(w.host), Meter: stats.NewFar(w.host),
		Store: tappedStore{w.store, w.leases},
		Log:   w.log(), Ping: 20 * time.Millisecond, Relist: 200 * time.Millisecond,
		SweepAfter: 300 * time.Millisecond, Lease: 2 * time.Second, Measure: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // ends in stopAgent, after t's context
	w.end, w.ended = cancel, make(chan struct{})
	ended := w.ended
	w.agent = a
	go func() { defer close(ended); _ = a.Run(ctx) }()
}

func (w *world) log() *logrus.Entry {
	log := logrus.New()
	log.SetOutput(io.Discard)
	if testing.Verbose() {
		log.SetOutput(w.t.Output())
		log.SetLevel(logrus.DebugLevel)
	}
	return logrus.NewEntry(log)
}

func (w *world) stopAgent() { w.end(); <-w.ended }

// create makes a capsule that lives on the host.
func (w *world) create(mutate func(*capsule.Spec)) *capsule.Capsule {
	w.t.Helper()
	spec := capsule.Spec{
		Name: "web", RestartPolicy: capsule.RestartAlways,
		Containers: []capsule.ContainerSpec{{Name: "app", Image: "app", ImagePullPolicy: corev1.PullIfNotPresent}},
	}
	if mutate != nil {
		mutate(&spec)
	}
	c, err := w.store.CreateCapsule(w.t.Context(), &capsule.Capsule{UUID: uuid.NewString(), Spec: spec, CreatedAt: time.Now()})
	if err == nil {
		c, err = w.store.ClaimCapsule(w.t.Context(), c.UUID, capsule.Claim{Host: hostName, At: time.Now()})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) delete(uuid string, grace int64) {
	w.t.Helper()
	if _, err := w.store.DeleteCapsule(w.t.Context(), uuid, capsule.Deletion{At: time.Now(), GraceSeconds: grace}); err != nil {
		w.t.Fatal(err)
	}
}

// await watches the capsule until ok says so; nil is given once its record is gone.
func (w *world) await(uuid, what string, ok func(*capsule.Capsule) bool) *capsule.Capsule {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), w.patience)
	defer cancel()
	all, revision, err := w.store.Capsules(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	var last *capsule.Capsule
	for _, c := range all {
		if c.UUID == uuid {
			last = c
		}
	}
	if ok(last) {
		return last
	}
	for e := range w.store.WatchCapsules(ctx, revision) {
		if e.Capsule == nil || e.Capsule.UUID != uuid {
			continue
		}
		if last = e.Capsule; e.Kind == store.Delete {
			last = nil
		}
		if ok(last) {
			return last
		}
	}
	w.t.Fatalf("capsule never came to: %s\nlast: %+v\ncontainers: %v", what, facts(last), w.host.Containers())
	return nil
}

func facts(c *capsule.Capsule) string {
	if c == nil {
		return "no record"
	}
	s := fmt.Sprintf("%+v", c.Facts)
	for _, cf := range c.Facts.Containers {
		s += fmt.Sprintf("\n  %s run=%+v last=%+v failure=%+v", cf.Name, cf.Run, cf.Last, cf.Failure)
	}
	return s
}

func running(c *capsule.Capsule) bool {
	if c == nil || !c.Facts.Sandbox.Ready {
		return false
	}
	for i := range c.Spec.Containers {
		if cf := c.Facts.Container(c.Spec.Containers[i].Name); cf == nil || cf.Run.State() != capsule.StateRunning {
			return false
		}
	}
	return true
}

func gone(c *capsule.Capsule) bool { return c == nil }

// empty asserts that nothing is left on the host.
func (w *world) empty() {
	w.t.Helper()
	if left := w.host.Containers(); len(left) > 0 {
		w.t.Fatalf("left on the host: %v", left)
	}
}
