package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

const cursorKey, recordsKey = "cursor", "records/"

// teller tells one target. It belongs to one goroutine.
type teller struct {
	*Notifier
	target Target
	prefix string
	log    *logrus.Entry

	cursor int64 // everything up to it was told
	kept   int64 // of it in the store
	keptAt time.Time
	told   map[string]*State
}

// run tells the target of everything since its mark, until something fails.
func (t *teller) run(ctx context.Context) error {
	if err := t.remember(ctx); err != nil {
		return err
	}
	if t.cursor == 0 {
		if err := t.begin(ctx); err != nil {
			return err
		}
	}
	for {
		err := t.follow(ctx)
		switch {
		case errdefs.IsOutOfRange(err):
			if err := t.resync(ctx); err != nil {
				return err
			}
		case errdefs.IsResourceExhausted(err): // the target is slow: what was not told is in the history
		default:
			return err
		}
	}
}

// remember reads the marks.
func (t *teller) remember(ctx context.Context) error {
	marks, err := t.cfg.Marks.List(ctx, t.prefix)
	if err != nil {
		return fmt.Errorf("read what was told: %w", err)
	}
	t.cursor, t.told = 0, map[string]*State{}
	for i := range marks {
		key := strings.TrimPrefix(marks[i].Key, t.prefix)
		if uuid, ok := strings.CutPrefix(key, recordsKey); ok && marks[i].Value.State != nil {
			t.told[uuid] = marks[i].Value.State
		} else if key == cursorKey {
			t.cursor = marks[i].Value.Revision
		}
	}
	t.kept = t.cursor
	return nil
}

// begin marks what is there as told: the target is new.
func (t *teller) begin(ctx context.Context) error {
	all, revision, err := t.cfg.Store.Capsules(ctx)
	if err != nil {
		return fmt.Errorf("list what is there: %w", err)
	}
	for _, c := range all {
		if c.Kind == capsule.KindSuccessor {
			continue
		}
		now, err := stateOf(c)
		if err != nil {
			return err
		}
		if err := t.mark(ctx, c.UUID, &now); err != nil {
			return err
		}
	}
	return t.keep(ctx, revision)
}

// follow tells of every change until the watch ends.
func (t *teller) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for e := range t.cfg.Store.WatchCapsules(ctx, t.cursor) {
		var err error
		switch e.Kind {
		case store.Put:
			err = t.changed(ctx, e.Capsule)
		case store.Delete:
			err = t.deleted(ctx, e.Capsule, e.Revision)
		case store.Error:
			return e.Err
		}
		if err == nil {
			t.cursor = max(t.cursor, e.Revision)
			if t.cursor > t.kept && t.cfg.Now().Sub(t.keptAt) > markInterval {
				err = t.keep(ctx, t.cursor)
			}
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("the watch was closed: %w", errdefs.ErrUnavailable)
}

// changed tells what is new of a record, and marks it. The next revision of a capsule is not one until the capsule has taken it over.
func (t *teller) changed(ctx context.Context, c *capsule.Capsule) error {
	if c.Kind == capsule.KindSuccessor {
		return nil
	}
	told := t.told[c.UUID]
	if told != nil && told.Revision >= c.Revision {
		return nil // before the last stop
	}
	now, err := stateOf(c)
	if err != nil {
		return err
	}
	events := difference(told, now, c)
	for _, e := range events {
		if err := t.send(ctx, message(t.cfg.Publisher, c, e, t.cfg.Now())); err != nil {
			return err
		}
	}
	t.told[c.UUID] = &now
	if len(events) == 0 && told != nil && told.Status == now.Status && len(told.Containers) == len(now.Containers) {
		return nil // nothing that the next difference needs
	}
	return t.mark(ctx, c.UUID, &now)
}

// deleted tells the end of a record; last is its last state, of which the UUID alone may be left.
func (t *teller) deleted(ctx context.Context, last *capsule.Capsule, revision int64) error {
	told := t.told[last.UUID]
	if told == nil && last.CreatedAt.IsZero() || last.Kind == capsule.KindSuccessor {
		return nil // it was told, and more is not known of it; or nobody was ever told
	}
	if last.CreatedAt.IsZero() {
		last = &capsule.Capsule{UUID: last.UUID, Project: told.Project, Spec: capsule.Spec{Name: told.Name}, Claim: capsule.Claim{Host: told.Host}}
		if told.Kind != "capsule" {
			last.Kind = capsule.Kind(told.Kind)
		}
	} else if err := t.changed(ctx, last); err != nil { // what its last write said
		return err
	}
	gone := *last
	gone.Revision = revision
	if err := t.send(ctx, message(t.cfg.Publisher, &gone, event{what: "delete.end"}, t.cfg.Now())); err != nil {
		return err
	}
	delete(t.told, last.UUID)
	if err := t.cfg.Marks.Remove(ctx, t.prefix+recordsKey+last.UUID); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("forget record %s: %w", last.UUID, err)
	}
	return t.keep(ctx, revision)
}

// resync tells what is different now: the changes themselves are gone.
func (t *teller) resync(ctx context.Context) error {
	all, revision, err := t.cfg.Store.Capsules(ctx)
	if err != nil {
		return fmt.Errorf("list what is there: %w", err)
	}
	t.log.WithField("since", t.cursor).Warn("The history of changes was compacted: notifications in between are missing")
	if err := t.send(ctx, envelope(t.cfg.Publisher, resync, "", fmt.Sprint(t.cursor), Data{Revision: revision}, t.cfg.Now())); err != nil {
		return err
	}
	there := map[string]bool{}
	for _, c := range all {
		there[c.UUID] = true
		if err := t.changed(ctx, c); err != nil {
			return err
		}
	}
	for uuid := range t.told {
		if !there[uuid] {
			if err := t.deleted(ctx, &capsule.Capsule{UUID: uuid}, revision); err != nil {
				return err
			}
		}
	}
	return t.keep(ctx, revision)
}

// mark keeps what was told of a record.
func (t *teller) mark(ctx context.Context, uuid string, s *State) error {
	t.told[uuid] = s
	_, err := t.cfg.Marks.Change(ctx, t.prefix+recordsKey+uuid, func(m *Mark, _ bool) error { m.State = s; return nil })
	if err != nil {
		return fmt.Errorf("mark what was told of %s: %w", uuid, err)
	}
	return nil
}

// keep keeps the place in the history.
func (t *teller) keep(ctx context.Context, revision int64) error {
	t.cursor = max(t.cursor, revision)
	_, err := t.cfg.Marks.Change(ctx, t.prefix+cursorKey, func(m *Mark, _ bool) error { m.Revision = t.cursor; return nil })
	if err != nil {
		return fmt.Errorf("mark how far the target was told: %w", err)
	}
	t.kept, t.keptAt = t.cursor, t.cfg.Now()
	return nil
}
