package remote

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
	utilexec "k8s.io/utils/exec"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// IdleTimeout is the kubelet's (KubeletConfiguration, streamingConnectionIdleTimeout).
const IdleTimeout = 4 * time.Hour

// Options are the streams that a session has.
type Options struct {
	Stdin, Stdout, Stderr, TTY bool
	// Attach: it joins a process rather than running one. It matters for the words of errors.
	Attach bool
	// IdleTimeout ends a connection on which nothing is said; 0 is [IdleTimeout].
	IdleTimeout time.Duration
}

// Process is what a session is joined to. It returns when the process has ended, or with ctx, which ends when the caller
// hangs up. The text of an error is told to the caller.
type Process func(ctx context.Context, s capsule.Session) (exitCode int, err error)

// Serve answers a request that upgrades its connection, in the protocol that it asks for, and returns when the session is over.
// Errors have been told to the caller when it returns.
func Serve(w http.ResponseWriter, r *http.Request, o Options, p Process) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	w, r = &leaving{ResponseWriter: w, left: cancel}, r.WithContext(ctx)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, IdleTimeout)
	run := runner{o, p}
	options := &remotecommand.Options{Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, TTY: o.TTY}
	switch {
	case wsstream.IsWebSocketRequestWithStreamCloseProtocol(r):
		serveWebSocket(w, r, run)
	case o.Attach:
		remotecommand.ServeAttach(w, r, run, "", "", "", options, o.IdleTimeout,
			remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
	default:
		remotecommand.ServeExec(w, r, run, "", "", "", nil, options, o.IdleTimeout,
			remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
	}
}

// runner is a process as the library calls it.
type runner struct {
	Options
	process Process
}

// ExecInContainer implements remotecommand.Executor. Which container and what command the process knows.
func (r runner) ExecInContainer(ctx context.Context, _, _, _ string, _ []string, in io.Reader, out, errs io.WriteCloser,
	tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration,
) error {
	code, err := r.process(ctx, r.streams(ctx, in, out, errs, tty, resize))
	switch {
	case ctx.Err() != nil:
		return nil //nolint:nilerr // nobody is there any more
	case err != nil:
		return err
	case code != 0:
		return utilexec.CodeExitError{Err: fmt.Errorf("the command exited with %d", code), Code: code}
	default:
		return nil
	}
}

// AttachContainer implements remotecommand.Attacher.
func (r runner) AttachContainer(ctx context.Context, _, _, _ string, in io.Reader, out, errs io.WriteCloser, tty bool,
	resize <-chan remotecommand.TerminalSize,
) error {
	return r.ExecInContainer(ctx, "", "", "", nil, in, out, errs, tty, resize, 0)
}

// streams leaves out what was not asked for: the protocols hand over dead ends there.
func (r runner) streams(ctx context.Context, in io.Reader, out, errs io.Writer, tty bool,
	resize <-chan remotecommand.TerminalSize,
) capsule.Session {
	s := capsule.Session{TTY: tty}
	if r.Stdin {
		s.Stdin = in
	}
	if r.Stdout {
		s.Stdout = out
	}
	if r.Stderr {
		s.Stderr = errs
	}
	if tty && resize != nil {
		sizes := make(chan capsule.TerminalSize)
		s.Resize = sizes
		go translate(ctx, resize, sizes)
	}
	return s
}

func translate(ctx context.Context, from <-chan remotecommand.TerminalSize, to chan<- capsule.TerminalSize) {
	defer close(to)
	for {
		select {
		case s, ok := <-from:
			if !ok {
				return
			}
			select {
			case to <- capsule.TerminalSize{Height: uint(s.Height), Width: uint(s.Width)}:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
