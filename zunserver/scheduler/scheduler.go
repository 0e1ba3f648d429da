package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

const (
	resync = 30 * time.Second
	// A failed list, watch or write is repeated after firstRetry, doubling to lastRetry.
	firstRetry, lastRetry = 100 * time.Millisecond, 10 * time.Second
	// writers bounds the claims that are written at once.
	writers = 16
)

// Store is what the scheduler needs of the store, see package store.
type Store interface {
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
	WatchCapsules(ctx context.Context, since int64) <-chan store.CapsuleEvent
	Hosts(ctx context.Context) ([]capsule.Host, int64, error)
	WatchHosts(ctx context.Context, since int64) <-chan store.HostEvent
	ClaimCapsule(ctx context.Context, uuid string, claim capsule.Claim) (*capsule.Capsule, error)
	MarkAway(ctx context.Context, uuid, host string, away *capsule.Away) (*capsule.Capsule, error)
	RemoveCapsule(ctx context.Context, uuid string) error
}

// Config says what the scheduler works with. Store is required.
type Config struct {
	Store Store
	// Lead waits until this scheduler is the one that decides; nil: there is no other.
	Lead func(ctx context.Context) (Lead, error)
	// AwayAfter is how long a host has to be away before its capsules count as lost; zero: 40 s.
	AwayAfter time.Duration
	// Log nil discards.
	Log *logrus.Entry
}

// Lead is the right to decide. Done is closed when it is lost.
type Lead interface {
	Done() <-chan struct{}
	Release(ctx context.Context) error
}

// Scheduler claims hosts for capsules while Run runs.
type Scheduler struct {
	store     Store
	lead      func(ctx context.Context) (Lead, error)
	awayAfter time.Duration
	log       *logrus.Entry

	// What follows belongs to Run's goroutine.
	capsules map[string]*capsule.Capsule
	hosts    map[string]capsule.Host
	// missed is since when a host that capsules live on has no record.
	missed map[string]time.Time
	// retry is how long to wait after a failure, 0 when the last pass had none.
	retry time.Duration
}

// New makes a scheduler; it does nothing before Run.
func New(cfg Config) *Scheduler {
	if cfg.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		cfg.Log = logrus.NewEntry(l)
	}
	return &Scheduler{
		store: cfg.Store, lead: cfg.Lead, awayAfter: cmp.Or(cfg.AwayAfter, awayAfter), log: cfg.Log, missed: map[string]time.Time{},
	}
}

// Run places capsules until ctx ends, and returns its cause. Failures of the store are logged and repeated. It must not
// run twice at a time.
func (s *Scheduler) Run(ctx context.Context) error {
	for {
		err := s.decideAlone(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.backOff()
		s.log.WithField("cause", err).WithField("action", "relist").Warn("Scheduler lost the store")
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(s.retry):
		}
	}
}

// decideAlone follows the store while this scheduler is the one that decides.
func (s *Scheduler) decideAlone(ctx context.Context) error {
	if s.lead == nil {
		return s.follow(ctx)
	}
	l, err := s.lead(ctx)
	if err != nil {
		return err
	}
	defer func() {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = l.Release(release) // it ends by itself then
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-l.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	clear(s.missed)
	return s.follow(ctx)
}

func (s *Scheduler) backOff() { s.retry = min(max(2*s.retry, firstRetry), lastRetry) }

// follow lists, and then goes after the changes until a watch ends.
func (s *Scheduler) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	capsules, capsuleRevision, err := s.store.Capsules(ctx)
	if err != nil {
		return err
	}
	hosts, hostRevision, err := s.store.Hosts(ctx)
	if err != nil {
		return err
	}
	s.capsules, s.hosts = map[string]*capsule.Capsule{}, map[string]capsule.Host{}
	for _, c := range capsules {
		s.capsules[c.UUID] = c
	}
	for _, h := range hosts {
		s.hosts[h.Name] = h
	}
	return s.loop(ctx, s.store.WatchCapsules(ctx, capsuleRevision), s.store.WatchHosts(ctx, hostRevision))
}

func (s *Scheduler) loop(ctx context.Context, capsules <-chan store.CapsuleEvent, hosts <-chan store.HostEvent) error {
	ticker := time.NewTicker(min(resync, s.awayAfter))
	defer ticker.Stop()
	again := time.NewTimer(resync)
	defer again.Stop()
	for {
		if placed, tended := s.pass(ctx), s.tend(ctx, time.Now()); placed && tended {
			s.retry = 0
			again.Stop()
		} else {
			s.backOff()
			again.Reset(s.retry)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-again.C:
		case e, ok := <-capsules:
			if err := s.seeCapsule(e, ok); err != nil {
				return err
			}
		case e, ok := <-hosts:
			if err := s.seeHost(e, ok); err != nil {
				return err
			}
		}
		if err := s.drain(capsules, hosts); err != nil {
			return err
		}
	}
}

// drain takes in what else happened already, so that one pass serves it all.
func (s *Scheduler) drain(capsules <-chan store.CapsuleEvent, hosts <-chan store.HostEvent) error {
	for {
		var err error
		select {
		case e, ok := <-capsules:
			err = s.seeCapsule(e, ok)
		case e, ok := <-hosts:
			err = s.seeHost(e, ok)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var errWatchEnded = errors.New("the watch ended")

func (s *Scheduler) seeCapsule(e store.CapsuleEvent, ok bool) error {
	switch {
	case !ok:
		return errWatchEnded
	case e.Kind == store.Error:
		return e.Err
	case e.Kind == store.Delete:
		delete(s.capsules, e.Capsule.UUID)
	case e.Kind == store.Put:
		s.learn(e.Capsule)
	}
	return nil
}

// learn keeps the newer of what is known and c: the answer to a claim is here before its event.
func (s *Scheduler) learn(c *capsule.Capsule) {
	if old := s.capsules[c.UUID]; old == nil || old.Revision < c.Revision {
		s.capsules[c.UUID] = c
	}
}

func (s *Scheduler) seeHost(e store.HostEvent, ok bool) error {
	switch {
	case !ok:
		return errWatchEnded
	case e.Kind == store.Error:
		return e.Err
	case e.Kind == store.Delete:
		delete(s.hosts, e.Host.Name)
	case e.Kind == store.Put:
		s.hosts[e.Host.Name] = e.Host
	}
	return nil
}

// decision is a claim to write.
type decision struct {
	capsule *capsule.Capsule
	claim   capsule.Claim
	written *capsule.Capsule
	err     error
}

// pass decides for every capsule without a host and writes what changed. It is false when a write has to be repeated.
func (s *Scheduler) pass(ctx context.Context) bool {
	decisions := s.decide()
	var g errgroup.Group
	g.SetLimit(writers)
	for i := range decisions {
		d := &decisions[i]
		g.Go(func() error {
			d.claim.At = time.Now()
			d.written, d.err = s.store.ClaimCapsule(ctx, d.capsule.UUID, d.claim)
			return nil
		})
	}
	_ = g.Wait() // errors are in the decisions
	done := true
	for i := range decisions {
		done = s.settle(&decisions[i]) && done
	}
	return done
}

// decide places the waiting capsules in the order of their creation, each knowing of the ones before.
func (s *Scheduler) decide() []decision {
	var waiting, placed []*capsule.Capsule
	for _, c := range s.capsules {
		if c.Claim.Host != "" {
			placed = append(placed, c)
		} else if c.Deletion == nil {
			waiting = append(waiting, c)
		}
	}
	slices.SortFunc(waiting, func(a, b *capsule.Capsule) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.UUID, b.UUID))
	})
	hosts := slices.Collect(maps.Values(s.hosts))
	var decisions []decision
	for _, c := range waiting {
		host, reason := Place(c, hosts, placed)
		if host != "" {
			promised := *c
			promised.Claim.Host = host
			placed = append(placed, &promised)
		} else if reason == c.Claim.Reason {
			continue
		}
		decisions = append(decisions, decision{capsule: c, claim: capsule.Claim{Host: host, Reason: reason}})
	}
	return decisions
}

// settle takes in what became of a decision. It is false when the write has to be repeated.
func (s *Scheduler) settle(d *decision) bool {
	log := s.log.WithField("capsule", d.capsule.UUID)
	switch {
	case errdefs.IsNotFound(d.err) || errdefs.IsFailedPrecondition(d.err):
		// Deleted, or claimed by another server. Forget what was known: the event with the truth is on its way, or came.
		log.WithField("cause", d.err).Debug("Capsule changed while it was placed")
		delete(s.capsules, d.capsule.UUID)
		return true
	case d.err != nil:
		log.WithField("cause", fmt.Sprint(d.err)).WithField("action", "claim").Warn("Claim could not be written")
		return false
	case d.claim.Host == "":
		log.WithField("cause", d.claim.Reason).Info("No host fits the capsule")
	default:
		log.WithField("host", d.claim.Host).Info("Host claimed for the capsule")
	}
	s.learn(d.written)
	return true
}
