package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/oomscore"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/sandbox"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/seen"
)

// DefaultEndpoint is where a Docker engine listens on its own machine.
const DefaultEndpoint = "unix:///var/run/docker.sock"

const (
	pingTimeout = 2 * time.Second
	infoTimeout = 10 * time.Second
)

// Config says which engine to talk to, and as whom.
type Config struct {
	// Endpoint is unix:///path or tcp://host:port; empty is DefaultEndpoint.
	Endpoint string
	// TLS is for tcp endpoints; nil speaks plain.
	TLS *TLS
	// Instance is the capsulet installation; only its containers are seen. It must not be empty.
	Instance string
	// SandboxImage is the image of sandboxes that nothing but the resident program runs in; empty is the built-in one.
	SandboxImage string
	// Inside is the file of the program that sandboxes of far hosts have besides, which is static; empty is this program
	// itself. See package inside.
	Inside string
	// Near says whether this process shares the host's file system and network; nil means that it does when the
	// endpoint is a unix socket.
	Near *bool
	// Log nil logs nothing.
	Log *logrus.Entry
}

// TLS names the PEM files of a mutual TLS connection.
type TLS struct {
	CAFile, CertFile, KeyFile string
}

// Host is one Docker engine. It implements runtime.Host and is safe for concurrent use.
type Host struct {
	cfg  Config
	near bool
	log  *logrus.Entry
	opts []client.Opt
	// pinger never negotiates; it only pings.
	pinger *client.Client
	// current is the client for the version that the last ping answered.
	current atomic.Pointer[connection]
	// dropOOMScore: a negative oom_score_adj is made 0.
	dropOOMScore atomic.Bool
	architecture atomic.Pointer[string]
	// root is the engine's data directory.
	root atomic.Pointer[string]
	// hangUps are commands that are being ended; they are left alone when closing ends.
	hangUps sync.WaitGroup
	closing context.Context
	close   context.CancelFunc
	// importing admits one import of the sandbox image at a time.
	importing chan struct{}

	// seen are the containers as they were last inspected.
	seen seen.Cache

	mu sync.Mutex
	// inside is the image for sandboxes of far hosts, once it was asked for.
	inside *sandbox.Image
}

type connection struct {
	*client.Client
	version string
}

var (
	_ runtime.Host  = (*Host)(nil)
	_ runtime.Sizer = (*Host)(nil)
)

// Open prepares a connection; nothing is sent yet, so the engine may be down. An error is of the class InvalidArgument: the
// configuration can never work.
func Open(ctx context.Context, cfg Config) (*Host, error) {
	cfg.Endpoint = cmp.Or(cfg.Endpoint, DefaultEndpoint)
	cfg.Inside = cmp.Or(cfg.Inside, "/proc/self/exe")
	scheme, _, _ := strings.Cut(cfg.Endpoint, "://")
	if scheme != "unix" && scheme != "tcp" {
		return nil, fmt.Errorf("docker endpoint %q: only unix:// and tcp:// are known: %w", cfg.Endpoint, errdefs.ErrInvalidArgument)
	}
	if cfg.Instance == "" {
		return nil, fmt.Errorf("docker endpoint %s: an instance is needed: %w", cfg.Endpoint, errdefs.ErrInvalidArgument)
	}
	opts := []client.Opt{client.WithHost(cfg.Endpoint), client.WithUserAgent("capsulet")}
	if cfg.TLS != nil {
		if scheme == "unix" {
			return nil, fmt.Errorf("docker endpoint %s: TLS is for tcp://: %w", cfg.Endpoint, errdefs.ErrInvalidArgument)
		}
		opts = append(opts, client.WithTLSClientConfig(cfg.TLS.CAFile, cfg.TLS.CertFile, cfg.TLS.KeyFile))
	}
	pinger, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("docker endpoint %s: %w: %w", cfg.Endpoint, err, errdefs.ErrInvalidArgument)
	}
	h := &Host{
		cfg: cfg, near: scheme == "unix", log: cfg.Log, opts: opts, pinger: pinger,
		importing: make(chan struct{}, 1),
	}
	h.closing, h.close = context.WithCancel(context.WithoutCancel(ctx))
	if cfg.Near != nil {
		h.near = *cfg.Near
	}
	if h.log == nil {
		h.log = discard()
	}
	if h.near && !oomscore.MayLower("/") {
		h.refuseOOMScore("the engine lacks CAP_SYS_RESOURCE")
	}
	return h, nil
}

// Close releases the connections.
func (h *Host) Close() error {
	h.close()
	h.hangUps.Wait()
	var err error
	if c := h.current.Load(); c != nil {
		err = c.Close()
	}
	return errors.Join(err, h.pinger.Close())
}

// ping asks whether the engine is there, within two seconds, and returns a client of its version.
func (h *Host) ping(ctx context.Context) (*connection, error) {
	pctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	answer, err := h.pinger.Ping(pctx)
	if err != nil && pctx.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("ping %s: no answer within %v: %w", h.cfg.Endpoint, pingTimeout, errdefs.ErrUnavailable)
	}
	if err != nil {
		return nil, fail(err, "ping %s", h.cfg.Endpoint)
	}
	if answer.APIVersion == "" {
		return nil, fmt.Errorf("ping %s: what answers is not a Docker engine: %w", h.cfg.Endpoint, errdefs.ErrUnavailable)
	}
	old := h.current.Load()
	if old != nil && old.version == answer.APIVersion {
		return old, nil
	}
	c, err := client.NewClientWithOpts(h.opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", h.cfg.Endpoint, err)
	}
	c.NegotiateAPIVersionPing(answer)
	conn := &connection{Client: c, version: answer.APIVersion}
	h.current.Store(conn)
	return conn, nil
}

// api returns the client, pinging if there was no answer yet.
func (h *Host) api(ctx context.Context) (*connection, error) {
	if c := h.current.Load(); c != nil {
		return c, nil
	}
	return h.ping(ctx)
}

// Info describes the engine. Unavailable if it does not answer a ping within two seconds.
func (h *Host) Info(ctx context.Context) (runtime.Info, error) {
	api, err := h.ping(ctx)
	if err != nil {
		return runtime.Info{}, err
	}
	ictx, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	i, err := api.Info(ictx)
	if err != nil && ictx.Err() != nil && ctx.Err() == nil {
		return runtime.Info{}, fmt.Errorf("describe %s: no answer within %v: %w", h.cfg.Endpoint, infoTimeout, errdefs.ErrUnavailable)
	}
	if err != nil {
		return runtime.Info{}, fail(err, "describe %s", h.cfg.Endpoint)
	}
	arch := goArchitecture(i.Architecture)
	h.architecture.Store(&arch)
	h.root.Store(&i.DockerRootDir)
	return runtime.Info{
		ID: i.ID, Name: i.Name, CPUs: i.NCPU, MemoryBytes: i.MemTotal,
		Architecture: arch, OSType: i.OSType, OS: i.OperatingSystem, KernelVersion: i.KernelVersion,
		EngineName: "docker", EngineVersion: i.ServerVersion,
		Runtimes: slices.Sorted(maps.Keys(i.Runtimes)), CgroupVersion: cmp.Or(i.CgroupVersion, "1"),
		AppArmor: slices.Contains(i.SecurityOptions, "name=apparmor"),
		Labels:   labelMap(i.Labels), RootDir: i.DockerRootDir,
		Near: h.near, NoNegativeOOMScore: h.dropOOMScore.Load(),
	}, nil
}

// arch is the engine's architecture in Go's words, asked once.
func (h *Host) arch(ctx context.Context) (string, error) {
	if a := h.architecture.Load(); a != nil {
		return *a, nil
	}
	i, err := h.Info(ctx)
	return i.Architecture, err
}

// rootDir is the engine's data directory, asked once.
func (h *Host) rootDir(ctx context.Context) (string, error) {
	if r := h.root.Load(); r != nil {
		return *r, nil
	}
	i, err := h.Info(ctx)
	return i.RootDir, err
}

// goArchitecture translates uname -m, which is what an engine reports.
func goArchitecture(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "armv7l", "armv6l", "armhf":
		return "arm"
	case "i386", "i686":
		return "386"
	default:
		return machine
	}
}

// labelMap reads the engine's labels, which are "key=value".
func labelMap(labels []string) map[string]string {
	out := make(map[string]string, len(labels))
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		out[k] = v
	}
	return out
}
