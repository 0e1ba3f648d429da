package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/test/bench/api/served"
	"github.com/capsulet/capsulet/test/bench/proc"
	"github.com/capsulet/capsulet/test/bench/report"
	"github.com/capsulet/capsulet/test/bench/round"
)

// Bench is what to measure.
type Bench struct {
	Out io.Writer
	// Root is that of the module.
	Root string
	// Profile gets a CPU profile of the server; "" is none.
	Profile string
	// Capsules of three containers are in the store; lists are asked for as long as Lists; each watcher sees Watched of them come and go.
	Capsules int
	Lists    time.Duration
	Watchers int
	Watched  int
}

// The bars.
const (
	listBar   = 15 * time.Millisecond
	rateBar   = 500 // lists per second
	createBar = 200 // capsules per second
	memoryBar = 150 // MB
	readers   = 4   // who list at the same time
	creators  = 16  // who create
	perPage   = 100
	inside    = 3 // containers of a capsule
	// settle is how long a process that was given 1,000 capsules at once gets to give memory back.
	settle = 20 * time.Second
)

// Measure starts the server, fills it, and asks.
func (b Bench) Measure(ctx context.Context, r *report.Report) (err error) {
	s, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for _, part := range []func(context.Context, *server, *report.Report) error{b.creations, b.lists, b.watches} {
		if err := part(ctx, s, r); err != nil {
			return err
		}
	}
	peak, err := proc.Memory(s.cmd.Process.Pid, "VmHWM")
	r.Gauges = append(r.Gauges, report.Gauge{Name: "API: highest RSS of the server over all of this", Unit: "MB", Value: peak})
	return err
}

// document is a capsule of three containers, as people write them.
func document(name string) []byte {
	type object = map[string]any
	var list []object
	for _, c := range []string{"web", "worker", "proxy"} {
		list = append(list, object{
			"name": c, "image": served.Image, "imagePullPolicy": "ifnotpresent", "command": []string{"serve", "--listen", "0.0.0.0:8080"},
			"env": object{"MODE": "production", "LEVEL": "info"}, "labels": object{"tier": c},
			"resources": object{"requests": object{"cpu": 0.1, "memory": 64}},
		})
	}
	b, err := json.Marshal(object{"template": object{
		"kind": "capsule", "capsuleVersion": "beta", "metadata": object{"name": name, "labels": object{"app": "bench"}},
		"spec": object{"restartPolicy": "Always", "containers": list},
	}})
	if err != nil {
		panic(err) // it is a constant but for the name
	}
	return b
}

// each lets n workers do jobs until next says that there are no more.
func each(ctx context.Context, n int, job func(ctx context.Context, i int) error, more func(i int) bool) error {
	var mu sync.Mutex
	next := 0
	g, ctx := errgroup.WithContext(ctx)
	for range n {
		g.Go(func() error {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if !more(i) {
					return nil
				}
				if err := job(ctx, i); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// creations posts all capsules, and waits until all of them run.
func (b Bench) creations(ctx context.Context, s *server, r *report.Report) error {
	began := time.Now()
	err := each(ctx, creators, func(ctx context.Context, i int) error {
		return s.do(ctx, http.MethodPost, "/v1/capsules", document("bench-"+strconv.Itoa(i)), new(bytes.Buffer))
	}, func(i int) bool { return i < b.Capsules })
	if err != nil {
		return err
	}
	posted := time.Since(began)
	if err := s.allRun(ctx, b.Capsules); err != nil {
		return err
	}
	ran := time.Since(began)
	fmt.Fprintf(b.Out, "  %d capsules of %d containers: all posted after %.2f s, all running after %.2f s\n", b.Capsules, inside, posted.Seconds(), ran.Seconds())
	what := fmt.Sprintf("API: %d capsules of %d containers on hosts in memory, ", b.Capsules, inside)
	r.Gauges = append(r.Gauges,
		report.Gauge{Name: what + "created", Unit: "/s", Value: float64(b.Capsules) / posted.Seconds(), Least: createBar},
		report.Gauge{Name: what + "created and running", Unit: "/s", Value: float64(b.Capsules) / ran.Seconds()})
	return nil
}

// allRun waits until n capsules run.
func (s *server) allRun(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	var buf bytes.Buffer
	for {
		err := s.do(ctx, http.MethodGet, "/v1/capsules", nil, &buf)
		running := bytes.Count(buf.Bytes(), []byte(`"phase":"Running"`))
		if err == nil && running == n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d capsules run: %w", running, n, errors.Join(err, context.Cause(ctx)))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// lists asks for pages, several at a time, as often as it goes.
func (b Bench) lists(ctx context.Context, s *server, r *report.Report) error {
	if err := s.complete(ctx); err != nil {
		return err
	}
	round.Pause(ctx, settle)
	pid := s.cmd.Process.Pid
	var mu sync.Mutex
	var took []time.Duration
	var size int
	rss, began, spent := 0.0, time.Now(), time.Duration(0)
	before, err := proc.CPU(pid)
	if err != nil {
		return err
	}
	var bufs sync.Pool
	bufs.New = func() any { return new(bytes.Buffer) }
	err = each(ctx, readers, func(ctx context.Context, i int) error {
		buf := bufs.Get().(*bytes.Buffer)
		defer bufs.Put(buf)
		asked := time.Now()
		if err := s.do(ctx, http.MethodGet, "/v1/capsules?limit="+strconv.Itoa(perPage), nil, buf); err != nil {
			return err
		}
		d := time.Since(asked)
		m := 0.0
		if i%100 == 0 {
			var err error
			if m, err = proc.Memory(pid, "VmRSS"); err != nil {
				return err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if len(took) > 100 && (buf.Len() < size/2 || buf.Len() > size*2) {
			return fmt.Errorf("a list has %d bytes, and others have %d", buf.Len(), size)
		}
		took, size, rss = append(took, d), buf.Len(), max(rss, m)
		return nil
	}, func(int) bool { return time.Since(began) < b.Lists })
	if err != nil {
		return err
	}
	lasted := time.Since(began)
	after, err := proc.CPU(pid)
	if err != nil {
		return err
	}
	spent = after - before
	what := fmt.Sprintf("API: list of %d of %d capsules (%d KB), %d readers", perPage, b.Capsules, size>>10, readers)
	fmt.Fprintf(b.Out, "  %s: %d in %.1f s\n", what, len(took), lasted.Seconds())
	r.Figures = append(r.Figures, report.Figure{Name: what, Ours: took, MostAt99: listBar})
	r.Gauges = append(r.Gauges,
		report.Gauge{Name: what, Unit: "/s", Value: float64(len(took)) / lasted.Seconds(), Least: rateBar},
		report.Gauge{Name: what + ": processor time of the server for one", Unit: "ms", Value: report.Milliseconds(spent) / float64(len(took))},
		report.Gauge{Name: what + ": RSS of the server, highest", Unit: "MB", Value: rss, Bar: memoryBar})
	return nil
}

// complete looks whether a page is what it should be: the clients that measure only count its bytes.
func (s *server) complete(ctx context.Context) error {
	var buf bytes.Buffer
	if err := s.do(ctx, http.MethodGet, "/v1/capsules?limit="+strconv.Itoa(perPage), nil, &buf); err != nil {
		return err
	}
	var page struct {
		Capsules []struct {
			Name       string
			Status     string
			Containers []struct{ Status string }
		}
		Next string
	}
	if err := json.Unmarshal(buf.Bytes(), &page); err != nil {
		return err
	}
	if len(page.Capsules) != perPage || page.Next == "" {
		return fmt.Errorf("a page has %d capsules, next %q", len(page.Capsules), page.Next)
	}
	for _, c := range page.Capsules {
		if c.Status != "Running" || len(c.Containers) != inside || c.Containers[inside-1].Status != "Running" {
			return fmt.Errorf("not what was created: %+v", c)
		}
	}
	return nil
}
