package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/zunserver/auth"
)

// nativeType is the media type of the native JSON.
const nativeType = "application/vnd.capsulet+json"

// call is one request under way.
type call struct {
	w *answer
	r *http.Request
	// connection is the caller's: it is cancelled when the caller hangs up, and not by our own deadline
	connection context.Context
	id         string // of the request
	caller     auth.Identity
	version    version
	native     bool
	log        *logrus.Entry
}

// answer remembers whether something was sent.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// cleanPath does what Zun's clients rely on: double slashes and a slash at the end do not count, and /v1 may be left out.
func cleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := path.Clean("/" + r.URL.Path)
		first, _, _ := strings.Cut(p[1:], "/")
		if first != "" && first != "v1" && first != "healthcheck" {
			p = "/v1" + p
		}
		twin := *r
		u := *r.URL
		u.Path, u.RawPath = p, ""
		twin.URL = &u
		next.ServeHTTP(w, &twin)
	})
}

func (a *api) serve(w http.ResponseWriter, r *http.Request, routes []route) {
	c := &call{w: &answer{ResponseWriter: w}, r: r, connection: r.Context(), id: "req-" + uuid.NewString()}
	c.log = a.Log.WithFields(logrus.Fields{"request": c.id, "method": r.Method, "path": r.URL.Path})
	c.native = accepts(r.Header.Values("Accept"), nativeType)
	w.Header().Set("X-Openstack-Request-Id", c.id)
	began := a.Now()
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // it is panicked as it is
				panic(p)
			}
			c.log.WithField("stack", string(debug.Stack())).Errorf("request panicked: %v", p)
			c.fail(fmt.Errorf("panic: %v", p))
		}
		c.log.WithFields(logrus.Fields{"status": c.w.status, "user": c.caller.User, "took": a.Now().Sub(began)}).
			Debug("request answered")
	}()
	if err := a.dispatch(c, routes); err != nil {
		c.fail(err)
	}
}

func (a *api) dispatch(c *call, routes []route) (err error) {
	h := c.w.Header()
	public := len(routes) > 0 && routes[0].public
	if !public {
		if c.caller, err = a.Auth.Authenticate(c.r); err != nil {
			if !errdefs.IsUnauthorized(err) {
				err = fmt.Errorf("authenticate: %w", err)
			}
			return err
		}
	}
	if strings.HasPrefix(c.r.URL.Path, "/v1") {
		h.Set("OpenStack-API-Minimum-Version", "container "+minVersion.String())
		h.Set("OpenStack-API-Maximum-Version", "container "+maxVersion.String())
		h.Add("Vary", "OpenStack-API-Version")
		if c.version, err = requested(c.r.Header); err != nil {
			return err
		}
		h.Set("OpenStack-API-Version", "container "+c.version.String())
	}
	if len(routes) == 0 {
		return &refusal{status: http.StatusNotFound, message: "There is nothing at " + c.r.URL.Path}
	}
	r, allow, ok := pick(routes, c.r.Method)
	if !ok {
		h.Set("Allow", allow)
		return &refusal{status: http.StatusMethodNotAllowed, message: "The method " + c.r.Method + " is not allowed here"}
	}
	if c.version.before(r.since) && !c.native {
		return &refusal{status: http.StatusNotAcceptable, code: "microversion-unsupported",
			message: "This needs microversion " + r.since.String() + ", and the request asks for " + c.version.String()}
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, a.MaxBodyBytes)
	if !r.stream && c.r.URL.Query().Get("watch") == "" {
		ctx, cancel := context.WithTimeout(c.r.Context(), requestTimeout)
		defer cancel()
		c.r = c.r.WithContext(ctx)
	}
	return r.serve(c)
}

func accepts(values []string, mediaType string) bool {
	for _, v := range strings.Split(strings.Join(values, ","), ",") {
		if name, _, _ := strings.Cut(v, ";"); strings.EqualFold(strings.TrimSpace(name), mediaType) {
			return true
		}
	}
	return false
}

// json answers with v.
func (c *call) json(status int, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	mediaType := "application/json"
	if c.native && status < http.StatusBadRequest {
		mediaType = nativeType
	}
	c.w.Header().Set("Content-Type", mediaType)
	c.w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	c.w.WriteHeader(status)
	_, err := c.w.Write(b.Bytes())
	if err != nil {
		c.log.WithError(err).Debug("answer could not be sent")
	}
	return nil
}

// base is the scheme and host that the caller used.
func (c *call) base() string {
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + c.r.Host
}

// flag reads a boolean parameter in the words of Zun's clients.
func (c *call) flag(name string) (bool, error) {
	switch strings.ToLower(c.r.URL.Query().Get(name)) {
	case "", "0", "false", "f", "no", "n", "off":
		return false, nil
	case "1", "true", "t", "yes", "y", "on":
		return true, nil
	default:
		return false, invalidValue("Invalid value for %s: '%.64s' is not a boolean", name, c.r.URL.Query().Get(name))
	}
}

// number reads a parameter that is a number from low on; ok is false when it is not given.
func (c *call) number(name string, low int64) (n int64, ok bool, err error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return 0, false, nil
	}
	n, err = strconv.ParseInt(text, 10, 64)
	if err != nil || n < low {
		return 0, false, invalidValue("Invalid value for %s: '%.64s' is not an integer from %d on", name, text, low)
	}
	return n, true, nil
}

// gone says whether the caller has hung up.
func (c *call) gone() bool { return c.connection.Err() != nil }
