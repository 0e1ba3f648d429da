package zunserver_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// A stream whose host is cut off is an error for who reads it: it does not look like an end. When the engine starts again the
// containers have ended, and so may what they said; a command has no exit code then.
func TestStreamsBreakWithTheirHost(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(*fake.Host)
		ends  bool // of what containers say
	}{
		"cut off":   {func(h *fake.Host) { h.Partition(true) }, false},
		"restarted": {(*fake.Host).Reboot, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, "h1")
			h := s.hosts["h1"]
			h.AddImage("app", fake.Behaviour{Stdout: []string{"hello"}, Exec: func(ctx context.Context, x runtime.ExecConfig) int {
				_, _ = io.WriteString(x.Stdout, "hello\n")
				<-ctx.Done()
				return 0
			}})
			id := s.create()
			s.running(id)
			container := s.containers(id)[0]
			following := s.log(id, container)
			var ended []<-chan error
			for _, action := range []string{"exec?command=x&", "attach?"} {
				ended = append(ended, s.session(id, action+"container="+container, func() {
					for _, name := range h.Running() {
						h.Print(name, "said later")
					}
				}))
			}
			c.fault(h)
			if b, err := io.ReadAll(following); err == nil && !c.ends {
				t.Errorf("the log looks complete: %q", b)
			}
			for i, e := range ended {
				if err := <-e; err == nil && (i == 0 || !c.ends) {
					t.Errorf("session %d ends as if all were well", i)
				}
			}
			h.Partition(false)
		})
	}
}

// containers are the names of a capsule's containers.
func (s *server) containers(id string) (names []string) {
	s.t.Helper()
	c, err := s.get(id)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, one := range c.Containers {
		names = append(names, one.Name)
	}
	return names
}

// log follows a log, and returns when it has begun.
func (s *server) log(id, container string) io.Reader {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+"/v1/capsules/"+id+"/logs?follow=1&container="+container, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	if _, err := io.ReadFull(resp.Body, make([]byte, len("hello\n"))); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s, %v", resp.Status, err)
	}
	return resp.Body
}

// heard is a writer that tells when something was written.
type heard chan struct{}

func (h heard) Write(b []byte) (int, error) {
	select {
	case h <- struct{}{}:
	default:
	}
	return len(b), nil
}

// session opens a session that goes on, and returns when it was heard of; speak may make it speak.
func (s *server) session(id, action string, speak func()) <-chan error {
	s.t.Helper()
	target := s.url + "/v1/capsules/" + id + "/" + action + "&stdout=1"
	if _, err := url.Parse(target); err != nil {
		s.t.Fatal(err)
	}
	e, err := remotecommand.NewWebSocketExecutor(&rest.Config{Host: s.url, BearerToken: token}, http.MethodGet, target)
	if err != nil {
		s.t.Fatal(err)
	}
	out, done := make(heard, 1), make(chan error, 1)
	go func() { done <- e.StreamWithContext(s.t.Context(), remotecommand.StreamOptions{Stdout: out}) }()
	s.until("the session "+action+" speaks", func() bool {
		if strings.HasPrefix(action, "attach") {
			speak() // what was said before is not repeated
		}
		select {
		case <-out:
			return true
		case err := <-done:
			s.t.Fatal(errors.Join(errors.New(action), err))
			return false
		default:
			return false
		}
	})
	return done
}
