package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/test/bench/report"
)

// mark is the name of the last capsule that watchers wait for.
const mark = "the-last-one"

// watcher is what one reader of a watch saw.
type watcher struct {
	revisions []int64
	last      time.Time
}

// watches lets many readers watch while capsules come, change and go, and holds what they saw to one another: every revision, once,
// in order, for each.
func (b Bench) watches(ctx context.Context, s *server, r *report.Report) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	var buf bytes.Buffer
	seen := make([]watcher, b.Watchers)
	var ready sync.WaitGroup
	ready.Add(b.Watchers)
	g, watching := errgroup.WithContext(ctx)
	for i := range seen {
		g.Go(func() error { return s.watch(watching, &seen[i], ready.Done) })
	}
	ready.Wait()
	if watching.Err() != nil {
		return g.Wait()
	}
	began := time.Now()
	err := each(ctx, creators, func(ctx context.Context, i int) error {
		var answer bytes.Buffer
		if err := s.do(ctx, http.MethodPost, "/v1/capsules", document("watched-"+strconv.Itoa(i)), &answer); err != nil {
			return err
		}
		return s.do(ctx, http.MethodDelete, "/v1/capsules/watched-"+strconv.Itoa(i)+"?grace_period=0", nil, &answer)
	}, func(i int) bool { return i < b.Watched })
	if err != nil {
		return err
	}
	if err := s.allRun(ctx, b.Capsules); err != nil { // the others are gone, and these are as they were
		return err
	}
	if err := s.do(ctx, http.MethodPost, "/v1/capsules", document(mark), &buf); err != nil {
		return err
	}
	written := time.Now()
	if err := g.Wait(); err != nil {
		return err
	}
	late := make([]time.Duration, len(seen))
	for i, w := range seen {
		if !slices.IsSorted(w.revisions) || len(slices.Compact(slices.Clone(w.revisions))) != len(w.revisions) {
			return fmt.Errorf("watcher %d did not see each revision once and in order: %v", i, w.revisions)
		}
		if !slices.Equal(w.revisions, seen[0].revisions) {
			return fmt.Errorf("watcher %d saw %d revisions, and the first one %d: some were lost", i, len(w.revisions), len(seen[0].revisions))
		}
		late[i] = max(0, w.last.Sub(written))
	}
	// Created, claimed, seen, marked and removed: fewer writes of a capsule would mean that all watchers lost the same.
	events := len(seen[0].revisions)
	if events < 2*b.Watched {
		return fmt.Errorf("%d capsules came and went in %d revisions", b.Watched, events)
	}
	what := fmt.Sprintf("API: %d watchers, %d capsules that come and go", b.Watchers, b.Watched)
	fmt.Fprintf(b.Out, "  %s: %d revisions in %.2f s, none lost\n", what, events, written.Sub(began).Seconds())
	r.Figures = append(r.Figures, report.Figure{Name: what + ": a write's answer → the watcher has it", Ours: late})
	r.Gauges = append(r.Gauges,
		report.Gauge{Name: what + ": revisions that one of them did not see", Unit: "revisions", Value: 0},
		report.Gauge{Name: what + ": events", Unit: "/s", Value: float64(events*b.Watchers) / written.Sub(began).Seconds()})
	return nil
}

// watch reads until the mark.
func (s *server) watch(ctx context.Context, w *watcher, begun func()) error {
	begun = sync.OnceFunc(begun)
	defer begun() // nobody waits for one that failed
	resp, err := s.request(ctx, http.MethodGet, "/v1/capsules?watch=true", nil, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := bufio.NewReaderSize(resp.Body, 64<<10)
	for listed := false; ; {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read a watch: %w", err)
		}
		kind, revision, err := head(line)
		switch {
		case err != nil || kind == "ERROR":
			return errors.Join(err, fmt.Errorf("a watch says %.500s", line))
		case kind == "BOOKMARK" && !listed:
			listed = true
			begun()
		case listed && kind != "BOOKMARK":
			w.revisions = append(w.revisions, revision)
			if bytes.Contains(line, []byte(`"name":"`+mark+`"`)) {
				w.last = time.Now()
				return nil
			}
		}
	}
}

// head reads how a line begins: {"type":"PUT","revision":7, …
func head(line []byte) (kind string, revision int64, err error) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"type":"`))
	name, rest, found := bytes.Cut(rest, []byte(`"`))
	digits, ok2 := bytes.CutPrefix(rest, []byte(`,"revision":`))
	end := bytes.IndexAny(digits, ",}")
	if !ok || !found || !ok2 || end < 0 {
		return string(name), 0, nil
	}
	revision, err = strconv.ParseInt(string(digits[:end]), 10, 64)
	return string(name), revision, err
}
