package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/api/capsules"
	"github.com/capsulet/capsulet/zunserver/api/containers"
	"github.com/capsulet/capsulet/zunserver/api/containers/history"
	"github.com/capsulet/capsulet/zunserver/api/containers/reach"
	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/endpoints"
	"github.com/capsulet/capsulet/zunserver/api/hosts"
	"github.com/capsulet/capsulet/zunserver/api/limit"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/sandboxes"
	"github.com/capsulet/capsulet/zunserver/api/sockets"
	"github.com/capsulet/capsulet/zunserver/api/streams"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

// Config is what the API works with: what each resource declares that it needs, and what every request does. Everything is
// required but Templates, FromPod, StreamIdleTimeout, WebsocketURL, WebsocketOrigins, MaxBodyBytes, Log and Now.
type Config struct {
	Capsules capsules.Backend
	// Containers and Sandboxes are kept where capsules are.
	Containers containers.Backend
	// Control is for the containers of all; History, Jobs, Networks and Registries are for those that are of no capsule.
	Control interface {
		containers.Control
		reach.Control
	}
	History    *history.Log
	Jobs       *containers.Jobs
	Networks   containers.Networks
	Registries containers.Registries
	Hosts      hosts.Backend
	Streams    streams.Backend
	Stats      capsules.Stats
	// Resources are served where they are there.
	Resources Resources
	Auth      auth.Authenticator
	// KeystoneURI is where callers without a token are told to get one; "" is the API itself.
	KeystoneURI string
	Log         *logrus.Entry
	// Templates is what the operator has decided about templates; FromPod makes a capsule of a Pod's manifest, nil refuses them.
	Templates template.Options
	FromPod   func(manifest []byte) (spec capsule.Spec, uid string, err error)
	// StreamIdleTimeout ends a session in which nothing is said; 0 is the kubelet's, four hours.
	StreamIdleTimeout time.Duration
	// WebsocketURL and WebsocketOrigins are for terminals in browsers: see [sockets.Config].
	WebsocketURL     string
	WebsocketOrigins []string
	// MaxBodyBytes limits the body of a request; 0 is 1 MiB.
	MaxBodyBytes int64
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// New is the handler of the API.
func New(cfg Config) http.Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	ofCapsules := capsules.Resource{Backend: cfg.Capsules, Stats: cfg.Stats, Now: cfg.Now, Templates: cfg.Templates, FromPod: cfg.FromPod}
	ofHosts := hosts.Resource{Backend: cfg.Hosts, Capsules: cfg.Capsules}
	ofEndpoints := endpoints.Resource{Capsules: cfg.Capsules, Hosts: cfg.Hosts}
	underWay := limit.New()
	ofStreams := streams.Resource{Capsules: cfg.Capsules, Backend: cfg.Streams, Control: cfg.Control, Stats: cfg.Stats, Limit: underWay,
		IdleTimeout: cfg.StreamIdleTimeout}
	terminals := sockets.New(sockets.Config{Capsules: cfg.Capsules, Backend: cfg.Streams, Limit: underWay,
		URL: cfg.WebsocketURL, Origins: cfg.WebsocketOrigins, IdleTimeout: cfg.StreamIdleTimeout, Now: cfg.Now})
	finder := target.Finder{Records: cfg.Containers, Now: cfg.Now}
	ofActions := history.Resource{Finder: finder, History: cfg.History}
	inContainers := reach.Resource{
		Finder: finder, Control: cfg.Control, Streams: cfg.Streams, Stats: cfg.Stats, Hosts: cfg.Hosts, Sockets: terminals}
	ofContainers := containers.Resource{
		Finder: finder, Backend: cfg.Containers, Control: cfg.Control, Hosts: cfg.Hosts,
		Networks: cfg.Networks, Registries: cfg.Registries, History: cfg.History, Jobs: cfg.Jobs,
		SizedVolumes: cfg.Templates.Sized == template.Local,
	}
	ofSandboxes := sandboxes.Resource{Backend: cfg.Containers, Now: cfg.Now}
	routes := slices.Concat(ofCapsules.Routes(), ofStreams.Routes(), ofHosts.Routes(), terminals.Routes(),
		ofEndpoints.Routes(), ofContainers.Routes(), inContainers.Routes(), ofActions.Routes(), ofSandboxes.Routes(), cfg.Resources.routes())
	return rest.New(rest.Config{Auth: cfg.Auth, KeystoneURI: cfg.KeystoneURI, Log: cfg.Log, MaxBodyBytes: cfg.MaxBodyBytes, Now: cfg.Now}, slices.Concat(discovery(routes), routes)...)
}

// NewServer is a server for the handler with limits that no honest client meets. Streams lift the deadlines for
// themselves.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}
