package chaos_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/dev/stage"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// event is one line of the engine's event stream.
type event struct {
	Action string
	Actor  struct {
		ID         string
		Attributes map[string]string
	}
	TimeNano int64 `json:"timeNano"`
}

func (e *event) identity() runtime.Identity { return runtime.IdentityOf(e.Actor.Attributes) }
func (e *event) at() time.Time              { return time.Unix(0, e.TimeNano) }

func (e *event) String() string {
	i := e.identity()
	what := i.Container
	if i.Sandbox() {
		what = "sandbox"
	}
	return fmt.Sprintf("%s %s of %s (%s) attempt %d, %.12s, at %s", e.Action, what, i.CapsuleName, i.Capsule, i.Attempt, e.Actor.ID,
		e.at().Format("15:04:05.000"))
}

// record is the engine's own account of what happened to one instance.
type record struct {
	mu     sync.Mutex
	events []event
	broke  bool // the stream ended before its time: it tells nothing
	end    func()
}

// startRecord returns when the stream is open.
func startRecord(t *testing.T, instance string) *record {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "docker", "events", "--filter", "type=container", "--filter",
		"label="+stage.InstanceLabel+"="+instance, "--format", "{{json .}}")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	r := &record{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				r.mu.Lock()
				r.events = append(r.events, e)
				r.mu.Unlock()
			}
		}
		r.mu.Lock()
		r.broke = ctx.Err() == nil
		r.mu.Unlock()
	}()
	r.end = sync.OnceFunc(func() {
		cancel()
		<-read
		_ = cmd.Wait()
	})
	t.Cleanup(r.end)
	time.Sleep(300 * time.Millisecond) // the command says nothing when it is connected; nothing of ours happens before
	return r
}

// life is one start of a container and its end; zero while it runs.
type life struct {
	id         string
	began, end time.Time
}

// judge says what is wrong in the record. asked is when each capsule was asked to be deleted, init the names of its init
// containers, which may end.
func (r *record) judge(asked map[string]time.Time, init map[string][]string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var wrong []string
	if r.broke {
		wrong = append(wrong, "the engine's event stream broke; there is no proof")
	}
	blame := func(e *event, why string) { wrong = append(wrong, why+": "+e.String()) }
	lives := map[[2]string][]*life{}
	byID := map[string]*life{}
	for n := range r.events {
		e := &r.events[n]
		i := e.identity()
		key := [2]string{i.Capsule, i.Container}
		switch e.Action {
		case "start":
			if byID[e.Actor.ID] != nil {
				blame(e, "a container was started twice")
				continue
			}
			if i.Attempt != 0 || i.SandboxAttempt != 0 {
				blame(e, "nothing crashed, and there was another attempt")
			}
			for _, l := range lives[key] {
				if l.end.IsZero() {
					blame(e, "two lives at a time, the other is "+l.id[:12])
				} else {
					blame(e, "a second life, the first was "+l.id[:12])
				}
			}
			byID[e.Actor.ID] = &life{id: e.Actor.ID, began: e.at()}
			lives[key] = append(lives[key], byID[e.Actor.ID])
		case "die":
			if l := byID[e.Actor.ID]; l != nil {
				l.end = e.at()
			}
			if at, ok := asked[i.Capsule]; (!ok || e.at().Before(at)) && !slices.Contains(init[i.Capsule], i.Container) {
				blame(e, "died in a capsule that nobody had asked to delete")
			}
		}
	}
	return wrong
}

// count is the number of events of one kind.
func (r *record) count(action string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for i := range r.events {
		if r.events[i].Action == action {
			n++
		}
	}
	return n
}

// TestJudge: a judge that finds nothing must be able to.
func TestJudge(t *testing.T) {
	made := func(action, id, container string, at int64, labels ...string) (e event) {
		e.Action, e.Actor.ID, e.TimeNano = action, id+"-0123456789ab", at
		e.Actor.Attributes = map[string]string{runtime.LabelCapsule: "c", runtime.LabelContainer: container}
		for i := 0; i < len(labels); i += 2 {
			e.Actor.Attributes[labels[i]] = labels[i+1]
		}
		return e
	}
	asked, init := map[string]time.Time{"c": time.Unix(0, 100)}, map[string][]string{"c": {"init"}}
	for _, row := range []struct {
		name   string
		broke  bool
		events []event
		wrong  int
	}{
		{name: "a life and a death", events: []event{
			made("start", "s", "", 1), made("start", "i", "init", 2), made("die", "i", "init", 3), made("start", "a", "app", 4),
			made("die", "a", "app", 101), made("die", "s", "", 102),
		}},
		{name: "started twice", events: []event{made("start", "a", "app", 1), made("start", "a", "app", 2)}, wrong: 1},
		{name: "two lives at a time", events: []event{made("start", "a", "app", 1), made("start", "b", "app", 2)}, wrong: 1},
		{name: "a life after a life", events: []event{
			made("start", "i", "init", 1), made("die", "i", "init", 2), made("start", "j", "init", 3),
		}, wrong: 1},
		{name: "another attempt", events: []event{made("start", "a", "app", 1, runtime.LabelAttempt, "1")}, wrong: 1},
		{name: "died before it was asked to", events: []event{made("start", "a", "app", 1), made("die", "a", "app", 99)}, wrong: 1},
		{name: "a broken stream", broke: true, wrong: 1},
	} {
		r := &record{events: row.events, broke: row.broke}
		if wrong := r.judge(asked, init); len(wrong) != row.wrong {
			t.Errorf("%s: %q", row.name, wrong)
		}
	}
}
