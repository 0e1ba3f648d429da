package capsule

import "time"

// Stream is one output of a process.
type Stream string

// The streams; empty is both.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// LogOptions selects a part of a container's log.
type LogOptions struct {
	// Stream chooses one output. With a terminal all is stdout.
	Stream Stream
	// Follow goes on until the container ends.
	Follow     bool
	Timestamps bool
	// Tail is the number of last lines; negative means all.
	Tail  int64
	Since time.Time
	Until time.Time
}
