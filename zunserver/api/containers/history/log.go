package history

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

const (
	// kept is how many actions of a container there are.
	kept = 100
	// period is how often what is under way is looked at.
	period = 5 * time.Second
	// patience bounds one such look.
	patience = 30 * time.Second
)

// Table keeps actions under the container's UUID, a slash and the request's ID; *store.Table says what each method does.
type Table interface {
	List(ctx context.Context, prefix string) ([]store.Record[Action], error)
	Get(ctx context.Context, key string) (store.Record[Action], error)
	Change(ctx context.Context, key string, change func(*Action, bool) error) (store.Record[Action], error)
	Remove(ctx context.Context, key string) error
}

// Lookup returns the record that has a container, and its name there; NotFound.
type Lookup func(ctx context.Context, uuid string) (c *capsule.Capsule, name string, err error)

// Log is the history of all containers. Make it with New. It is safe for concurrent use.
type Log struct {
	table  Table
	lookup Lookup
	now    func() time.Time
	log    *logrus.Entry

	mu   sync.Mutex
	open map[string]bool // the containers that have something under way
}

// New keeps actions in table.
func New(table Table, lookup Lookup, now func() time.Time, log *logrus.Entry) *Log {
	return &Log{table: table, lookup: lookup, now: now, log: log, open: map[string]bool{}}
}

func key(a *Action) string { return a.Container + "/" + a.Request }

// Add records an action that was asked for. Its failure changes nothing about the action and is only logged.
func (l *Log) Add(ctx context.Context, a Action) {
	l.mu.Lock()
	l.open[a.Container] = true
	l.mu.Unlock()
	_, err := l.table.Change(ctx, key(&a), func(into *Action, _ bool) error { *into = a; return nil })
	if err == nil {
		err = l.prune(ctx, a.Container)
	}
	if err != nil {
		l.log.WithError(err).WithField("container", a.Container).WithField("action", a.Action).Warn("Action cannot be recorded")
	}
}

// prune removes the oldest of too many.
func (l *Log) prune(ctx context.Context, container string) error {
	all, err := l.table.List(ctx, container+"/")
	if err != nil || len(all) <= kept {
		return err
	}
	slices.SortFunc(all, func(a, b store.Record[Action]) int { return a.Value.Started.Compare(b.Value.Started) })
	for _, r := range all[:len(all)-kept] {
		if err := l.table.Remove(ctx, r.Key); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// Finish ends an action that is done once; err is why it failed.
func (l *Log) Finish(ctx context.Context, container, request string, err error) {
	_, failed := l.table.Change(ctx, container+"/"+request, func(a *Action, exists bool) error {
		if !exists {
			return errdefs.ErrNotFound // the container is gone, and its history with it
		}
		if a.Finished.IsZero() {
			said := ""
			if err != nil {
				said = err.Error()
			}
			a.Finish(l.now().UTC(), said)
		}
		return nil
	})
	if failed != nil && !errdefs.IsNotFound(failed) {
		l.log.WithError(failed).WithField("container", container).Warn("End of an action cannot be recorded")
	}
}

// Of returns the actions of a container, the newest first, brought up to date.
func (l *Log) Of(ctx context.Context, container string) ([]Action, error) {
	if err := l.Settle(ctx, container); err != nil {
		return nil, err
	}
	all, err := l.table.List(ctx, container+"/")
	if err != nil {
		return nil, fmt.Errorf("list the actions of container %s: %w", container, err)
	}
	list := make([]Action, 0, len(all))
	for _, r := range all {
		list = append(list, r.Value)
	}
	slices.SortFunc(list, func(a, b Action) int { return b.Started.Compare(a.Started) })
	return list, nil
}

// One returns the action of a request, brought up to date; NotFound.
func (l *Log) One(ctx context.Context, container, request string) (Action, error) {
	if err := l.Settle(ctx, container); err != nil {
		return Action{}, err
	}
	r, err := l.table.Get(ctx, container+"/"+request)
	return r.Value, err
}

// Settle compares what is under way of a container with its record; what is gone has no history.
func (l *Log) Settle(ctx context.Context, container string) error {
	all, err := l.table.List(ctx, container+"/")
	if err != nil {
		return fmt.Errorf("list the actions of container %s: %w", container, err)
	}
	c, name, err := l.lookup(ctx, container)
	gone := errdefs.IsNotFound(err)
	if err != nil && !gone {
		return fmt.Errorf("settle the actions of container %s: %w", container, err)
	}
	under := false
	for _, r := range all {
		if gone {
			err = l.table.Remove(ctx, r.Key)
		} else if r.Value.Finished.IsZero() {
			var now store.Record[Action]
			now, err = l.table.Change(ctx, r.Key, func(a *Action, exists bool) error {
				if !exists {
					return errdefs.ErrNotFound
				}
				a.Settle(c, name, l.now().UTC())
				return nil
			})
			under = under || now.Value.Finished.IsZero()
		}
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("settle the actions of container %s: %w", container, err)
		}
	}
	if !under {
		l.mu.Lock()
		delete(l.open, container)
		l.mu.Unlock()
	}
	return nil
}

// Catch settles what is under way of a container before something else is asked of it, which would hide that it came true. What cannot
// be read now is settled later.
func (l *Log) Catch(ctx context.Context, container string) {
	l.mu.Lock()
	open := l.open[container]
	l.mu.Unlock()
	if !open {
		return
	}
	if err := l.settle(ctx, container); err != nil {
		l.log.WithError(err).WithField("container", container).Warn("Actions cannot be settled, trying again")
	}
}

// Run settles what is under way, also from before this server, until ctx ends.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	known := false
	for {
		known = known || l.learn(ctx)
		l.mu.Lock()
		open := make([]string, 0, len(l.open))
		for container := range l.open {
			open = append(open, container)
		}
		l.mu.Unlock()
		for _, container := range open {
			if err := l.settle(ctx, container); err != nil && ctx.Err() == nil {
				l.log.WithError(err).Warn("Actions cannot be settled, trying again")
				break
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Log) settle(ctx context.Context, container string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.Settle(ctx, container)
}

// learn finds the containers with a history that earlier servers have left; every one is looked at once, as it may be gone.
func (l *Log) learn(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all, err := l.table.List(ctx, "")
	if err != nil {
		l.log.WithError(err).Warn("Actions cannot be read, trying again")
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range all {
		l.open[r.Value.Container] = true
	}
	return true
}
