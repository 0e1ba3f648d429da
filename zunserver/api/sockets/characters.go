package sockets

import (
	"bytes"
	"io"
	"sync"
	"time"
	"unicode/utf8"
)

// holdUp is how long the beginning of a character waits for its end: what is no UTF-8 goes on then.
const holdUp = 200 * time.Millisecond

// characters passes one stream of output on so that no frame ends within a character: python-zunclient decodes each frame on its
// own, and dies of half a character. Other bytes than UTF-8 pass unharmed. It is safe for concurrent use.
type characters struct {
	to io.Writer

	mu     sync.Mutex
	held   []byte // the beginning of a character
	writes int
}

func (c *characters) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := b
	if len(c.held) > 0 {
		all = append(c.held, b...)
	}
	end := wholeCharacters(all)
	c.held = bytes.Clone(all[end:])
	c.writes++
	if now := c.writes; len(c.held) > 0 {
		time.AfterFunc(holdUp, func() { c.letGo(now) })
	}
	if end == 0 {
		return len(b), nil
	}
	if _, err := c.to.Write(all[:end]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// flush passes on what is held.
func (c *characters) flush() {
	c.mu.Lock()
	writes := c.writes
	c.mu.Unlock()
	c.letGo(writes)
}

// letGo passes on what is held since that many writes. Who cannot take it is seen to be gone elsewhere.
func (c *characters) letGo(writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes == writes && len(c.held) > 0 {
		_, _ = c.to.Write(c.held)
		c.held = nil
	}
}

// wholeCharacters is where the character begins that b ends within; the end of b if it does not.
func wholeCharacters(b []byte) int {
	for i := len(b) - 1; i >= max(0, len(b)-utf8.UTFMax+1); i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}
