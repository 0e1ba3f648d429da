package reach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/containers/creation"
	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// execTimeout ends a command that is waited for: Zun's is 5 seconds ([docker]execute_timeout), the request's 30.
const execTimeout = 25 * time.Second

type execQuery struct {
	Command     string `query:"command" description:"The command, split as a shell does; in a JSON body it may be a list."`
	Run         bool   `query:"run" description:"Run it and answer with its output; true when not given. Otherwise the answer says where its terminal is."`
	Interactive bool   `query:"interactive" description:"With a terminal."`
}

// execution is the answer of execute (zun/compute/api.py, container_exec).
type execution struct {
	Output   *string `json:"output"`
	ExitCode *int    `json:"exit_code"`
	ExecID   *string `json:"exec_id"`
	Token    *string `json:"token"`
	ProxyURL *string `json:"proxy_url"`
}

// execute is POST /v1/containers/{id}/execute.
func (r *Resource) execute(c *rest.Call) error {
	p, err := target.ParamsOf(c, "command", "run", "interactive")
	if err != nil {
		return err
	}
	run, err := p.Truth("run", true)
	if err != nil {
		return err
	}
	interactive, err := p.Truth("interactive", false)
	if err != nil {
		return err
	}
	command, err := creation.Words("command", p["command"])
	if err != nil {
		return err
	}
	if len(command) == 0 || command[0] == "" {
		return rest.Refuse(http.StatusBadRequest, "schema-validation-error", "'command' is a required property")
	}
	t, err := r.Look(c, "execute")
	if err != nil {
		return err
	}
	if run {
		return r.output(c, t, command)
	}
	id, token, url, err := r.Sockets.Exec(c, t.Record, t.Name, command, interactive)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, execution{ExecID: &id, Token: &token, ProxyURL: &url})
}

// output runs a command and answers with what it says.
func (r *Resource) output(c *rest.Call, t target.Target, command []string) error {
	ctx, cancel := context.WithTimeout(c.R.Context(), execTimeout)
	defer cancel()
	b := &shared{}
	code, err := r.Streams.Exec(ctx, t.Record, t.Name, command, capsule.Session{Stdout: b, Stderr: b})
	switch {
	case b.full():
		return tooLong("output of the command")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return rest.Refuse(http.StatusConflict, "conflict", "Timeout on executing command: %.255s", strings.Join(command, " "))
	case err != nil:
		return fmt.Errorf("execute a command in container %s: %w", t.Spec().UUID, err)
	}
	said := strings.ToValidUTF8(b.String(), "\uFFFD")
	return c.JSON(http.StatusOK, execution{Output: &said, ExitCode: &code})
}

// shared is a buffer for several writers.
type shared struct {
	mu sync.Mutex
	b  buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.over
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(bytes.Clone(s.b.Bytes()))
}

// attach is GET /v1/containers/{id}/attach: the URL of a WebSocket.
func (r *Resource) attach(c *rest.Call) error {
	if err := target.Known(c); err != nil {
		return err
	}
	t, err := r.Look(c, "attach")
	if err != nil {
		return err
	}
	if !t.Spec().Stdin {
		return rest.Refuse(http.StatusBadRequest, "no-interactive-flag",
			"Container doesn't support to be attached, please check the interactive set properly")
	}
	url, err := r.Sockets.Attach(c, t.Record, t.Name)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, url)
}

type sizeQuery struct {
	H int `query:"h" description:"The height in characters."`
	W int `query:"w" description:"The width in characters."`
}

type execSizeQuery struct {
	sizeQuery
	ExecID string `query:"exec_id" description:"What execute has answered."`
}

// resize is POST /v1/containers/{id}/resize, of the terminal of the container.
func (r *Resource) resize(c *rest.Call) error { return r.size(c, "resize", "h", "w") }

// executeResize is POST /v1/containers/{id}/execute_resize, of that of a command.
func (r *Resource) executeResize(c *rest.Call) error {
	return r.size(c, "execute_resize", "h", "w", "exec_id")
}

func (r *Resource) size(c *rest.Call, action string, names ...string) error {
	p, err := target.ParamsOf(c, names...)
	if err != nil {
		return err
	}
	h, hGiven, err := p.Whole("h", 1)
	if err != nil {
		return err
	}
	w, wGiven, err := p.Whole("w", 1)
	if err != nil {
		return err
	}
	if !hGiven || !wGiven || h > 1<<16 || w > 1<<16 {
		return rest.InvalidValue("h and w are needed, from 1 to %d", 1<<16)
	}
	id := ""
	if action == "execute_resize" {
		if id, err = p.Needed("exec_id"); err != nil {
			return err
		}
	}
	t, err := r.Look(c, action)
	if err != nil {
		return err
	}
	if id == "" {
		id = t.Spec().UUID
	}
	err = r.Sockets.Resize(c.R.Context(), id, capsule.TerminalSize{Height: uint(h), Width: uint(w)})
	if errdefs.IsNotFound(err) && action == "execute_resize" {
		return rest.Refuse(http.StatusBadRequest, "invalid", "no such exec instance: %.64s", id)
	}
	if err != nil && !errdefs.IsNotFound(err) { // nobody is attached who would see it
		return fmt.Errorf("resize a terminal of container %s: %w", t.Spec().UUID, err)
	}
	c.W.WriteHeader(http.StatusOK)
	return nil
}
