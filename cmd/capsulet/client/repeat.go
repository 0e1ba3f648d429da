package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/capsulet/capsulet/cmd/capsulet/output"
)

// every is how often a live table is made anew.
const every = 2 * time.Second

// Repeat prints a table, and again until the reader has enough when it is live: on a terminal in place of the one before. A table
// that is nil was printed already.
func (c *Call) Repeat(live bool, make func() (*output.Table, error)) error {
	for first := true; ; first = false {
		t, err := make()
		if t != nil && (len(t.Rows) > 0 || err == nil) {
			if live && !first && output.Terminal(c.Out()) {
				fmt.Fprint(c.Out(), "\x1b[H\x1b[J")
			} else if live && first && output.Terminal(c.Out()) {
				fmt.Fprint(c.Out(), "\x1b[2J\x1b[H")
			}
			err = errors.Join(err, t.Write(c.Out()))
		}
		if err != nil || !live {
			return err
		}
		if err := Sleep(c.Context(), every); err != nil {
			if errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
}

// Sleep waits, unless ctx ends before.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
