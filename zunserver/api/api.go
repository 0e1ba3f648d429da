package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/store"
)

// Capsules keeps the records of capsules; *store.Store says what each method does.
type Capsules interface {
	CreateCapsule(ctx context.Context, c *capsule.Capsule) (*capsule.Capsule, error)
	Capsule(ctx context.Context, uuid string) (*capsule.Capsule, error)
	Capsules(ctx context.Context) ([]*capsule.Capsule, int64, error)
	UpdateSpec(ctx context.Context, uuid string, update func(*capsule.Spec) error) (*capsule.Capsule, error)
	DeleteCapsule(ctx context.Context, uuid string, d capsule.Deletion) (*capsule.Capsule, error)
	WatchCapsules(ctx context.Context, since int64) <-chan store.CapsuleEvent
}

// Hosts knows the container hosts.
type Hosts interface {
	Hosts(ctx context.Context) ([]capsule.Host, int64, error)
}

// Logs reads the log of a container of a capsule until its end or that of ctx. It may write to both writers at once.
type Logs interface {
	Logs(ctx context.Context, c *capsule.Capsule, container string, previous bool, opts capsule.LogOptions,
		stdout, stderr io.Writer) error
}

// Streams runs in, joins and reaches into the containers of capsules, until the end of what runs or that of ctx.
type Streams interface {
	Exec(ctx context.Context, c *capsule.Capsule, container string, command []string, s capsule.Session) (exitCode int, err error)
	Attach(ctx context.Context, c *capsule.Capsule, container string, s capsule.Session) error
	// Dial connects to a TCP port inside the capsule.
	Dial(ctx context.Context, c *capsule.Capsule, port int32) (net.Conn, error)
}

// Stats tells what capsules and hosts use, without asking an engine. Capsules that do not run are left out.
type Stats interface {
	Stats(ctx context.Context, of []*capsule.Capsule) capsule.StatsReport
}

// Config is what the API works with. Everything is required but MaxBodyBytes, Log and Now.
type Config struct {
	Capsules Capsules
	Hosts    Hosts
	Logs     Logs
	Streams  Streams
	Stats    Stats
	Auth     auth.Authenticator
	Log      *logrus.Entry
	// MaxBodyBytes limits the body of a request; 0 is 1 MiB.
	MaxBodyBytes int64
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// requestTimeout bounds everything that is not a stream.
const requestTimeout = 30 * time.Second

type api struct {
	Config
	sessions slots
}

// handler answers a call or returns why it cannot.
type handler func(*call) error

// route is one row of the table of routes.
type route struct {
	method, path string
	serve        handler
	// since is the first microversion that has it; the native media type is not behind one.
	since version
	// public routes need no token; streams have no deadline and no HEAD.
	public, stream bool
}

func (a *api) routes() []route {
	return []route{
		{method: "GET", path: "/{$}", serve: a.root, public: true},
		{method: "GET", path: "/healthcheck", serve: a.healthcheck, public: true},
		{method: "GET", path: "/v1", serve: a.v1, public: true},
		{method: "GET", path: "/v1/capsules", serve: a.listCapsules},
		{method: "POST", path: "/v1/capsules", serve: a.createCapsule},
		{method: "GET", path: "/v1/capsules/{id}", serve: a.getCapsule}, // and the native /v1/capsules/stats
		{method: "PATCH", path: "/v1/capsules/{id}", serve: a.updateCapsule},
		{method: "DELETE", path: "/v1/capsules/{id}", serve: a.deleteCapsule},
		{method: "GET", path: "/v1/capsules/{id}/logs", serve: a.logs, stream: true},
		{method: "GET", path: "/v1/capsules/{id}/exec", serve: a.exec, stream: true},
		{method: "POST", path: "/v1/capsules/{id}/exec", serve: a.exec, stream: true},
		{method: "GET", path: "/v1/capsules/{id}/attach", serve: a.attach, stream: true},
		{method: "POST", path: "/v1/capsules/{id}/attach", serve: a.attach, stream: true},
		{method: "GET", path: "/v1/capsules/{id}/portforward", serve: a.portForward, stream: true},
		{method: "POST", path: "/v1/capsules/{id}/portforward", serve: a.portForward, stream: true},
		{method: "GET", path: "/v1/hosts", serve: a.listHosts, since: version{1, 4}},
		{method: "GET", path: "/v1/hosts/{id}", serve: a.getHost, since: version{1, 4}},
	}
}

// New is the handler of the API.
func New(cfg Config) http.Handler {
	if cfg.MaxBodyBytes <= 0 {
		cfg.MaxBodyBytes = 1 << 20
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		cfg.Log = logrus.NewEntry(l)
	}
	a := &api{cfg, make(slots, maxSessions)}
	mux := http.NewServeMux()
	paths := map[string][]route{}
	for _, r := range a.routes() {
		if paths[r.path] == nil {
			mux.Handle(r.path, a.at(r.path, paths))
		}
		paths[r.path] = append(paths[r.path], r)
	}
	mux.Handle("/", a.at("/", paths)) // nothing is there: 404
	return cleanPath(mux)
}

// at serves the routes of one path.
func (a *api) at(path string, paths map[string][]route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.serve(w, r, paths[path])
	})
}

// pick finds the route of a method; without one it returns what is allowed there.
func pick(routes []route, method string) (r route, allow string, ok bool) {
	var allowed []string
	for _, r := range routes {
		if r.method == method || method == http.MethodHead && r.method == http.MethodGet && !r.stream {
			return r, "", true
		}
		allowed = append(allowed, r.method)
	}
	slices.Sort(allowed)
	return route{}, strings.Join(allowed, ", "), false
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
