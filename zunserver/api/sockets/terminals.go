package sockets

import (
	"fmt"
	"sync"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// terminals are those of the tickets that wait and of the sessions that are under way.
type terminals struct {
	mu   sync.Mutex
	byID map[string]*terminal
}

// terminal has the size that was asked for last, for who joins later.
type terminal struct {
	tty       bool
	users     int // tickets and sessions
	size      *capsule.TerminalSize
	followers map[chan capsule.TerminalSize]bool
}

func newTerminals() *terminals { return &terminals{byID: map[string]*terminal{}} }

// open makes the terminal, or counts one more user of it.
func (t *terminals) open(id string, tty bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.openLocked(id, tty)
}

func (t *terminals) openLocked(id string, tty bool) *terminal {
	one := t.byID[id]
	if one == nil {
		one = &terminal{tty: tty, followers: map[chan capsule.TerminalSize]bool{}}
		t.byID[id] = one
	}
	one.users++
	return one
}

// close is the opposite of open.
func (t *terminals) close(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked(id)
}

func (t *terminals) closeLocked(id string) {
	one := t.byID[id]
	if one.users--; one.users == 0 {
		delete(t.byID, id)
	}
}

// follow opens the terminal for a session, and sends its newest size until leave is called; sizes is nil when it has none.
func (t *terminals) follow(id string, tty bool) (sizes <-chan capsule.TerminalSize, leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.openLocked(id, tty)
	mine := make(chan capsule.TerminalSize, 1)
	if one.size != nil {
		mine <- *one.size
	}
	one.followers[mine] = true
	if tty {
		sizes = mine
	}
	return sizes, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(one.followers, mine)
		t.closeLocked(id)
	}
}

func (t *terminals) resize(id string, size capsule.TerminalSize) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.byID[id]
	switch {
	case one == nil:
		return fmt.Errorf("nobody is at a terminal %.255q, and nobody is expected there: %w", id, errdefs.ErrNotFound)
	case !one.tty:
		return fmt.Errorf("%.255q has no terminal: %w", id, errdefs.ErrFailedPrecondition)
	}
	one.size = &size
	for f := range one.followers {
		select {
		case <-f: // only the newest counts
		default:
		}
		f <- size // there is room: nobody else sends
	}
	return nil
}
