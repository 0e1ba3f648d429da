package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/capsulet/capsulet/test/bench/api/served"
)

// server is a fakeserver that runs.
type server struct {
	served.Line
	cmd    *exec.Cmd
	stdin  io.Closer
	dir    string
	client *http.Client
}

// start builds the server and returns when it serves.
func (b Bench) start(ctx context.Context) (_ *server, err error) {
	s := &server{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	if s.dir, err = os.MkdirTemp("", "capsulet-bench-api-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	binary := filepath.Join(s.dir, "fakeserver")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, "./test/bench/fakeserver")
	build.Dir = b.Root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the server: %w\n%s", err, out)
	}
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), binary, "-dir", filepath.Join(s.dir, "server"), "-profile", b.Profile)
	s.cmd.Stderr = os.Stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(out).Decode(&s.Line); err != nil {
		return nil, fmt.Errorf("the server does not say where it serves: %w", err)
	}
	return s, s.hostsUp(ctx)
}

// stop ends the process and removes what it had.
func (s *server) stop() error {
	var errs []error
	if s.stdin != nil {
		errs = append(errs, s.stdin.Close())
	}
	if s.cmd != nil && s.cmd.Process != nil {
		errs = append(errs, s.cmd.Wait())
	}
	s.client.CloseIdleConnections()
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// request sends one; the body of the answer is the caller's to close.
func (s *server) request(ctx context.Context, method, path string, body []byte, accept string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Auth-Token", s.Token)
	r.Header.Set("OpenStack-API-Version", "container 1.40")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return resp, nil
}

// do sends one and reads the whole answer into buf.
func (s *server) do(ctx context.Context, method, path string, body []byte, buf *bytes.Buffer) error {
	resp, err := s.request(ctx, method, path, body, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	buf.Reset()
	_, err = buf.ReadFrom(resp.Body)
	return err
}

func (s *server) hostsUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		var buf bytes.Buffer
		err := s.do(ctx, http.MethodGet, "/v1/services", nil, &buf)
		if err == nil && bytes.Contains(buf.Bytes(), []byte(`"up"`)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the hosts do not come up: %w: %s", errors.Join(err, context.Cause(ctx)), buf.Bytes())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
