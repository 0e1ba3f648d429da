package fake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Config describes a host. The zero value is a host of 4 CPUs and 8 GiB in real time.
type Config struct {
	// Name is the host's own name, "fake" when empty.
	Name string
	// Instance is the capsulet installation of the view; empty sees the containers of all.
	Instance    string
	CPUs        int
	MemoryBytes int64
	Labels      map[string]string
	// Near: this process shares a file system with the host; bind sources have to exist then.
	Near bool
	// VolumeDir is an empty directory for what is in volumes; without one they are names only.
	VolumeDir string
	// Clock nil is the real one.
	Clock Clock
}

// Host is a view of an engine in memory. It implements runtime.Host.
type Host struct {
	*engine
	instance string
}

var _ runtime.Host = (*Host)(nil)

// New makes an empty host.
func New(cfg Config) *Host {
	if cfg.Name == "" {
		cfg.Name = "fake"
	}
	if cfg.CPUs == 0 {
		cfg.CPUs = 4
	}
	if cfg.MemoryBytes == 0 {
		cfg.MemoryBytes = 8 << 30
	}
	if cfg.Clock == nil {
		cfg.Clock = realClock{}
	}
	e := &engine{
		cfg:        cfg,
		clock:      cfg.Clock,
		containers: map[string]*container{},
		local:      map[string]*image{},
		registry:   map[string]*image{},
		starts:     map[string]int{},
		addresses:  map[string]bool{},
		volumes:    map[string]*vol{},
		networks:   predefined(),
		link:       make(chan struct{}),
	}
	return &Host{engine: e, instance: cfg.Instance}
}

// As is the same engine seen by another instance.
func (h *Host) As(instance string) *Host { return &Host{engine: h.engine, instance: instance} }

// Close does nothing: there is no connection.
func (h *Host) Close() error { return nil }

// Info describes the host.
func (h *Host) Info(ctx context.Context) (runtime.Info, error) {
	var info runtime.Info
	err := h.call(ctx, "info", "", func() error {
		info = runtime.Info{
			ID: "fake-" + h.cfg.Name, Name: h.cfg.Name, CPUs: h.cfg.CPUs, MemoryBytes: h.cfg.MemoryBytes,
			Architecture: "amd64", OSType: "linux", OS: "fake", KernelVersion: "6.1.0",
			EngineName: "fake", EngineVersion: "1", Runtimes: []string{"runc"}, CgroupVersion: "2",
			Labels: maps.Clone(h.cfg.Labels), Near: h.cfg.Near,
		}
		return nil
	})
	return info, err
}

// engine is the shared state of all views. Everything below mu is guarded by it.
type engine struct {
	cfg   Config
	clock Clock

	mu         sync.Mutex
	containers map[string]*container // by ID
	local      map[string]*image     // by normalised reference
	registry   map[string]*image
	next       int
	addresses  map[string]bool
	volumes    map[string]*vol
	networks   map[string]*bridge
	starts     map[string]int // by container name
	violations []string
	calls      []Call
	streams    []*stream
	// link is closed while the engine cannot be reached, and is a new channel each time it can.
	link   chan struct{}
	down   bool
	fault  func(op, name string) error
	answer func(op, name string) error
	delay  func(op, name string) time.Duration
}

// container is one container. changed is closed and replaced whenever its state or log changes.
type container struct {
	view      runtime.Container
	cfg       runtime.ContainerConfig
	behaviour Behaviour
	sandbox   string     // ID
	endpoints []endpoint // of a sandbox
	log       []logLine
	files     map[string]file
	usage     capsule.Usage
	killed    bool     // terminating by TERM already
	held      []func() // what would have happened while it was frozen
	timers    []func() bool
	changed   chan struct{}
}

func (c *container) running() bool { return c.view.State == capsule.StateRunning }

func (c *container) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// find returns a container by ID or name; the caller holds mu.
func (e *engine) find(id string) (*container, error) {
	if c, ok := e.containers[id]; ok {
		return c, nil
	}
	for _, c := range e.containers {
		if c.view.Name == id {
			return c, nil
		}
	}
	return nil, fmt.Errorf("container %s: %w", id, errdefs.ErrNotFound)
}

// newID makes an ID of Docker's form; the caller holds mu.
func (e *engine) newID(what string) string {
	e.next++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", e.cfg.Name, what, e.next))
	return hex.EncodeToString(sum[:])
}

func (e *engine) now() time.Time { return e.clock.Now() }

func errUnavailable() error {
	return fmt.Errorf("fake engine does not answer: %w", errdefs.ErrUnavailable)
}
