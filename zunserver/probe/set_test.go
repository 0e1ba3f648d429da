package probe

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// bench is a Set whose probes answer what the test wrote down, in the time of a synctest bubble.
type bench struct {
	*Set
	mu sync.Mutex
	// broken is by the command of the probe or the path of its request.
	broken map[string]bool
	tries  map[string]int
	wakes  int
}

func newBench() *bench {
	b := &bench{broken: map[string]bool{}, tries: map[string]int{}}
	b.Set = New(Config{
		Exec: func(_ context.Context, _ string, command []string, _ io.Writer) (int, error) {
			return b.try(command[0]), nil
		},
		Wake: func(string) { b.mu.Lock(); b.wakes++; b.mu.Unlock() },
	})
	b.http = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if b.try(r.URL.Path) != 0 {
			return nil, errors.New("connection refused")
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	})}
	return b
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (b *bench) try(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries[name]++
	if b.broken[name] {
		return 1
	}
	return 0
}

// set breaks or mends what the names stand for.
func (b *bench) set(broken bool, names ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range names {
		b.broken[n] = broken
	}
}

func (b *bench) count(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tries[name]
}

// after lets the time pass and returns the result of the container called app.
func (b *bench) after(d time.Duration) Result {
	time.Sleep(d)
	synctest.Wait()
	return b.Results("c")["app"]
}

func execProbe(command string, edit func(*corev1.Probe)) *corev1.Probe {
	p := &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{command}}},
		PeriodSeconds: 10, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3,
	}
	if edit != nil {
		edit(p)
	}
	return p
}

func httpProbe(path string) *corev1.Probe {
	p := execProbe("", nil)
	p.ProbeHandler = corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(80)}}
	return p
}

func target(id string, spec capsule.ContainerSpec) []Target {
	return []Target{{Capsule: "c", Container: "app", ID: id, Address: "192.0.2.1", Spec: &spec, StartedAt: time.Now()}}
}

// inBubble runs f with virtual time and demands that every worker ends when it is over.
func inBubble(t *testing.T, f func(t *testing.T, ctx context.Context, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBench()
		f(t, ctx, b)
		cancel()
		b.Wait()
	})
}

func TestWithoutProbesAllIsWell(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		b.Sync(ctx, "c", target("1", capsule.ContainerSpec{}))
		if r := b.after(0); !r.Started || !r.Ready || r.Unhealthy != "" || r.Failures != nil {
			t.Errorf("result: %+v", r)
		}
	})
}

func TestReadinessFollowsTheProbe(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		b.Sync(ctx, "c", target("1", capsule.ContainerSpec{ReadinessProbe: execProbe("r", nil)}))
		if r := b.after(0); !r.Ready {
			t.Errorf("after a success: %+v", r)
		}
		b.set(true, "r")
		if r := b.after(20*time.Second + time.Millisecond); !r.Ready {
			t.Errorf("after two failures of three: %+v", r)
		}
		if r := b.after(10 * time.Second); r.Ready || r.Unhealthy != "" {
			t.Errorf("after three failures: %+v", r)
		}
		b.set(false, "r")
		if r := b.after(10 * time.Second); !r.Ready {
			t.Errorf("after a success: %+v", r)
		}
		if b.wakes != 5 {
			t.Errorf("%d wakes for three changes and two failures that changed nothing", b.wakes)
		}
	})
}

func TestInitialDelay(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		b.Sync(ctx, "c", target("1", capsule.ContainerSpec{
			ReadinessProbe: execProbe("r", func(p *corev1.Probe) { p.InitialDelaySeconds = 7 }),
		}))
		if r := b.after(6900 * time.Millisecond); r.Ready || b.count("r") != 0 {
			t.Errorf("before the delay is over: %+v, %d tries", r, b.count("r"))
		}
		if r := b.after(200 * time.Millisecond); !r.Ready {
			t.Errorf("after the delay: %+v", r)
		}
	})
}

func TestLivenessKillsOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		grace := int64(5)
		b.set(true, "l")
		b.Sync(ctx, "c", target("1", capsule.ContainerSpec{
			LivenessProbe: execProbe("l", func(p *corev1.Probe) { p.TerminationGracePeriodSeconds = &grace }),
		}))
		if r := b.after(19 * time.Second); r.Unhealthy != "" || !r.Ready || !r.Started {
			t.Errorf("after two failures of three: %+v", r)
		}
		r := b.after(2 * time.Second)
		if r.Unhealthy != "Liveness probe failed: command exited with code 1:" || r.GraceSeconds == nil || *r.GraceSeconds != 5 {
			t.Errorf("after three failures: %+v", r)
		}
		b.after(time.Minute)
		if b.count("l") != 3 || b.wakes != 3 {
			t.Errorf("%d tries and %d wakes, want 3 and 3: the verdict was final", b.count("l"), b.wakes)
		}
		if f := b.after(0).Failures[Liveness]; f.Count != 3 || f.Message != "command exited with code 1:" {
			t.Errorf("failures: %+v", f)
		}
	})
}

// A probe that fails each second wakes nobody more often than each ten seconds.
func TestFailuresWakeNowAndThen(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		b.set(true, "r")
		b.Sync(ctx, "c", target("1", capsule.ContainerSpec{ReadinessProbe: execProbe("r", func(p *corev1.Probe) { p.PeriodSeconds = 1 })}))
		r := b.after(25 * time.Second)
		if r.Failures[Readiness].Count < 20 || b.wakes > 3 {
			t.Errorf("%d failures, %d wakes", r.Failures[Readiness].Count, b.wakes)
		}
	})
}

func TestStartupGatesTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		b.set(true, "s", "l")
		b.Sync(ctx, "c", target("1", capsule.ContainerSpec{
			StartupProbe:   execProbe("s", func(p *corev1.Probe) { p.FailureThreshold = 10 }),
			LivenessProbe:  execProbe("l", nil),
			ReadinessProbe: execProbe("r", nil),
		}))
		if r := b.after(35 * time.Second); r.Started || r.Ready || r.Unhealthy != "" || b.count("l")+b.count("r") != 0 {
			t.Errorf("before it started: %+v, tries %v", r, b.tries)
		}
		b.set(false, "s", "l")
		if r := b.after(10 * time.Second); !r.Started || !r.Ready || b.count("l") == 0 {
			t.Errorf("after it started: %+v, tries %v", r, b.tries)
		}
		tries := b.count("s")
		if b.after(time.Minute); b.count("s") != tries {
			t.Error("the start-up probe goes on after its success")
		}
	})
}

func TestStartupThatFailsKills(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		b.set(true, "s")
		b.Sync(ctx, "c", target("1", capsule.ContainerSpec{
			StartupProbe: execProbe("s", nil), ReadinessProbe: execProbe("r", nil),
		}))
		if r := b.after(25 * time.Second); r.Unhealthy == "" || r.Started || r.Ready || b.count("r") != 0 {
			t.Errorf("result: %+v", r)
		}
	})
}

func TestEagerFirstTries(t *testing.T) {
	for _, row := range []struct {
		name  string
		spec  capsule.ContainerSpec
		tries int // in the first second of failures
	}{
		{"readiness over the network", capsule.ContainerSpec{ReadinessProbe: httpProbe("/p")}, 5},
		{"start-up over the network", capsule.ContainerSpec{StartupProbe: httpProbe("/p")}, 5},
		{"a command is dear", capsule.ContainerSpec{ReadinessProbe: execProbe("/p", nil)}, 1},
		{"liveness is not in a hurry", capsule.ContainerSpec{LivenessProbe: httpProbe("/p")}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
				b.set(true, "/p")
				b.Sync(ctx, "c", target("1", row.spec))
				r := b.after(time.Second)
				if got := b.count("/p"); got != row.tries || r.Unhealthy != "" {
					t.Errorf("%d tries in the first second, want %d; %+v", got, row.tries, r)
				}
				b.set(false, "/p")
				if r := b.after(10 * time.Second); !r.Ready || !r.Started {
					t.Errorf("after a success: %+v", r)
				}
				tries := b.count("/p")
				b.set(true, "/p") // a later failure has time
				if b.after(5 * time.Second); b.count("/p") > tries+1 {
					t.Errorf("%d tries in five seconds", b.count("/p")-tries)
				}
			})
		})
	}
}

func TestEarlyFailuresDoNotCount(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		b.set(true, "/s")
		b.Sync(ctx, "c", target("1", capsule.ContainerSpec{StartupProbe: httpProbe("/s")}))
		if r := b.after(19 * time.Second); r.Unhealthy != "" {
			t.Errorf("killed early: %+v after %d tries", r, b.count("/s"))
		}
		if r := b.after(21 * time.Second); r.Unhealthy == "" {
			t.Errorf("never killed: %+v after %d tries", r, b.count("/s"))
		}
	})
}

func TestAnotherRunStartsAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		spec := capsule.ContainerSpec{ReadinessProbe: execProbe("r", nil), LivenessProbe: execProbe("l", nil)}
		b.Sync(ctx, "c", target("1", spec))
		b.after(0)
		b.set(true, "r", "l")
		b.Sync(ctx, "c", target("2", spec))
		if r := b.after(0); r.ID != "2" || r.Ready || r.Unhealthy != "" {
			t.Errorf("the second run: %+v", r)
		}
		if r := b.after(21 * time.Second); r.Unhealthy == "" {
			t.Errorf("the second run is probed: %+v", r)
		}
		tries := maps.Clone(b.tries)
		b.Sync(ctx, "c", target("2", spec)) // the same run is left alone
		b.after(0)
		if !maps.Equal(tries, b.tries) {
			t.Errorf("tries %v, then %v", tries, b.tries)
		}
	})
}

func TestSyncWithoutTargetsEndsTheWorkers(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		b.Sync(ctx, "c", target("1", capsule.ContainerSpec{ReadinessProbe: execProbe("r", nil)}))
		b.after(0)
		b.Sync(ctx, "c", nil)
		tries := b.count("r")
		b.after(time.Minute)
		if b.count("r") != tries || len(b.Results("c")) != 0 {
			t.Errorf("%d tries after the end, results %v", b.count("r")-tries, b.Results("c"))
		}
		b.Wait() // while the context of Sync is alive
	})
}

func TestExecsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		s := New(Config{MaxExecs: 2, Wake: func(string) {}, Exec: func(context.Context, string, []string, io.Writer) (int, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			now--
			mu.Unlock()
			return 0, nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var all []Target
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			all = append(all, Target{
				Capsule: "c", Container: name, ID: name, StartedAt: time.Now(),
				Spec: &capsule.ContainerSpec{ReadinessProbe: execProbe("r", nil)},
			})
		}
		s.Sync(ctx, "c", all)
		time.Sleep(time.Second)
		synctest.Wait()
		for _, name := range slices.Sorted(maps.Keys(s.Results("c"))) {
			if !s.Results("c")[name].Ready {
				t.Errorf("%s is not ready", name)
			}
		}
		if most != 2 {
			t.Errorf("%d commands at a time, want 2", most)
		}
		cancel()
		s.Wait()
	})
}

// TestCounts are of all runs of a container, until its capsule is forgotten.
func TestCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, b *bench) {
		spec := capsule.ContainerSpec{LivenessProbe: execProbe("live", nil), ReadinessProbe: execProbe("ready", nil)}
		b.set(true, "ready")
		b.Sync(ctx, "c", target("1", spec))
		b.after(25 * time.Second) // at 0, 10 and 20 s
		b.Sync(ctx, "c", target("2", spec))
		b.set(false, "ready")
		b.after(5 * time.Second)
		want := []capsule.ProbeCount{{Container: "app", Kind: "Liveness", Successes: 4}, {Container: "app", Kind: "Readiness", Successes: 1, Failures: 3}}
		if got := b.Counts("c"); !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		b.Sync(ctx, "c", nil)
		if got := b.Counts("c"); !slices.Equal(got, want) {
			t.Errorf("between two runs: %+v, want %+v", got, want)
		}
		b.Forget("c")
		if got := b.Counts("c"); got != nil {
			t.Errorf("forgotten: %+v", got)
		}
	})
}
