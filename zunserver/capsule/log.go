package capsule

import "time"

// LogOptions selects a part of a container's log.
type LogOptions struct {
	// Follow goes on until the container ends.
	Follow     bool
	Timestamps bool
	// Tail is the number of last lines; negative means all.
	Tail  int64
	Since time.Time
	Until time.Time
}
