package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"time"

	"github.com/containerd/errdefs"
)

const (
	// tryTimeout bounds one POST.
	tryTimeout = 10 * time.Second
	// firstPause, doubled up to lastPause, is between two tries.
	firstPause = time.Second
	lastPause  = time.Minute
)

// Target is a receiver.
type Target struct {
	// URL is https, or http on loopback. It identifies the target.
	URL string
	// Secret signs what is sent; empty: it is not signed.
	Secret []byte
	// Events are patterns of types as path.Match has them, such as capsule.*.end; empty: all.
	Events []string
}

// String hides the secret, and what of the URL may be one.
func (t Target) String() string {
	u, err := url.Parse(t.URL)
	if err != nil {
		return "a URL that cannot be read"
	}
	return u.Scheme + "://" + u.Host
}

// check refuses what cannot be sent to.
func (t Target) check() error {
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%w: the target of notifications is no URL of https", errdefs.ErrInvalidArgument)
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("%w: the target of notifications %s is not on this machine, and without TLS everybody on the way could read them", errdefs.ErrInvalidArgument, t)
	}
	for _, pattern := range t.Events {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("%w: %q is no pattern of events", errdefs.ErrInvalidArgument, pattern)
		}
	}
	return nil
}

// wants says whether the target is told of events of this type.
func (t Target) wants(eventType string) bool {
	return len(t.Events) == 0 || eventType == resync || slices.ContainsFunc(t.Events, func(pattern string) bool {
		ok, err := path.Match(pattern, eventType)
		return ok && err == nil
	})
}

// errRefused is of a receiver that does not want this event.
var errRefused = errors.New("the receiver refuses it")

// newClient does not follow redirects.
func newClient() *http.Client {
	return &http.Client{Timeout: tryTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// post tells the target once.
func (t Target) post(ctx context.Context, client *http.Client, m *Message, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("tell %s: the request cannot be made", t) // the error may quote the URL
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "capsulet")
	r.Header.Set("X-Capsulet-Event", m.EventType)
	r.Header.Set("X-Capsulet-Delivery", m.MessageID)
	if len(t.Secret) > 0 {
		mac := hmac.New(sha256.New, t.Secret)
		mac.Write(body)
		r.Header.Set("X-Capsulet-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL
		}
		return fmt.Errorf("tell %s: %w", t, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) // so that the connection can be used again
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity}, resp.StatusCode):
		return fmt.Errorf("tell %s: %s: %w", t, resp.Status, errRefused)
	default:
		return fmt.Errorf("tell %s: %s", t, resp.Status)
	}
}
