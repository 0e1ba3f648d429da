// Package child starts the programs of tests and of `make up`, and finds ports for them.
package child

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os/exec"
	"runtime"
	"strconv"
)

// Start starts cmd and reaps it; ended is closed when it has ended. Pdeathsig in its attributes works as one expects: the kernel
// sends that signal when the thread ends which forked, not the process, so the thread is kept for as long as the child.
func Start(cmd *exec.Cmd) (ended <-chan struct{}, err error) {
	started, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in cmd.ProcessState, and in its log
		}
	}()
	return done, <-started
}

// FreePort finds a port of loopback below the ephemeral range, so that no outgoing connection takes it, that nobody listens on now.
func FreePort(ctx context.Context) (int, error) {
	for range 100 {
		port := 10000 + rand.IntN(10000)
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port on 127.0.0.1 between 10000 and 20000")
}
