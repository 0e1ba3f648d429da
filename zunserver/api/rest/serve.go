package rest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/auth"
)

// Config is what every request needs. Only Auth is required.
type Config struct {
	Auth auth.Authenticator
	// KeystoneURI is where callers without a token are told to get one; "" is the API itself.
	KeystoneURI string
	Log         *logrus.Entry
	// MaxBodyBytes limits the body of a request; 0 is 1 MiB.
	MaxBodyBytes int64
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// OpenAPIPath is where the description of all routes is.
const OpenAPIPath = "/openapi.json"

// requestTimeout bounds everything that is not a stream.
const requestTimeout = 30 * time.Second

// Handler answers a call or returns why it cannot.
type Handler func(*Call) error

// Route is one row of a table of routes.
type Route struct {
	Method, Path string
	Serve        Handler
	// Since is the first microversion that has it; the native media type is not behind one.
	Since Version
	// Until is the last one, zero for none; likewise.
	Until Version
	// Public routes need no token; streams have no deadline and no HEAD.
	Public, Stream bool
	// MaxBodyBytes limits the body; 0 is the server's limit.
	MaxBodyBytes int64
	// Doc is what the OpenAPI document says of it.
	Doc Doc
}

// Doc describes a route for the OpenAPI document, by zero values of Go types with the tags of encoding/json.
type Doc struct {
	// Summary is a sentence, for people.
	Summary string
	// Query is a struct whose fields have the tags query and description; nil: it takes no parameters.
	Query any
	// Body is what the request carries as JSON; nil: nothing.
	Body any
	// BodyType is the media type of a body that is not JSON.
	BodyType string
	// Answers are the bodies of good answers by status; nil for one without a body. A []any has one of several forms.
	Answers map[int]any
	// MediaType of the answers, where it is not JSON.
	MediaType string
	// Native is the body of a good answer to who reads the native media type; nil: it is as for everybody.
	Native any
}

type server struct{ Config }

// New serves routes. The public ones of a path are those whose first route is.
func New(cfg Config, routes ...Route) http.Handler {
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
	s := &server{cfg}
	mux := http.NewServeMux()
	paths := map[string][]Route{}
	for _, r := range routes {
		if paths[r.Path] == nil {
			mux.Handle(r.Path, s.at(r.Path, paths))
		}
		paths[r.Path] = append(paths[r.Path], r)
	}
	mux.Handle("/", s.at("/", paths)) // nothing is there: 404
	return cleanPath(mux)
}

// at serves the routes of one path.
func (s *server) at(path string, paths map[string][]Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, paths[path])
	})
}

// Clean is the path that a route has for the path of a request, as Zun's clients rely on: double slashes and a slash at the end
// do not count, and /v1 may be left out. /experimental is where capsules were before they were in v1 (Zun's capsule quick start);
// it is v1, and links name that.
func Clean(asked string) string {
	p := path.Clean("/" + asked)
	first, under, _ := strings.Cut(p[1:], "/")
	if first == "experimental" {
		return strings.TrimSuffix("/v1/"+under, "/")
	}
	if first != "" && first != "v1" && first != "healthcheck" && p != OpenAPIPath {
		p = "/v1" + p
	}
	return p
}

func cleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		twin := *r
		u := *r.URL
		u.Path = Clean(r.URL.Path)
		u.RawPath = ""
		twin.URL = &u
		next.ServeHTTP(w, &twin)
	})
}

func (s *server) serve(w http.ResponseWriter, r *http.Request, routes []Route) {
	c := &Call{W: &Answer{ResponseWriter: w}, R: r, connection: r.Context(), id: "req-" + uuid.NewString()}
	c.Log = s.Log.WithFields(logrus.Fields{"request": c.id, "method": r.Method, "path": r.URL.Path})
	c.Native = accepts(r.Header.Values("Accept"), NativeType)
	w.Header().Set("X-Openstack-Request-Id", c.id)
	began := s.Now()
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // it is panicked as it is
				panic(p)
			}
			c.Log.WithField("stack", string(debug.Stack())).Errorf("request panicked: %v", p)
			c.fail(fmt.Errorf("panic: %v", p))
		}
		c.Log.WithFields(logrus.Fields{"status": c.W.status, "user": c.Caller.User, "took": s.Now().Sub(began)}).
			Debug("request answered")
	}()
	if err := s.dispatch(c, routes); err != nil { //nolint:contextcheck // it is in the request of c
		c.fail(err)
	}
}

func (s *server) dispatch(c *Call, routes []Route) (err error) {
	h := c.W.Header()
	public := len(routes) > 0 && routes[0].Public
	if !public {
		if c.Caller, err = s.Auth.Authenticate(c.R); err != nil {
			if errdefs.IsUnauthorized(err) { // as keystonemiddleware's, which answers before Zun does
				h.Set("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", cmp.Or(s.KeystoneURI, c.Base())))
			}
			return err
		}
	}
	if strings.HasPrefix(c.R.URL.Path, "/v1") {
		h.Set("OpenStack-API-Minimum-Version", "container "+MinVersion.String())
		h.Set("OpenStack-API-Maximum-Version", "container "+MaxVersion.String())
		h.Add("Vary", "OpenStack-API-Version")
		if c.Version, err = requested(c.R.Header); err != nil {
			return err
		}
		h.Set("OpenStack-API-Version", "container "+c.Version.String())
	}
	if len(routes) == 0 {
		return Refuse(http.StatusNotFound, "", "There is nothing at %s", c.R.URL.Path)
	}
	r, allow, ok := pick(routes, c.R.Method)
	if !ok {
		h.Set("Allow", allow)
		return Refuse(http.StatusMethodNotAllowed, "", "The method %s is not allowed here", c.R.Method)
	}
	if c.Version.Before(r.Since) && !c.Native {
		return Refuse(http.StatusNotAcceptable, "microversion-unsupported",
			"This needs microversion %s, and the request asks for %s", r.Since, c.Version)
	}
	if r.Until != (Version{}) && r.Until.Before(c.Version) && !c.Native {
		return Refuse(http.StatusNotAcceptable, "microversion-unsupported",
			"There was this up to microversion %s, and the request asks for %s", r.Until, c.Version)
	}
	c.R.Body = http.MaxBytesReader(c.W, c.R.Body, cmp.Or(r.MaxBodyBytes, s.MaxBodyBytes))
	if !r.Stream && c.R.URL.Query().Get("watch") == "" {
		ctx, cancel := context.WithTimeout(c.R.Context(), requestTimeout)
		defer cancel()
		c.R = c.R.WithContext(ctx)
	}
	return r.Serve(c)
}

// pick finds the route of a method; without one it returns what is allowed there.
func pick(routes []Route, method string) (r Route, allow string, ok bool) {
	var allowed []string
	for _, r := range routes {
		if r.Method == method || method == http.MethodHead && r.Method == http.MethodGet && !r.Stream {
			return r, "", true
		}
		allowed = append(allowed, r.Method)
	}
	slices.Sort(allowed)
	return Route{}, strings.Join(allowed, ", "), false
}
