package sockets

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/auth"
)

const (
	tokenLife = 10 * time.Minute
	// rejoin is how long an attachment may be joined again with the token of one that began.
	rejoin = 30 * time.Second
	// maxTickets wait for their sockets at a time; of one project maxOfProject, and its oldest gives way to one more.
	maxTickets   = 4096
	maxOfProject = 256
)

// ticket is the right to one session.
type ticket struct {
	// id names its terminal.
	id                                string
	caller                            auth.Identity
	project                           string // of the capsule
	capsule, container, containerUUID string
	command                           []string // nil for an attachment
	tty                               bool

	expires time.Time
}

type digest [sha256.Size]byte

// tickets are those that wait for a socket, by the digest of their token.
type tickets struct {
	life      time.Duration
	terminals *terminals

	mu       sync.Mutex
	byDigest map[digest]*ticket
}

func newTickets(life time.Duration, terminals *terminals) *tickets {
	return &tickets{life: life, terminals: terminals, byDigest: map[digest]*ticket{}}
}

// newExecID looks like Docker's.
func newExecID() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// issue makes the token of a ticket. Its terminal is there from now on.
func (t *tickets) issue(now time.Time, one ticket) (token string, err error) {
	token = rand.Text()
	one.expires = now.Add(t.life)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	t.makeRoom(one.caller.Project)
	if len(t.byDigest) >= maxTickets {
		return "", fmt.Errorf("%d terminals wait for their clients, which is the limit: %w", maxTickets, errdefs.ErrResourceExhausted)
	}
	t.byDigest[sha256.Sum256([]byte(token))] = &one
	t.terminals.open(one.id, one.tty)
	return token, nil
}

// expire forgets the tickets whose time is over.
func (t *tickets) expire(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
}

func (t *tickets) sweep(now time.Time) {
	for d, one := range t.byDigest {
		if !now.Before(one.expires) {
			t.forget(d)
		}
	}
}

// makeRoom forgets the oldest ticket of a project that has all it may.
func (t *tickets) makeRoom(project string) {
	var oldest digest
	var at time.Time
	count := 0
	for d, one := range t.byDigest {
		if one.caller.Project != project {
			continue
		}
		if count++; count == 1 || one.expires.Before(at) {
			oldest, at = d, one.expires
		}
	}
	if count >= maxOfProject {
		t.forget(oldest)
	}
}

func (t *tickets) forget(d digest) {
	t.terminals.close(t.byDigest[d].id)
	delete(t.byDigest, d)
}

// find is the ticket of a token for that container and command; nil when there is none.
func (t *tickets) find(now time.Time, token, containerUUID, execID string) *ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	one := t.byDigest[sha256.Sum256([]byte(token))]
	if one == nil || one.containerUUID != containerUUID || one.command != nil && one.id != execID || one.command == nil && execID != "" {
		return nil
	}
	return one
}

// take uses a ticket up; false when another one came first.
func (t *tickets) take(now time.Time, token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := sha256.Sum256([]byte(token))
	one := t.byDigest[d]
	switch {
	case one == nil || !now.Before(one.expires):
		return false
	case one.command != nil:
		t.forget(d)
	case one.expires.After(now.Add(rejoin)):
		twin := *one
		twin.expires = now.Add(rejoin)
		t.byDigest[d] = &twin
	}
	return true
}
