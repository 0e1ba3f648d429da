// Package limit bounds what is under way for long: sessions, logs, forwarded connections, archives on their way. All
// resources share one count, because what it guards they share too.
package limit

import (
	"fmt"
	"sync"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/auth"
)

const (
	// maxSessions is how many there may be at a time: each holds a few goroutines, file descriptors and buffers.
	maxSessions = 2048
	// maxOfOne is how many of them one caller may have, so that nobody takes all.
	maxOfOne = maxSessions / 2
)

// Sessions counts what is under way. It is safe for concurrent use; make it with New.
type Sessions struct {
	mu  sync.Mutex
	all int
	of  map[string]int
}

// New counts from nothing.
func New() *Sessions { return &Sessions{of: map[string]int{}} }

// Enter admits one more of the caller's, until leave is called; an error of the class ResourceExhausted when there are too
// many.
func (s *Sessions) Enter(caller auth.Identity) (leave func(), err error) {
	who := caller.Project + "/" + caller.User
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.all >= maxSessions:
		return nil, fmt.Errorf("%d sessions are under way, which is the limit: %w", maxSessions, errdefs.ErrResourceExhausted)
	case s.of[who] >= maxOfOne:
		return nil, fmt.Errorf("%d of your sessions are under way, which is the limit for one caller: %w", maxOfOne, errdefs.ErrResourceExhausted)
	}
	s.all++
	s.of[who]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[who]--; s.of[who] == 0 {
			delete(s.of, who)
		}
	}, nil
}
