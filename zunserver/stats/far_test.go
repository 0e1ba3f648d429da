package stats_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/stats"
)

// start makes containers that run and returns their IDs.
func start(t *testing.T, h *fake.Host, names ...string) (ids []string) {
	t.Helper()
	for _, name := range names {
		cfg := runtime.ContainerConfig{Name: "n-" + name, Identity: runtime.Identity{Instance: "i", Capsule: "u", Container: name}, Image: "app", Sandbox: "n-"}
		if name == "" {
			cfg.Image, cfg.Sandbox, cfg.Inside = "", "", true
		}
		id, err := h.Create(t.Context(), cfg)
		if err == nil {
			err = h.Start(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// Everybody who asks is served by one round, and what was started since by a reading of its own.
func TestFarReadsInRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := fake.New(fake.Config{Instance: "i"})
		h.AddImage("app", fake.Behaviour{})
		f := stats.NewFar(h)
		if _, err := f.Host(); !errdefs.IsNotImplemented(err) {
			t.Errorf("no sandbox: %v", err)
		}
		ids := start(t, h, "", "a", "b")
		h.SetUsage(ids[1], capsule.Usage{CPUNanos: 7})
		var reads atomic.Int32
		h.SetFault(func(op, _ string) error {
			if op == "stats" {
				reads.Add(1)
			}
			return nil
		})
		for range 3 {
			if u, err := f.Container(ids[1], 0); err != nil || u.CPUNanos != 7 {
				t.Errorf("%+v, %v", u, err)
			}
			if n, err := f.Network(ids[0], 0); err != nil || len(n) != 1 {
				t.Errorf("%+v, %v", n, err)
			}
		}
		synctest.Wait() // the round goes on behind those who have what they asked for
		if n := reads.Load(); n != 3 {
			t.Errorf("%d readings for 3 containers", n)
		}
		late := start(t, h, "late")[0]
		if _, err := f.Container(late, 0); err != nil || reads.Load() != 4 {
			t.Errorf("%v after %d readings", err, reads.Load())
		}
		if _, err := f.Container("none", 0); !errdefs.IsNotFound(err) {
			t.Errorf("no container: %v", err)
		}
		if s, err := f.Host(); err != nil || s.MemoryBytes == 0 || s.StartedAt.IsZero() {
			t.Errorf("the host: %+v, %v", s, err)
		}
	})
}

// slow is a host whose engine takes readings once a second, as those before 28 do, and whose sandboxes show nothing.
type slow struct {
	*fake.Host
	fails func(op, id string) error
}

func (s slow) Stats(ctx context.Context, id string) (capsule.Usage, []capsule.Interface, error) {
	time.Sleep(time.Second)
	if err := s.fails("stats", id); err != nil {
		return capsule.Usage{}, nil, err
	}
	return s.Host.Stats(ctx, id)
}

func (s slow) List(ctx context.Context, c string) ([]runtime.Container, error) {
	if err := s.fails("list", ""); err != nil {
		return nil, err
	}
	return s.Host.List(ctx, c)
}

// A hundred containers of an old engine are read in seven seconds. The first who asks waits for his own; later nobody waits
// longer than two, whatever fails, and gets what is known.
func TestFarOfAnOldEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := map[string]bool{}
		h := slow{fake.New(fake.Config{Instance: "i"}), func(op, id string) error {
			if broken[op+id] {
				return errors.New("broken")
			}
			return nil
		}}
		h.AddImage("app", fake.Behaviour{})
		names := []string{""}
		for i := range 99 {
			names = append(names, fmt.Sprint("a", i))
		}
		ids := start(t, h.Host, names...)
		f := stats.NewFar(h)
		asked := func(what string, lacking int, within time.Duration) {
			t.Helper()
			began, lacks := time.Now(), make(chan int, len(ids))
			for _, id := range ids {
				go func() {
					n := 0
					if u, err := f.Container(id, 0); err != nil || time.Since(u.At) > time.Minute {
						n++
					}
					lacks <- n
				}()
			}
			n := 0
			for range ids {
				n += <-lacks
			}
			if took := time.Since(began); n != lacking || took > within {
				t.Errorf("%s: %d are lacking after %s; want %d, %s", what, n, took, lacking, within)
			}
		}
		asked("at first", 0, 7*time.Second)
		asked("once more", 0, 0)
		time.Sleep(15 * time.Second)
		asked("in the next round", 0, 2*time.Second)
		time.Sleep(15 * time.Second)
		broken["stats"+ids[7]] = true
		asked("while one cannot be read", 0, 2*time.Second)
		time.Sleep(15 * time.Second)
		broken["list"] = true
		asked("while the engine is away", 0, 0)
		time.Sleep(3 * time.Minute)
		asked("for a long time", 100, 0)
		broken["list"] = false
		asked("when it is back", 100, 0)
		time.Sleep(15 * time.Second)
		asked("in the next round", 1, 7*time.Second)
	})
}
