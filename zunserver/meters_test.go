package zunserver

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// gauge is an agent that answers what it is told, once it may.
type gauge struct {
	name     string
	host, of error
	may      chan struct{} // nil: at once
	slow     chan struct{} // its capsule "slow" waits for this one
}

func (g gauge) HostStats() (capsule.HostStats, error) {
	if g.may != nil {
		<-g.may
	}
	return capsule.HostStats{Name: g.name}, g.host
}

func (g gauge) Stats(c *capsule.Capsule) (capsule.Stats, error) {
	err := g.of
	if c.Spec.Name == "slow" && g.slow != nil {
		<-g.slow
	}
	if c.Spec.Name == "ended" || c.Spec.Name == "slow" {
		err = errdefs.ErrNotFound
	}
	return capsule.Stats{UUID: c.UUID}, err
}

func TestMeters(t *testing.T) {
	t.Parallel()
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	at := func(host, name string) *capsule.Capsule {
		return &capsule.Capsule{UUID: host + "/" + name, Spec: capsule.Spec{Name: name}, Claim: capsule.Claim{Host: host}}
	}
	good, may := gauge{name: "good"}, make(chan struct{})
	broken := errors.New("broken")
	for _, row := range []struct {
		name       string
		agents     map[string]metered
		hosts      []string
		capsules   []string
		incomplete []string
		rounds     int
	}{
		{"one host", map[string]metered{"good": good}, []string{"good"}, []string{"good/a", "good/b"}, []string{"other"}, 2},
		{"one that cannot tell of itself", map[string]metered{"good": good, "other": gauge{name: "other", host: errdefs.ErrNotImplemented}},
			[]string{"good"}, []string{"good/a", "good/b", "other/c"}, []string{"other"}, 2},
		{"one that cannot tell of capsules", map[string]metered{"good": good, "other": gauge{name: "other", of: broken}},
			[]string{"good", "other"}, []string{"good/a", "good/b"}, []string{"other"}, 2},
		{"one without capsules that cannot tell of itself", map[string]metered{"good": good, "empty": gauge{name: "empty", host: errdefs.ErrNotImplemented}},
			[]string{"good"}, []string{"good/a", "good/b"}, []string{"other"}, 2},
		{"one that cannot tell of a capsule in time", map[string]metered{"good": gauge{name: "good", slow: may}, "other": gauge{name: "other"}},
			[]string{"good", "other"}, []string{"good/a", "good/b", "other/c"}, []string{"good"}, 1},
		{"one that hangs", map[string]metered{"good": good, "other": gauge{name: "other", may: may, slow: may, of: broken}},
			[]string{"good"}, []string{"good/a", "good/b"}, []string{"other"}, 2},
		{"all well", map[string]metered{"other": gauge{name: "other"}, "good": good},
			[]string{"good", "other"}, []string{"good/a", "good/b", "other/c"}, nil, 2},
	} {
		m := newMeters(nil, logrus.NewEntry(quiet))
		m.agents, m.patience = row.agents, 500*time.Millisecond
		for name := range row.agents {
			m.reading[name] = make(chan struct{}, 1)
		}
		for round := range row.rounds { // the second finds the one that hangs being read
			r := m.Stats(t.Context(), []*capsule.Capsule{at("good", "a"), at("good", "ended"), at("good", "slow"), at("good", "b"), at("other", "c"), at("", "waits")})
			var hosts, capsules []string
			for _, h := range r.Hosts {
				hosts = append(hosts, h.Name)
			}
			for _, c := range r.Capsules {
				capsules = append(capsules, c.UUID)
			}
			slices.Sort(capsules)
			if got, want := fmt.Sprint(hosts, capsules, r.Incomplete), fmt.Sprint(row.hosts, row.capsules, row.incomplete); got != want {
				t.Errorf("%s, round %d: %s, want %s", row.name, round, got, want)
			}
		}
	}
	close(may)
}
