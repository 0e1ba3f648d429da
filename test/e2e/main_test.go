package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/controlplane/progress"
	"github.com/capsulet/capsulet/test/e2e"
)

// world is the one that all scenarios share; nil when they are skipped.
var world *e2e.World

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if testing.Short() || os.Getenv("CAPSULET_TEST_DOCKER") == "skip" {
		return m.Run()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w, err := e2e.NewWorld(ctx, e2e.Options{Out: progress.New(os.Stderr)})
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the world of the end-to-end tests:", err)
		return 1
	}
	world = w
	// An interrupt must not leave containers behind: the world goes, and then the process.
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
		case <-ctx.Done():
			fmt.Fprintln(os.Stderr, "interrupted; cleaning up", errors.Join(leave(context.WithoutCancel(ctx), 0), w.Close(context.WithoutCancel(ctx))))
			os.Exit(130)
		}
	}()
	code := m.Run()
	close(done)
	if err := w.Close(context.WithoutCancel(ctx)); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: close the world:", err)
		return 1
	}
	return code
}

// open are what ends the worlds that single tests have made, the newest last: an interrupt has to end them, too.
var open struct {
	sync.Mutex
	list []func(context.Context) error
}

// until has end called when the test is over, or interrupted.
func until(t *testing.T, end func(context.Context) error) {
	open.Lock()
	defer open.Unlock()
	open.list = append(open.list, end)
	n := len(open.list)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
		defer cancel()
		if err := leave(ctx, n-1); err != nil {
			t.Error(err)
		}
	})
}

// leave ends all that is open but the oldest n.
func leave(ctx context.Context, n int) (err error) {
	open.Lock()
	defer open.Unlock()
	for i := len(open.list) - 1; i >= n; i-- {
		err = errors.Join(err, open.list[i](ctx))
	}
	open.list = open.list[:min(n, len(open.list))]
	return err
}

// begin opens a scenario that may run beside the others.
func begin(t *testing.T) *e2e.Scenario {
	t.Helper()
	if world == nil {
		t.Skip("end-to-end tests need an engine: -short or CAPSULET_TEST_DOCKER=skip is set")
	}
	t.Parallel()
	return e2e.Begin(t, world)
}

// beginAlone opens a scenario that disturbs the others: parallel ones wait until it is over.
func beginAlone(t *testing.T) *e2e.Scenario {
	t.Helper()
	return e2e.Begin(t, world)
}

var errSame = errors.New("it is the same container as before")
