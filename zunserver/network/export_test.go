package network

import "time"

// NewFarIdle is NewFar with another patience for programs that nobody needs.
func NewFarIdle(host Execer, idle time.Duration) *Far {
	f := NewFar(host)
	f.idle = idle
	return f
}
