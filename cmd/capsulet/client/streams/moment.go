package streams

import (
	"fmt"
	"time"
)

// Moment reads a time, or a duration before now. Empty is no time.
func Moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("--since %s: it is neither a duration, such as 10m, nor a time, such as 2026-11-26T12:00:00Z", text)
	}
	return t, nil
}
