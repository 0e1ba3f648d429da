package scheduler

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// A capsule whose host does not answer, or has no agent, is lost until the host is back.
func TestHostsThatAreAway(t *testing.T) {
	f := newFake()
	down := host("down")
	down.Up, down.Since = false, time.Now().Add(-time.Hour)
	f.putHost(down)
	f.putHost(host("up"))
	lost, missed, fine := f.create(on("down", asking("1", ""))), f.create(on("gone", asking("1", ""))), f.create(on("up", asking("1", "")))
	start(t, f)
	says := func(id, what string) func() bool {
		return func() bool {
			c := f.capsules[id]
			return strings.Contains(c.Claim.Lost(), what) && c.Status() == capsule.StatusUnknown
		}
	}
	f.await(t, "the engine does not answer", says(lost, "host down does not answer"))
	f.await(t, "nobody has the host", says(missed, "host gone has no agent"))
	f.putHost(host("down"))
	f.putHost(host("gone"))
	for _, id := range []string{lost, missed} {
		f.await(t, "the host is back", func() bool {
			c := f.capsules[id]
			return c.Claim.Lost() == "" && c.Claim.Away.Until.After(c.Claim.Away.Since) && c.Claim.Host != ""
		})
	}
	if c := f.capsules[fine]; c.Claim.Away != nil {
		t.Errorf("the host is there: %+v", c.Claim.Away)
	}
}

// A delete with force gives up what lives on a host that is away, and nothing else.
func TestForcedDeletionOnAHostThatIsAway(t *testing.T) {
	f := newFake()
	f.putHost(host("up"))
	ids := map[string]string{}
	for name, c := range map[string]*capsule.Capsule{"forced": on("gone", asking("1", "")), "patient": on("gone", asking("1", "")), "served": on("up", asking("1", ""))} {
		c.Deletion = &capsule.Deletion{At: time.Now(), Force: name != "patient"}
		ids[name] = f.create(c)
	}
	start(t, f)
	f.await(t, "it is given up", func() bool { _, there := f.capsules[ids["forced"]]; return !there })
	f.await(t, "the other one says why it stays", func() bool {
		c := f.capsules[ids["patient"]]
		return c.Status() == capsule.StatusDeleting && strings.Contains(c.StatusReason(), "delete with force")
	})
	if _, there := f.capsules[ids["served"]]; !there {
		t.Error("the agent of a host that is there ends its capsules")
	}
}

// turn is an election among the schedulers of a test.
type turn struct {
	mine chan struct{}
	lost chan struct{}
}

func (l turn) Done() <-chan struct{}         { return l.lost }
func (l turn) Release(context.Context) error { l.mine <- struct{}{}; return nil }

// Of several schedulers one decides, and another one when that one has lost its right.
func TestOneDecides(t *testing.T) {
	f := newFake()
	f.putHost(host("h1"))
	mine, leads := make(chan struct{}, 1), make(chan turn, 10)
	mine <- struct{}{}
	lead := func(ctx context.Context) (Lead, error) {
		select {
		case <-mine:
			l := turn{mine, make(chan struct{})}
			leads <- l
			return l, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	for range 2 {
		go func() { ended <- New(Config{Store: f, Lead: lead}).Run(ctx) }()
	}
	for range 3 {
		l := <-leads
		id := f.create(asking("1", ""))
		f.await(t, "a claim", func() bool { return f.capsules[id].Claim.Host == "h1" })
		select {
		case <-leads:
			t.Error("two decide")
		default:
		}
		close(l.lost)
	}
	cancel()
	for range 2 {
		<-ended //nolint:errcheck // they were cancelled
	}
	if f.claims != 3 {
		t.Errorf("%d claims were tried for 3 capsules", f.claims)
	}
}
