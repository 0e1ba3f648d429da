package main

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// TestFast runs the pod family without its slow specs.
func TestFast(t *testing.T) {
	if testing.Short() || os.Getenv("CAPSULET_TEST_DOCKER") == "skip" {
		t.Skip("the conformance suite needs an engine: -short or CAPSULET_TEST_DOCKER=skip is set")
	}
	// An interrupt must not leave containers behind: the run ends as if it was told to.
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := run(ctx, os.Stderr, options{fast: true, procs: 2, limit: 15 * time.Minute, out: os.Getenv("CAPSULET_CONFORMANCE_OUT")})
	if len(r.specs) > 0 {
		r.table(os.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.verdict(false); err != nil {
		t.Fatal(err)
	}
}
