package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/klog/v2"
)

// session is what exec and attach have in common.
type session struct {
	conn       connection
	container  string
	stdin, tty bool
}

func (s *session) bind(c *cobra.Command) {
	s.conn.bind(c.Flags())
	c.Flags().StringVarP(&s.container, "container", "c", "", "container; needed when the capsule has several")
	c.Flags().BoolVarP(&s.stdin, "stdin", "i", false, "pass the input on")
}

func newCapsuleExec() *cobra.Command {
	var s session
	c := &cobra.Command{
		Use: "exec CAPSULE [-it] [-c CONTAINER] -- COMMAND [ARG...]", Short: "Run a command in a container", Args: cobra.MinimumNArgs(2),
		Long:    "Run a command in a container. The exit code is the command's.",
		Example: "  capsulet capsule exec -it web -- /bin/sh",
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.run(cmd, args[0], "exec", url.Values{"command": args[1:]})
		},
	}
	s.bind(c)
	c.Flags().BoolVarP(&s.tty, "tty", "t", false, "give the command a terminal")
	return c
}

func newCapsuleAttach() *cobra.Command {
	var s session
	c := &cobra.Command{
		Use: "attach CAPSULE [-i] [-c CONTAINER]", Short: "Join the main process of a container", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := s.conn.client()
			if err != nil {
				return err
			}
			found, err := client.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.container == "" && len(found.Spec.Containers) == 1 {
				s.container = found.Spec.Containers[0].Name
			}
			if cs, _ := found.Spec.Container(s.container); cs != nil {
				s.tty = cs.TTY
			}
			return s.run(cmd, found.UUID, "attach", url.Values{})
		},
	}
	s.bind(c)
	return c
}

// run joins this process' streams with those of a session until its end. A command that fails is an [exitError].
func (s *session) run(cmd *cobra.Command, name, action string, params url.Values) error {
	params.Set("container", s.container)
	options := remotecommand.StreamOptions{Stdout: cmd.OutOrStdout(), Tty: s.tty}
	params.Set("stdout", "true")
	if s.stdin {
		options.Stdin = cmd.InOrStdin()
		params.Set("stdin", "true")
	}
	if !s.tty {
		options.Stderr = cmd.ErrOrStderr()
		params.Set("stderr", "true")
	} else {
		params.Set("tty", "true")
	}
	cfg, target, err := s.conn.target(name, action, params)
	if err != nil {
		return err
	}
	klog.LogToStderr(false) // the library complains about connections that it has closed itself
	klog.SetOutput(io.Discard)
	executor, err := remotecommand.NewWebSocketExecutor(cfg, http.MethodGet, target.String())
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	if fd := int(os.Stdin.Fd()); s.tty && s.stdin && term.IsTerminal(fd) {
		before, err := term.MakeRaw(fd)
		if err != nil {
			return fmt.Errorf("prepare the terminal: %w", err)
		}
		defer term.Restore(fd, before) //nolint:errcheck // nobody is left to be told
		sizes := newSizes(cmd.Context(), fd)
		defer sizes.stop()
		options.TerminalSizeQueue = sizes
	}
	err = executor.StreamWithContext(cmd.Context(), options)
	var exit interface{ ExitStatus() int }
	if errors.As(err, &exit) {
		return exitError(exit.ExitStatus())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}

// exitError ends this process with the exit code of another.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("the command exited with %d", int(e)) }

// sizes tells the size of a terminal, at first and whenever it changes.
type sizes struct {
	ctx     context.Context
	fd      int
	changes chan os.Signal
}

func newSizes(ctx context.Context, fd int) *sizes {
	s := &sizes{ctx, fd, make(chan os.Signal, 1)}
	signal.Notify(s.changes, syscall.SIGWINCH)
	s.changes <- syscall.SIGWINCH
	return s
}

func (s *sizes) stop() { signal.Stop(s.changes); close(s.changes) }

// Next implements remotecommand.TerminalSizeQueue.
func (s *sizes) Next() *remotecommand.TerminalSize {
	select {
	case _, ok := <-s.changes:
		if width, height, err := term.GetSize(s.fd); ok && err == nil {
			return &remotecommand.TerminalSize{Width: uint16(width), Height: uint16(height)} //nolint:gosec // the kernel has 16 bits
		}
	case <-s.ctx.Done():
	}
	return nil
}

func newCapsulePortForward() *cobra.Command {
	var conn connection
	var addresses []string
	c := &cobra.Command{
		Use: "port-forward CAPSULE [LOCAL:]REMOTE...", Short: "Open local ports that lead into a capsule", Args: cobra.MinimumNArgs(2),
		Example: "  capsulet capsule port-forward web 8080:80",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, target, err := conn.target(args[0], "portforward", nil)
			if err != nil {
				return err
			}
			transport, upgrader, err := spdy.RoundTripperFor(cfg)
			if err != nil {
				return fmt.Errorf("port-forward: %w", err)
			}
			dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
			stop := make(chan struct{})
			defer context.AfterFunc(cmd.Context(), func() { close(stop) })()
			f, err := portforward.NewOnAddresses(dialer, addresses, args[1:], stop, make(chan struct{}), cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err != nil {
				return fmt.Errorf("port-forward: %w", err)
			}
			if err := f.ForwardPorts(); err != nil && cmd.Context().Err() == nil {
				return fmt.Errorf("port-forward: %w", err)
			}
			return nil
		},
	}
	conn.bind(c.Flags())
	c.Flags().StringSliceVar(&addresses, "address", []string{"localhost"}, "local addresses to listen on")
	return c
}

// target is where a session of a capsule begins, and who asks.
func (c *connection) target(name, action string, params url.Values) (*rest.Config, *url.URL, error) {
	token, err := c.secret()
	if err != nil {
		return nil, nil, err
	}
	root := strings.TrimSuffix(strings.TrimRight(c.url, "/"), "/v1")
	u, err := url.Parse(root + "/v1/capsules/" + url.PathEscape(name) + "/" + action)
	if err != nil {
		return nil, nil, fmt.Errorf("--url: %w", err)
	}
	u.RawQuery = params.Encode()
	cfg := &rest.Config{Host: root, BearerToken: token}
	if u.Scheme == "https" {
		cfg.CAFile = c.caFile
	}
	return cfg, u, nil
}
