package zunserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/zunserver/agent"
	"github.com/capsulet/capsulet/zunserver/agent/metering"
	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/api/containers"
	"github.com/capsulet/capsulet/zunserver/api/containers/history"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/bodies"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
	"github.com/capsulet/capsulet/zunserver/network"
	"github.com/capsulet/capsulet/zunserver/notify"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/scheduler"
	"github.com/capsulet/capsulet/zunserver/stats"
	"github.com/capsulet/capsulet/zunserver/store"
	"github.com/capsulet/capsulet/zunserver/upgrade"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// Config is what a server needs. Instance, Store, Auth and Hosts are required.
type Config struct {
	// Instance names this installation on the hosts: containers of other instances are not touched.
	Instance string
	// StateDir is on a disk, RunDir on a tmpfs; volumes of near hosts are below them.
	StateDir, RunDir string
	// SeccompDir has the seccomp profiles that containers may ask for by name.
	SeccompDir string
	Store      store.Config
	Auth       auth.Authenticator
	// Policy says what callers may do, the embedded node among them; nil is the default.
	Policy func() *auth.Policy
	// KeystoneURI is where callers without a token are told to get one; "" is this server itself.
	KeystoneURI  string
	Hosts        []HostConfig
	MaxBodyBytes int64
	// Quotas are the default limits of a project; nil: none.
	Quotas *view.Quotas
	// EngineNetworks are the engines' own networks that capsules may be in, besides bridge.
	EngineNetworks []string
	// AwayAfter is how long a host has to be away before its capsules count as lost; 0 is the scheduler's, 40 s.
	AwayAfter time.Duration
	// UpgradeSettle is how long a new revision of a capsule has to be healthy before it is taken over; 0 is five seconds.
	UpgradeSettle time.Duration
	// StreamIdleTimeout ends a session in which nothing is said; 0 is the kubelet\'s, four hours.
	StreamIdleTimeout time.Duration
	// WebsocketURL and WebsocketOrigins are for terminals in browsers: see sockets.Config.
	WebsocketURL     string
	WebsocketOrigins []string
	// Notifications are who is told of events: see package notify.
	Notifications []notify.Target
	Log           *logrus.Entry
	// Templates is what the operator has decided about templates; FromPod makes a capsule of a Pod's manifest, nil refuses them.
	Templates template.Options
	FromPod   func(manifest []byte) (spec capsule.Spec, uid string, err error)
	// Open connects to a host. It must not fail because the host is down.
	Open func(ctx context.Context, h HostConfig) (runtime.Host, error)
}

// HostConfig is one container host.
type HostConfig struct {
	Name, Endpoint string
	// Address is where others reach the host, PublicAddress where the world does, if it does.
	Address          string
	PublicAddress    string
	Labels           map[string]string
	AvailabilityZone string
	// CAFile, CertFile and KeyFile are for mutual TLS.
	CAFile, CertFile, KeyFile string
	// Near says whether the host shares this process' file system and network.
	Near bool
}

// leadTTL is how long other servers wait for the scheduler of one that died.
const leadTTL = 5 * time.Second

// Server is a capsule server. Make it with New, Run it once, Close it.
type Server struct {
	cfg       Config
	log       *logrus.Entry
	store     *store.Store
	hosts     []runtime.Host
	agents    map[string]*agent.Agent
	scheduler *scheduler.Scheduler
	notifier  *notify.Notifier
	upgrades  *upgrade.Loop
	handler   http.Handler
	history   *history.Log
	jobs      *containers.Jobs
	local     *local
}

// New opens the store and prepares everything. Nothing runs before Run but what the store needs.
func New(ctx context.Context, cfg Config) (_ *Server, err error) {
	if cfg.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		cfg.Log = logrus.NewEntry(l)
	}
	s := &Server{cfg: cfg, log: cfg.Log, agents: map[string]*agent.Agent{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if len(cfg.Hosts) == 0 {
		return nil, fmt.Errorf("%w: the capsule server has no container host: configure hosts", errdefs.ErrInvalidArgument)
	}
	if s.store, err = store.Open(ctx, cfg.Store); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	for _, h := range cfg.Hosts {
		if err := s.addHost(ctx, h); err != nil {
			return nil, fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	s.scheduler = scheduler.New(scheduler.Config{
		Store: s.store, Log: cfg.Log, AwayAfter: cfg.AwayAfter,
		Lead: func(ctx context.Context) (scheduler.Lead, error) { return s.store.Lead(ctx, "scheduler", leadTTL) },
	})
	s.notifier, err = notify.New(notify.Config{
		Store: s.store, Marks: store.NewTable[notify.Mark](s.store, "notifications"), Targets: cfg.Notifications,
		Publisher: "capsulet:" + cfg.Instance, Log: cfg.Log.WithField("part", "notifications"),
		Lead: func(ctx context.Context) (notify.Lead, error) { return s.store.Lead(ctx, "notifications", leadTTL) },
	})
	if err != nil {
		return nil, err
	}
	s.upgrades = upgrade.New(upgrade.Config{
		Store: s.store, Log: cfg.Log, Settle: cfg.UpgradeSettle,
		Lead: func(ctx context.Context) (upgrade.Lead, error) { return s.store.Lead(ctx, "upgrade", leadTTL) },
	})
	if s.local, err = newLocal(); err != nil {
		return nil, err
	}
	s.jobs = containers.NewJobs()
	s.history = history.New(store.NewTable[history.Action](s.store, "actions"), containers.Containing(s.store), time.Now, cfg.Log)
	resources := s.resources()
	records := s.admitted(&resources)
	s.handler = api.New(api.Config{
		Control: streams{s.agents}, History: s.history, Jobs: s.jobs, Networks: resources.Networks, Registries: resources.Registries,
		Resources: resources, Capsules: records, Containers: records, Hosts: s.store, Streams: streams{s.agents}, Stats: newMeters(s.agents, cfg.Log), Auth: auth.Under(cfg.Policy, auth.AnyOf{s.local, cfg.Auth}), KeystoneURI: cfg.KeystoneURI, Log: cfg.Log,
		MaxBodyBytes: cfg.MaxBodyBytes, StreamIdleTimeout: cfg.StreamIdleTimeout, Now: time.Now,
		WebsocketURL: cfg.WebsocketURL, WebsocketOrigins: cfg.WebsocketOrigins,
		Templates: cfg.Templates, FromPod: cfg.FromPod,
	})
	return s, nil
}

func (s *Server) addHost(ctx context.Context, h HostConfig) error {
	if _, twice := s.agents[h.Name]; twice {
		return fmt.Errorf("%w: two hosts have this name", errdefs.ErrInvalidArgument)
	}
	host, err := s.cfg.Open(ctx, h)
	if err != nil {
		return err
	}
	s.hosts = append(s.hosts, host)
	var volumes volume.Driver = volume.NewFar(host)
	var net network.Dialer = network.NewFar(host)
	var meter metering.Meter = stats.NewFar(host)
	if h.Near {
		net, meter = network.Near{}, &stats.Near{}
		volumes = volume.Near{StateDir: s.cfg.StateDir, RunDir: s.cfg.RunDir}
	}
	s.agents[h.Name] = agent.New(agent.Config{
		Name: h.Name, Instance: s.cfg.Instance, SeccompDir: s.cfg.SeccompDir, Address: h.Address, PublicAddress: h.PublicAddress, Labels: h.Labels, AvailabilityZone: h.AvailabilityZone,
		Runtime: host, Volumes: volumes, Network: net, Meter: meter, Store: bodies.Of(s.store), Log: s.log,
	})
	return nil
}

// Handler is the capsule API for listeners of the caller's.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves until ctx ends or a part dies for good. Containers stay as they are.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case <-s.store.Done():
			return fmt.Errorf("the store stopped: %w", s.store.Err())
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error { return s.register(ctx) })
	g.Go(func() error { s.jobs.Run(ctx); return nil })
	g.Go(func() error { s.history.Run(ctx); return nil })
	g.Go(func() error { return ended(ctx, s.scheduler.Run(ctx), "scheduler") })
	g.Go(func() error { return ended(ctx, s.notifier.Run(ctx), "notifier") })
	g.Go(func() error { return ended(ctx, s.upgrades.Run(ctx), "upgrades") })
	for name, a := range s.agents {
		g.Go(func() error { return ended(ctx, a.Run(ctx), "agent of host "+name) })
	}
	g.Go(func() error { return ended(ctx, s.local.serve(ctx, api.NewServer(s.handler)), "in-memory listener") })
	return g.Wait()
}

// ended makes an end that nobody asked for an error.
func ended(ctx context.Context, err error, what string) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was told to end
	}
	return fmt.Errorf("%s ended: %w", what, err)
}

// Close gives back what New took.
func (s *Server) Close() error {
	var errs []error
	for _, h := range s.hosts {
		errs = append(errs, h.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}
