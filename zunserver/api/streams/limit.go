package streams

import (
	"fmt"
	"sync"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/auth"
)

const (
	// maxSessions is how many sessions, logs and forwarded connections there may be at a time: each holds a few goroutines,
	// file descriptors and buffers.
	maxSessions = 2048
	// maxOfOne is how many of them one caller may have, so that nobody takes all.
	maxOfOne = maxSessions / 2
)

// sessions counts what is under way.
type sessions struct {
	mu  sync.Mutex
	all int
	of  map[string]int
}

func newSessions() *sessions { return &sessions{of: map[string]int{}} }

// enter admits one more of the caller's, until leave is called.
func (s *sessions) enter(caller auth.Identity) (leave func(), err error) {
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
