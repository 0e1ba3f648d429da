package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/capsulet/capsulet/zunserver/auth"
)

// NativeType is the media type of the native JSON.
const NativeType = "application/vnd.capsulet+json"

// Call is one request under way.
type Call struct {
	// W is the answer. Most handlers have JSON or a Stream write it.
	W *Answer
	R *http.Request
	// connection is the caller's: it is cancelled when the caller hangs up, and not by our own deadline
	connection context.Context
	id         string // of the request
	Caller     auth.Identity
	Version    Version
	// Native: the caller reads NativeType.
	Native bool
	Log    *logrus.Entry
}

// Answer remembers whether something was sent.
type Answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *Answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *Answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *Answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func accepts(values []string, mediaType string) bool {
	for _, v := range strings.Split(strings.Join(values, ","), ",") {
		if name, _, _ := strings.Cut(v, ";"); strings.EqualFold(strings.TrimSpace(name), mediaType) {
			return true
		}
	}
	return false
}

// JSON answers with v.
func (c *Call) JSON(status int, v any) error {
	return c.written(status, func(b *bytes.Buffer) error {
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		return nil
	})
}

// Written answers with the JSON that write leaves in the buffer, which is its own only while it runs.
func (c *Call) Written(write func(*bytes.Buffer) error) error { return c.written(http.StatusOK, write) }

// answers are buffers: a list may be as large as many small answers.
var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled keeps a few very long answers from being held for ever.
const maxPooled = 1 << 20

func (c *Call) written(status int, write func(*bytes.Buffer) error) error {
	b := answers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= maxPooled {
			b.Reset()
			answers.Put(b)
		}
	}()
	if err := write(b); err != nil {
		return err
	}
	mediaType := "application/json"
	if c.Native && status < http.StatusBadRequest {
		mediaType = NativeType
	}
	c.W.Header().Set("Content-Type", mediaType)
	c.W.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	c.W.WriteHeader(status)
	if _, err := c.W.Write(b.Bytes()); err != nil {
		c.Log.WithError(err).Debug("answer could not be sent")
	}
	return nil
}

// Base is the scheme and host that the caller used.
func (c *Call) Base() string {
	scheme := "http"
	if c.R.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + c.R.Host
}

// Flag reads a boolean parameter in the words of Zun's clients.
func (c *Call) Flag(name string) (bool, error) {
	switch strings.ToLower(c.R.URL.Query().Get(name)) {
	case "", "0", "false", "f", "no", "n", "off":
		return false, nil
	case "1", "true", "t", "yes", "y", "on":
		return true, nil
	default:
		return false, InvalidValue("Invalid value for %s: '%.64s' is not a boolean", name, c.R.URL.Query().Get(name))
	}
}

// Number reads a parameter that is a number from low on; ok is false when it is not given.
func (c *Call) Number(name string, low int64) (n int64, ok bool, err error) {
	text := c.R.URL.Query().Get(name)
	if text == "" {
		return 0, false, nil
	}
	n, err = strconv.ParseInt(text, 10, 64)
	if err != nil || n < low {
		return 0, false, InvalidValue("Invalid value for %s: '%.64s' is not an integer from %d on", name, text, low)
	}
	return n, true, nil
}

// ID is that of the request, as its answer has it.
func (c *Call) ID() string { return c.id }

// Upgrades says whether the caller wants the connection to leave HTTP.
func (c *Call) Upgrades() bool { return httpstream.IsUpgradeRequest(c.R) }

// Left notes that the connection left HTTP, if nothing else was answered: a library may write the head by itself.
func (c *Call) Left() {
	if c.W.status == 0 {
		c.W.status = http.StatusSwitchingProtocols
	}
}

// gone says whether the caller has hung up.
func (c *Call) gone() bool { return c.connection.Err() != nil }

// Moment reads a time: RFC 3339 or seconds since 1970.
func (c *Call) Moment(name string) (time.Time, error) {
	text := c.R.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, InvalidValue("Invalid value for %s: '%.64s' is neither RFC 3339 nor seconds since 1970", name, text)
	}
	whole := int64(seconds)
	return time.Unix(whole, int64((seconds-float64(whole))*1e9)).UTC(), nil
}
