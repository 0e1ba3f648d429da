package api_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// wanted is what the owner of the container wants.
func (w *world) wanted(id string) capsule.Want {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all[id].Standalone[0].Want
}

// A start that is asked for while one is under way is that one, and no reboot of what it starts.
func TestStartTwice(t *testing.T) {
	for _, state := range []string{"Created", "Stopped"} {
		w := newWorld(t)
		id := w.container(`"name":"c1"`)
		w.is(id, state)
		w.get(202, "POST", "/v1/containers/c1/start", "")
		first := w.wanted(id)
		w.get(202, "POST", "/v1/containers/c1/start", "")
		if again := w.wanted(id); again != first || again.Starts != 1 || again.State != capsule.WantRunning {
			t.Errorf("%s: %+v, then %+v", state, first, again)
		}
		w.get(202, "POST", "/v1/containers/c1/reboot?timeout=1", "") // is one more
		if again := w.wanted(id); again.Starts != 2 {
			t.Errorf("%s: rebooted: %+v", state, again)
		}
		w.is(id, "Stopped")
		w.get(202, "POST", "/v1/containers/c1/start", "")
		if again := w.wanted(id); again.Starts != 3 {
			t.Errorf("%s: ended since: %+v", state, again)
		}
	}
}

// A stop that is asked for again does not give more time.
func TestStopTwice(t *testing.T) {
	w := newWorld(t)
	id := w.container(`"name":"c1"`)
	w.is(id, "Running")
	w.get(202, "POST", "/v1/containers/c1/stop?timeout=60", "")
	first := w.wanted(id)
	w.get(202, "POST", "/v1/containers/c1/stop?timeout=60", "")
	if again := w.wanted(id); !again.At.Equal(first.At) {
		t.Errorf("%+v, then %+v", first, again)
	}
	w.get(202, "POST", "/v1/containers/c1/stop?timeout=0", "")
	if again := w.wanted(id); !again.At.After(first.At) || *again.GraceSeconds != 0 {
		t.Errorf("at once: %+v", again)
	}
}

// The signal that stops a container suspends its restart policy, in any spelling and before it is sent; another one does not. One
// that cannot be sent has not been.
func TestKillAndTheRestartPolicy(t *testing.T) {
	for _, row := range []struct {
		signal string
		err    error
		during bool // suspended while it is sent
		after  bool
	}{
		{"TERM", nil, true, true}, {"15", nil, true, true}, {"sigterm", nil, true, true}, {"HUP", nil, false, false}, {"SIGINT", nil, false, false},
		{"TERM", errors.New("no such process"), true, false},
	} {
		w := newWorld(t)
		w.killing = make(chan error)
		id := w.container(`"name":"c1","restart_policy":{"Name":"always"}`)
		w.is(id, "Running")
		w.get(202, "POST", "/v1/containers/c1/kill?signal="+row.signal, "")
		w.killing <- row.err // it is being sent
		if row.err == nil && w.wanted(id).NoRestart != row.during {
			t.Errorf("%s: %+v", row.signal, w.wanted(id))
		}
		for end := time.Now().Add(10 * time.Second); w.wanted(id).NoRestart != row.after; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s, %v: %+v", row.signal, row.err, w.wanted(id))
			}
		}
		if !slices.ContainsFunc(w.control, func(s string) bool { return s[:7] == "kill c1" }) {
			t.Errorf("%s: %v", row.signal, w.control)
		}
		w.is(id, "Stopped")
		w.get(202, "POST", "/v1/containers/c1/start", "")
		if w.wanted(id).NoRestart {
			t.Errorf("%s: the policy stays suspended", row.signal)
		}
	}
}

// What no host has, for lack of one that fits, is its owner's to delete.
func TestContainerWithoutAHostIsDeleted(t *testing.T) {
	w := newWorld(t)
	id := w.container(`"name":"c1","availability_zone":"nowhere"`)
	w.get(204, "DELETE", "/v1/containers/c1", "")
	if c := w.all[id]; c != nil && c.Deletion == nil {
		t.Errorf("it stays: %+v", c)
	}
}

// What came true is a success, however soon something else is asked for.
func TestActionsThatFollowSoon(t *testing.T) {
	w := newWorld(t)
	id := w.container(`"name":"c1"`)
	w.is(id, "Running")
	w.get(202, "POST", "/v1/containers/c1/pause", "")
	w.is(id, "Paused")
	w.get(202, "POST", "/v1/containers/c1/unpause", "")
	w.is(id, "Running")
	got := w.get(200, "GET", "/v1/containers/c1/container_actions", "")["containerActions"].([]any)
	if a := got[1].(map[string]any); a["action"] != "pause" || a["message"] != nil {
		t.Errorf("%v", got)
	}
}
