package capsules

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/test/bench/round"
	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/store"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// server is a capsule server in this process, reached by HTTP on loopback, and one watch of it.
type server struct {
	client *zun.Client
	// url and token are for other clients of the API.
	url, token string
	app        string
	trace      bool
	dir        string
	cancel     context.CancelCauseFunc
	running    sync.WaitGroup
	core       *zunserver.Server
	http       *http.Server

	mu      sync.Mutex
	waiting map[string]*wait // by UUID
	failed  error
}

// wait is somebody who waits for a capsule.
type wait struct {
	is   func(*capsule.Capsule) bool // nil is given when the record is gone
	done chan error
}

// start returns when the host is known to be up.
func (b Bench) start(ctx context.Context) (_ *server, err error) {
	dir, err := os.MkdirTemp("", "capsulet-bench-")
	if err != nil {
		return nil, err
	}
	s := &server{app: b.Engine.App, trace: b.Trace, dir: dir, waiting: map[string]*wait{}}
	ctx, s.cancel = context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	token := rand.Text()
	tokens, err := auth.NewTokens(map[string]auth.Identity{token: auth.Administrator()})
	if err != nil {
		return nil, err
	}
	s.core, err = zunserver.New(ctx, zunserver.Config{
		Instance: b.Engine.Instance, StateDir: filepath.Join(dir, "state"), RunDir: filepath.Join(dir, "run"), Auth: tokens,
		Store: store.Config{DataDir: filepath.Join(dir, "etcd"), SealKey: make([]byte, 32), Log: b.Log},
		Hosts: []zunserver.HostConfig{{Name: "bench", Endpoint: b.Engine.Endpoint, Address: "127.0.0.1", Near: true}},
		Log:   b.Log, MaxBodyBytes: 1 << 20,
		Open: func(ctx context.Context, h zunserver.HostConfig) (runtime.Host, error) {
			host, err := docker.Open(ctx, docker.Config{Endpoint: h.Endpoint, Instance: b.Engine.Instance, Log: b.Log})
			if err != nil || !b.Trace {
				return host, err
			}
			return round.Traced{Host: host}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.http = api.NewServer(s.core.Handler())
	s.running.Go(func() { _ = s.http.Serve(listener) })
	s.running.Go(func() { s.fail(s.core.Run(ctx)) })
	s.url, s.token = "http://"+listener.Addr().String(), token
	s.client, err = zun.New(zun.Config{
		Endpoint: s.url, Token: token, Transport: &http.Transport{MaxIdleConnsPerHost: 32},
	})
	if err != nil {
		return nil, err
	}
	if err := s.hostUp(ctx); err != nil {
		return nil, err
	}
	return s, s.follow(ctx)
}

func (s *server) hostUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		hosts, err := s.client.Hosts(ctx)
		if err == nil && len(hosts) == 1 && hosts[0].Up {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the host does not come up: %v, %w", hosts, errors.Join(err, context.Cause(ctx)))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// follow wakes those who wait, from one watch.
func (s *server) follow(ctx context.Context) error {
	_, revision, err := s.client.List(ctx)
	if err != nil {
		return err
	}
	events, err := s.client.Watch(ctx, revision)
	if err != nil {
		return err
	}
	s.running.Go(func() {
		for e := range events {
			s.take(e)
		}
		s.fail(errors.New("the watch ended"))
	})
	return nil
}

func (s *server) take(e zun.Event) {
	if e.Type == zun.Broken {
		s.fail(e.Err)
	}
	if e.Capsule == nil {
		return
	}
	if s.trace {
		round.Trace(time.Now(), "watch %s: %s", e.Type, e.Capsule.Status())
	}
	c := e.Capsule
	if e.Type == zun.Deleted {
		c = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.waiting[e.Capsule.UUID]; w != nil && w.is(c) {
		w.done <- nil
		delete(s.waiting, e.Capsule.UUID)
	}
}

// fail ends every wait, now and later.
func (s *server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = fmt.Errorf("the capsule server is of no use any more: %w", err)
	}
	for id, w := range s.waiting {
		w.done <- s.failed
		delete(s.waiting, id)
	}
}

// during waits until is comes true for the capsule after act was done.
func (s *server) during(ctx context.Context, id string, is func(*capsule.Capsule) bool, act func() error) error {
	w := &wait{is: is, done: make(chan error, 1)}
	s.mu.Lock()
	if s.failed != nil {
		defer s.mu.Unlock()
		return s.failed
	}
	s.waiting[id] = w
	s.mu.Unlock()
	if err := act(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		c, err := s.client.Get(context.WithoutCancel(ctx), id)
		return fmt.Errorf("capsule %s does not get there: %w, now %+v", id, errors.Join(context.Cause(ctx), err), c)
	}
}

// up creates a capsule and returns when the watch shows all of its containers running.
func (s *server) up(ctx context.Context, apps int) (id string, err error) {
	return s.create(ctx, apps, allRunning, "sleep")
}

// create creates a capsule whose apps all do one thing, and returns when the watch shows it as asked.
func (s *server) create(ctx context.Context, apps int, is func(*capsule.Capsule) bool, args ...string) (id string, err error) {
	id = uuid.NewString()
	spec := capsule.Spec{Name: "bench", RestartPolicy: capsule.RestartNever}
	for i := range apps {
		spec.Containers = append(spec.Containers, capsule.ContainerSpec{
			Name: fmt.Sprintf("app%d", i), Image: s.app, ImagePullPolicy: "IfNotPresent", Args: args,
		})
	}
	return id, s.during(ctx, id, is, func() error {
		_, err := s.client.Create(ctx, spec, id)
		return err
	})
}

// down deletes a capsule at once and returns when its record is gone.
func (s *server) down(ctx context.Context, id string) error {
	now := int64(0)
	return s.during(ctx, id, func(c *capsule.Capsule) bool { return c == nil }, func() error { return s.client.Delete(ctx, id, &now) })
}

func allRunning(c *capsule.Capsule) bool {
	if c == nil || !c.Facts.Sandbox.Ready {
		return false
	}
	for i := range c.Spec.Containers {
		if cf := c.Facts.Container(c.Spec.Containers[i].Name); cf == nil || cf.Run.State() != capsule.StateRunning {
			return false
		}
	}
	return true
}

// stop ends the server; its containers are removed with the engine's close.
func (s *server) stop() error {
	s.cancel(errors.New("measured"))
	var errs []error
	if s.http != nil {
		errs = append(errs, s.http.Close())
	}
	s.running.Wait()
	if s.core != nil {
		errs = append(errs, s.core.Close())
	}
	return errors.Join(append(errs, volume.RemoveTree(s.dir))...)
}
