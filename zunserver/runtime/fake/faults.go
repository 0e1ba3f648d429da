package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Call is one operation that was asked of the host. Reads are not recorded.
type Call struct {
	At time.Time
	// Op is create, start, restart, pause, unpause, kill, commit, stop, remove, update, pull, import, removeimage, exec or copyto.
	Op string
	// Name is the container's name or the image reference.
	Name string
	// Err is what was answered.
	Err error
}

// String is "op name" and the error, if there was one.
func (c Call) String() string {
	if c.Err != nil {
		return fmt.Sprintf("%s %s: %v", c.Op, c.Name, c.Err)
	}
	return c.Op + " " + c.Name
}

var recorded = map[string]bool{
	"create": true, "start": true, "stop": true, "remove": true, "update": true,
	"restart": true, "pause": true, "unpause": true, "kill": true, "commit": true,
	"pull": true, "import": true, "removeimage": true, "exec": true, "copyto": true,
}

// SetFault sets a hook that is asked before each operation: an error is the answer, and nothing is done. The operations are
// info, list, inspect, create, start, restart, pause, unpause, kill, top, commit, stop, remove, update, events, image, pull, import, listimages, removeimage, logs, exec,
// copyfrom and copyto; name is the container's name or the image reference. Nil removes it. It may be called concurrently.
func (h *Host) SetFault(f func(op, name string) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = f
}

// SetLostAnswer sets a hook that is asked after each operation that succeeded: the work is done, and the error is the
// answer all the same. Nil removes it.
func (h *Host) SetLostAnswer(f func(op, name string) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

// SetDelay sets a hook that says how long each operation takes before anything happens. Nil removes it.
func (h *Host) SetDelay(f func(op, name string) time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.delay = f
}

// Partition cuts the engine off (or joins it again): every operation answers Unavailable, running ones too, and the
// event streams break. Containers go on.
func (h *Host) Partition(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if on == h.down {
		return
	}
	h.down = on
	if on {
		h.breakLink()
	} else {
		h.link = make(chan struct{})
	}
}

// Reboot is an engine without live-restore going down and up: all containers stop with 137, streams and running
// operations break.
func (h *Host) Reboot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.down {
		h.breakLink()
		h.link = make(chan struct{})
	}
	for _, c := range h.sorted() {
		if c.running() {
			h.exit(c, 137, false)
		}
	}
}

// breakLink ends streams and running operations; the caller holds mu.
func (e *engine) breakLink() {
	close(e.link)
	for _, s := range e.streams {
		s.close()
	}
	e.streams = nil
}

// Crash ends the process of a running container, by ID or name, with the exit code. It answers whether it ran.
func (h *Host) Crash(id string, code int) bool { return h.kill(id, code, false) }

// OOMKill ends the process of a running container as the kernel does for memory. It answers whether it ran.
func (h *Host) OOMKill(id string) bool { return h.kill(id, 137, true) }

func (e *engine) kill(id string, code int, oom bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(id)
	if err != nil || !c.running() {
		return false
	}
	e.exit(c, code, oom)
	return true
}

// RemoveByHand removes a container behind the agent's back, by ID or name. It answers whether it was there.
func (h *Host) RemoveByHand(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, err := h.find(id)
	if err != nil {
		return false
	}
	h.drop(c)
	return true
}

// Print adds a line to the log of a container, by ID or name.
func (h *Host) Print(id, line string) { h.print(id, line, false) }

// Containers returns every container of every instance, oldest first, also during a partition.
func (h *Host) Containers() []runtime.Container {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []runtime.Container
	for _, c := range h.sorted() {
		out = append(out, c.snapshot())
	}
	return out
}

// Running returns the names of the running containers of every instance, sorted.
func (h *Host) Running() []string {
	var names []string
	for _, c := range h.Containers() {
		if c.State == capsule.StateRunning {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Config returns what a container, by ID or name, was made with, limits as last updated.
func (h *Host) Config(id string) (runtime.ContainerConfig, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, err := h.find(id)
	if err != nil {
		return runtime.ContainerConfig{}, false
	}
	return c.cfg, true
}

// StartCounts says how often a container of each name was started.
func (h *Host) StartCounts() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.starts)
}

// Violations lists what must never happen: one name started twice, two live containers that are the same container
// of one capsule (two sandboxes of one capsule among them).
func (h *Host) Violations() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.violations)
}

// Calls returns the journal, oldest first.
func (h *Host) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// call runs one operation through the hooks. target is an image reference or a container's ID or name.
func (h *Host) call(ctx context.Context, op, target string, f func() error) (err error) {
	h.mu.Lock()
	name := target
	if c, ferr := h.find(target); ferr == nil {
		name = c.view.Name
	}
	fault, answer, delay, link := h.fault, h.answer, h.delay, h.link
	h.mu.Unlock()
	defer func() { h.record(op, name, err) }()

	var wait time.Duration
	if delay != nil {
		wait = delay(op, name)
	}
	if err := sleep(ctx, h.clock, wait, link); err != nil {
		return err
	}
	select {
	case <-link:
		return errUnavailable()
	default:
	}
	if fault != nil {
		if err := fault(op, name); err != nil {
			return err
		}
	}
	if err := f(); err != nil {
		return err
	}
	if answer != nil {
		return answer(op, name)
	}
	return nil
}

func (e *engine) record(op, name string, err error) {
	if !recorded[op] {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, Call{At: e.now(), Op: op, Name: name, Err: err})
}
