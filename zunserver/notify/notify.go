package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// resync is the event that says that others are missing.
const resync = "notification.resync"

// markInterval is how often a target's place in the history is kept, besides what was told.
const markInterval = 5 * time.Second

// Store has the records and their changes; *store.Store says what each method does.
type Store interface {
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
	WatchCapsules(ctx context.Context, since int64) <-chan store.CapsuleEvent
}

// Mark is what is kept of a target: its place in the history, or what was told of one record.
type Mark struct {
	Revision int64  `json:"revision,omitempty"`
	State    *State `json:"state,omitempty"`
}

// Marks is the table "notifications"; *store.Table says what each method does.
type Marks interface {
	List(ctx context.Context, prefix string) ([]store.Record[Mark], error)
	Change(ctx context.Context, key string, change func(value *Mark, exists bool) error) (store.Record[Mark], error)
	Remove(ctx context.Context, key string) error
}

// Lead is the right to be the one who sends.
type Lead interface {
	Done() <-chan struct{}
	Release(ctx context.Context) error
}

// Config is what a notifier needs. All but Log, FirstPause and Now are required.
type Config struct {
	Store   Store
	Marks   Marks
	Lead    func(ctx context.Context) (Lead, error)
	Targets []Target
	// Publisher names this installation in what is sent.
	Publisher string
	Log       *logrus.Entry
	// FirstPause is between the first two tries; 0 is a second.
	FirstPause time.Duration
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// Notifier tells targets. Make it with New and Run it once.
type Notifier struct {
	cfg    Config
	client *http.Client
}

// New makes a notifier; InvalidArgument names a target that cannot be.
func New(cfg Config) (*Notifier, error) {
	for _, t := range cfg.Targets {
		if err := t.check(); err != nil {
			return nil, err
		}
	}
	if cfg.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		cfg.Log = logrus.NewEntry(l)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.FirstPause == 0 {
		cfg.FirstPause = firstPause
	}
	return &Notifier{cfg: cfg, client: newClient()}, nil
}

// Run tells the targets until ctx ends, and returns its cause. Failures are logged and repeated.
func (n *Notifier) Run(ctx context.Context) error {
	if len(n.cfg.Targets) == 0 {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	n.again(ctx, n.cfg.Log, n.lead)
	return context.Cause(ctx)
}

// again repeats what fails until ctx ends.
func (n *Notifier) again(ctx context.Context, log *logrus.Entry, do func(context.Context) error) {
	for pause := n.cfg.FirstPause; ; pause = min(2*pause, lastPause) {
		began := n.cfg.Now()
		err := do(ctx)
		if ctx.Err() != nil {
			return
		}
		if n.cfg.Now().Sub(began) > lastPause {
			pause = n.cfg.FirstPause
		}
		log.WithField("cause", err).Warn("Notifications stopped and begin again")
		wait(ctx, pause)
	}
}

// lead tells the targets while this process is the one who does.
func (n *Notifier) lead(ctx context.Context) error {
	l, err := n.cfg.Lead(ctx)
	if err != nil {
		return err
	}
	defer func() {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = l.Release(release) // it ends by itself then
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-l.Done():
			cancel(fmt.Errorf("another server sends them: %w", errdefs.ErrUnavailable))
		case <-ctx.Done():
		}
	}()
	var g errgroup.Group
	for _, t := range n.cfg.Targets {
		sum := sha256.Sum256([]byte(t.URL))
		one := &teller{Notifier: n, target: t, prefix: hex.EncodeToString(sum[:8]) + "/", log: n.cfg.Log.WithField("target", t.String())}
		g.Go(func() error {
			n.again(ctx, one.log, one.run)
			return nil
		})
	}
	_ = g.Wait() // none fails
	return context.Cause(ctx)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// send tells the target until it has taken or refused the message.
func (t *teller) send(ctx context.Context, m Message) error {
	if !t.target.wants(m.EventType) {
		return nil
	}
	body, err := m.encode()
	if err != nil {
		return err
	}
	log := t.log.WithFields(logrus.Fields{"event": m.EventType, "message": m.MessageID})
	for pause := t.cfg.FirstPause; ; pause = min(2*pause, lastPause) {
		err := t.target.post(ctx, t.client, &m, body)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errRefused):
			log.WithError(err).Warn("A notification was refused and is not repeated")
			return nil
		}
		log.WithError(err).WithField("again", pause).Debug("A notification could not be delivered")
		wait(ctx, pause)
	}
}
