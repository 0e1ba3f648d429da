package upgrade

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

const (
	// settle is how long a new revision has to stay healthy (docker service: --update-monitor).
	settle = 5 * time.Second
	resync = 30 * time.Second
	// A failed list, watch or write is repeated after retry.
	retry = time.Second
)

// Store is what upgrades need of the store, see package store.
type Store interface {
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
	Capsule(ctx context.Context, uuid string) (*capsule.Capsule, error)
	WatchCapsules(ctx context.Context, since int64) <-chan store.CapsuleEvent
	FinishUpgrade(ctx context.Context, uuid, successor string, at time.Time, ready func(next *capsule.Capsule) bool) (*capsule.Capsule, error)
	UpdateUpgrade(ctx context.Context, uuid, successor string, edit func(*capsule.Upgrade)) (*capsule.Capsule, error)
	DeleteCapsule(ctx context.Context, uuid string, d capsule.Deletion) (*capsule.Capsule, error)
}

// Lead is the right to decide. Done is closed when it is lost.
type Lead interface {
	Done() <-chan struct{}
	Release(ctx context.Context) error
}

// Config says what upgrades work with. Store, Lead and Log are required.
type Config struct {
	Store Store
	// Lead waits until this server is the one that decides.
	Lead func(ctx context.Context) (Lead, error)
	// Settle is how long a new revision has to stay healthy; zero: five seconds.
	Settle time.Duration
	Log    *logrus.Entry
}

// Loop brings upgrades about while Run runs.
type Loop struct {
	cfg Config
	// What follows belongs to Run's goroutine: the records that have to do with upgrades.
	upgraded, successors map[string]*capsule.Capsule
}

// New makes a loop; it does nothing before Run.
func New(cfg Config) *Loop {
	if cfg.Settle == 0 {
		cfg.Settle = settle
	}
	return &Loop{cfg: cfg}
}

// Run works until ctx ends, and returns its error.
func (l *Loop) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := l.led(ctx); err != nil && ctx.Err() == nil {
			l.cfg.Log.WithField("cause", err).Info("Upgrades are looked at again")
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
	return ctx.Err()
}

// led works while this server leads.
func (l *Loop) led(ctx context.Context) error {
	lead, err := l.cfg.Lead(ctx)
	if err != nil {
		return fmt.Errorf("get the lead: %w", err)
	}
	defer func() {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = lead.Release(release) // it ends by itself then
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-lead.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	all, revision, err := l.cfg.Store.Capsules(ctx)
	if err != nil {
		return err
	}
	l.upgraded, l.successors = map[string]*capsule.Capsule{}, map[string]*capsule.Capsule{}
	for _, c := range all {
		l.learn(c)
	}
	return l.follow(ctx, l.cfg.Store.WatchCapsules(ctx, revision))
}

func (l *Loop) follow(ctx context.Context, events <-chan store.CapsuleEvent) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case e, ok := <-events:
			news, err := l.see(e, ok)
			for err == nil && len(events) > 0 {
				e, ok = <-events
				var more bool
				more, err = l.see(e, ok)
				news = news || more
			}
			if err != nil {
				return err
			}
			if !news {
				continue
			}
		}
		timer.Reset(max(time.Until(l.pass(ctx)), time.Millisecond))
	}
}

// see takes in an event and says whether it has to do with upgrades.
func (l *Loop) see(e store.CapsuleEvent, ok bool) (bool, error) {
	switch {
	case !ok:
		return false, errors.New("the watch ended")
	case e.Kind == store.Error:
		return false, e.Err
	case e.Kind == store.Delete && e.Capsule != nil:
		_, upgraded := l.upgraded[e.Capsule.UUID]
		_, successor := l.successors[e.Capsule.UUID]
		delete(l.upgraded, e.Capsule.UUID)
		delete(l.successors, e.Capsule.UUID)
		return upgraded || successor, nil
	case e.Kind == store.Put:
		return l.learn(e.Capsule), nil
	}
	return false, nil
}

// learn keeps what has to do with upgrades, and says whether this has or had.
func (l *Loop) learn(c *capsule.Capsule) bool {
	if c.Kind == capsule.KindSuccessor {
		l.successors[c.UUID] = c
		return true
	}
	_, had := l.upgraded[c.UUID]
	delete(l.upgraded, c.UUID)
	if c.Upgrade != nil && c.Upgrade.Successor != "" && c.Deletion == nil {
		l.upgraded[c.UUID] = c
		return true
	}
	return had || c.Deletion != nil
}

// pass looks at every upgrade and every successor once. It returns when to look again at the latest.
func (l *Loop) pass(ctx context.Context) time.Time {
	now := time.Now()
	again := now.Add(resync)
	sooner := func(at time.Time) {
		if !at.IsZero() && at.Before(again) {
			again = at
		}
	}
	for _, c := range l.upgraded {
		at, err := l.advance(ctx, c, now)
		if err != nil && ctx.Err() == nil && !errdefs.IsFailedPrecondition(err) && !errdefs.IsNotFound(err) {
			l.cfg.Log.WithField("capsule", c.UUID).WithField("cause", err).Warn("Upgrade could not go on, trying again")
			at = now.Add(retry)
		}
		sooner(at)
	}
	for _, next := range l.successors {
		if owner := l.upgraded[next.Of]; owner != nil && owner.Upgrade.Successor == next.UUID {
			continue
		}
		if err := l.drop(ctx, next, now); err != nil && ctx.Err() == nil && !errdefs.IsNotFound(err) {
			l.cfg.Log.WithField("capsule", next.Of).WithField("cause", err).Warn("A revision that is not wanted could not be deleted, trying again")
			sooner(now.Add(retry))
		}
	}
	return again
}

// advance carries out what is decided about one upgrade.
func (l *Loop) advance(ctx context.Context, c *capsule.Capsule, now time.Time) (again time.Time, err error) {
	next := l.successors[c.Upgrade.Successor]
	if next == nil { // its event may be on its way
		if next, err = l.cfg.Store.Capsule(ctx, c.Upgrade.Successor); err != nil && !errdefs.IsNotFound(err) {
			return now.Add(retry), err
		}
	}
	v := Decide(c, next, now, l.cfg.Settle)
	log := l.cfg.Log.WithField("capsule", c.UUID)
	switch v.Step {
	case TakeOver:
		_, err = l.cfg.Store.FinishUpgrade(ctx, c.UUID, next.UUID, now, func(n *capsule.Capsule) bool {
			since, ok := n.Healthy()
			return ok && !since.Add(l.cfg.Settle).After(now)
		})
		if err == nil {
			log.Info("Upgrade finished, the new revision is taken over")
		}
	case GiveUp:
		_, err = l.cfg.Store.UpdateUpgrade(ctx, c.UUID, c.Upgrade.Successor, func(u *capsule.Upgrade) {
			u.Successor, u.Reason, u.Failed, u.FailedAt = "", "", v.Reason, now.UTC()
		})
		if err == nil {
			log.WithField("cause", v.Reason).Warn("Upgrade failed, the former revision stays")
		}
	case Wait:
		if v.Reason != c.Upgrade.Reason {
			_, err = l.cfg.Store.UpdateUpgrade(ctx, c.UUID, c.Upgrade.Successor, func(u *capsule.Upgrade) { u.Reason = v.Reason })
		}
	}
	return v.At, err
}

// drop deletes a successor that its capsule does not want, if the store says so too.
func (l *Loop) drop(ctx context.Context, next *capsule.Capsule, now time.Time) error {
	owner, err := l.cfg.Store.Capsule(ctx, next.Of)
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	d := capsule.Deletion{At: now.UTC(), GraceSeconds: next.Spec.Grace()}
	switch {
	case err != nil: // the capsule is gone
	case owner.Deletion != nil:
		d = *owner.Deletion
	case owner.Upgrade != nil && owner.Upgrade.Successor == next.UUID:
		return nil
	}
	if had := next.Deletion; had != nil && !d.Deadline().Before(had.Deadline()) && (had.Force || !d.Force) {
		return nil
	}
	_, err = l.cfg.Store.DeleteCapsule(ctx, next.UUID, d)
	return err
}
