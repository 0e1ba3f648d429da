package zun

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/gophercloud/gophercloud/v2"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

// mediaType is the native JSON of a capsule.
const mediaType = "application/vnd.capsulet+json"

// requestTimeout ends every request that is no stream.
const requestTimeout = 30 * time.Second

// Config says where the capsule API is and who asks.
type Config struct {
	// Endpoint is the URL of the API, with or without /v1; or unix:// and the path of a socket.
	Endpoint string
	// Token is sent as X-Auth-Token.
	Token string
	// Transport is used for all requests; nil means Go's default. It is how an embedded server is reached without a
	// socket, and where TLS is configured.
	Transport http.RoundTripper
}

// Client calls the capsule API. It is safe for concurrent use.
type Client struct {
	service *gophercloud.ServiceClient
	root    string
	// sessions carries what upgrades its connection.
	sessions http.RoundTripper
}

// New makes a client. It does not connect.
func New(cfg Config) (*Client, error) {
	provider := &gophercloud.ProviderClient{}
	provider.UseTokenLock()
	provider.SetToken(cfg.Token)
	return With(provider, cfg)
}

// With makes a client that asks as who provider has logged in; the Token of cfg does not count.
func With(provider *gophercloud.ProviderClient, cfg Config) (*Client, error) {
	endpoint, transport, err := reach(cfg)
	if err != nil {
		return nil, err
	}
	provider.HTTPClient.Transport = transport
	provider.UserAgent.Prepend("capsulet")
	root := strings.TrimSuffix(strings.TrimRight(endpoint, "/"), "/v1") + "/"
	return &Client{root: root, sessions: http1(transport), service: &gophercloud.ServiceClient{
		ProviderClient: provider,
		Type:           "container",
		Endpoint:       root + "v1/",
	}}, nil
}

// reach is the URL of the endpoint and the transport that gets there. Behind a socket the host of the URL says nothing.
func reach(cfg Config) (endpoint string, transport http.RoundTripper, err error) {
	u, err := url.Parse(cfg.Endpoint)
	switch {
	case err == nil && u.Scheme == "unix" && u.Host == "" && u.Path != "":
		own, ok := cmp.Or(cfg.Transport, http.DefaultTransport).(*http.Transport)
		if !ok {
			return "", nil, fmt.Errorf("capsule API endpoint %q needs a transport of Go's: %w", cfg.Endpoint, errdefs.ErrInvalidArgument)
		}
		own = own.Clone()
		own.Proxy = nil
		own.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", u.Path)
		}
		return "http://localhost", own, nil
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return "", nil, fmt.Errorf("capsule API endpoint %q is no http, https or unix URL: %w", cfg.Endpoint, errdefs.ErrInvalidArgument)
	default:
		return cfg.Endpoint, cfg.Transport, nil
	}
}

// Extensions returns the names of capsulet's extensions that the server has; none for an upstream Zun.
func (c *Client) Extensions(ctx context.Context) ([]string, error) {
	var body struct {
		Capsulet struct {
			Extensions []string `json:"extensions"`
		} `json:"capsulet"`
	}
	err := c.call(ctx, "discover the capsule API", http.MethodGet, c.root, nil, &body, http.StatusOK, http.StatusMultipleChoices)
	slices.Sort(body.Capsulet.Extensions)
	return body.Capsulet.Extensions, err
}

// Create asks for a capsule with that UUID. AlreadyExists when there is one, InvalidArgument when the server refuses the
// specification for good.
func (c *Client) Create(ctx context.Context, spec capsule.Spec, uid string) (*capsule.Capsule, error) {
	doc, err := template.Encode(spec, uid)
	if err != nil {
		return nil, fmt.Errorf("encode the template of capsule %s: %w", uid, err)
	}
	var created capsule.Capsule
	err = c.call(ctx, "create capsule "+uid, http.MethodPost, c.service.ServiceURL("capsules"),
		map[string]any{"template": json.RawMessage(doc)}, &created, http.StatusOK, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return nil, err
	}
	return &created, nil
}

// Update asks for the capsule to become what spec says. InvalidArgument, with the fields, when something of it cannot be
// changed while the capsule lives; FailedPrecondition when it is being deleted, NotFound when it is gone.
func (c *Client) Update(ctx context.Context, uuid string, spec capsule.Spec) (*capsule.Capsule, error) {
	doc, err := template.Encode(spec, uuid)
	if err != nil {
		return nil, fmt.Errorf("encode the template of capsule %s: %w", uuid, err)
	}
	var updated capsule.Capsule
	err = c.call(ctx, "update capsule "+uuid, http.MethodPatch, c.capsuleURL(uuid)+"?upgrade=false",
		map[string]any{"template": json.RawMessage(doc)}, &updated, http.StatusOK)
	if errdefs.IsAlreadyExists(err) { // what 409 means elsewhere
		return nil, fmt.Errorf("%s: %w", strings.TrimSuffix(err.Error(), ": "+errdefs.ErrAlreadyExists.Error()), errdefs.ErrFailedPrecondition)
	}
	if err != nil {
		return nil, err
	}
	return &updated, nil
}

// Get returns one capsule; NotFound when there is none.
func (c *Client) Get(ctx context.Context, uuid string) (*capsule.Capsule, error) {
	var one capsule.Capsule
	if err := c.call(ctx, "get capsule "+uuid, http.MethodGet, c.capsuleURL(uuid), nil, &one, http.StatusOK); err != nil {
		return nil, err
	}
	return &one, nil
}

// List returns all capsules of the project and the revision to watch from.
func (c *Client) List(ctx context.Context) ([]*capsule.Capsule, int64, error) {
	return c.list(ctx, "")
}

// ListAllProjects is List over the projects of everybody, for administrators.
func (c *Client) ListAllProjects(ctx context.Context) ([]*capsule.Capsule, int64, error) {
	return c.list(ctx, "?all_projects=true")
}

func (c *Client) list(ctx context.Context, query string) ([]*capsule.Capsule, int64, error) {
	var body struct {
		Capsules []*capsule.Capsule `json:"capsules"`
		Revision int64              `json:"revision"`
	}
	err := c.call(ctx, "list capsules", http.MethodGet, c.service.ServiceURL("capsules")+query, nil, &body, http.StatusOK)
	return body.Capsules, body.Revision, err
}

// Delete asks for the capsule to go; graceSeconds nil takes the capsule's own grace period. A second delete may only
// shorten the grace. NotFound when it is gone already.
func (c *Client) Delete(ctx context.Context, uuid string, graceSeconds *int64) error {
	target := c.capsuleURL(uuid)
	if graceSeconds != nil {
		target += "?grace_period=" + strconv.FormatInt(*graceSeconds, 10)
	}
	return c.call(ctx, "delete capsule "+uuid, http.MethodDelete, target, nil, nil,
		http.StatusOK, http.StatusAccepted, http.StatusNoContent)
}

// GiveUp is Delete for a capsule whose host may never come back: its record goes when the host has been away for long.
func (c *Client) GiveUp(ctx context.Context, uuid string) error {
	return c.call(ctx, "delete capsule "+uuid, http.MethodDelete, c.capsuleURL(uuid)+"?grace_period=0&force=true", nil, nil,
		http.StatusOK, http.StatusAccepted, http.StatusNoContent)
}

// Stats returns what the capsules of the project and, for an administrator, the hosts use.
func (c *Client) Stats(ctx context.Context) (capsule.StatsReport, error) {
	var report capsule.StatsReport
	err := c.call(ctx, "read the statistics of capsules", http.MethodGet, c.service.ServiceURL("capsules", "stats"), nil, &report, http.StatusOK)
	return report, err
}

// Processes lists what runs in a container of the capsule; psArgs may be empty.
func (c *Client) Processes(ctx context.Context, uuid, container, psArgs string) (capsule.ProcessTable, error) {
	var t capsule.ProcessTable
	q := url.Values{"container": {container}, "ps_args": {psArgs}}
	err := c.call(ctx, "list the processes of "+place(container, uuid), http.MethodGet, c.capsuleURL(uuid)+"/top?"+q.Encode(), nil, &t, http.StatusOK)
	return t, err
}

// Hosts returns the container hosts that the server has.
func (c *Client) Hosts(ctx context.Context) ([]capsule.Host, error) {
	var body struct {
		Hosts []capsule.Host `json:"hosts"`
	}
	err := c.call(ctx, "list hosts", http.MethodGet, c.service.ServiceURL("hosts"), nil, &body, http.StatusOK)
	return body.Hosts, err
}

func (c *Client) capsuleURL(uuid string) string {
	return c.service.ServiceURL("capsules", url.PathEscape(uuid))
}

// Do makes one request of Zun's API proper, in its newest microversion: path is below /v1, body and into may be nil. what says
// for errors what was attempted. It has the deadline of every request.
func (c *Client) Do(ctx context.Context, what, method string, path []string, query url.Values, body, into any) error {
	escaped := make([]string, len(path))
	for i, p := range path {
		escaped[i] = url.PathEscape(p)
	}
	target := c.service.ServiceURL(escaped...)
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return c.request(ctx, what, method, target, map[string]string{"Accept": "application/json", "OpenStack-API-Version": "container latest"},
		body, into, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent)
}

// call makes one request in the native form; into may be nil.
func (c *Client) call(ctx context.Context, what, method, target string, body, into any, ok ...int) error {
	return c.request(ctx, what, method, target, map[string]string{"Accept": mediaType}, body, into, ok...)
}

// request makes one request with a deadline.
func (c *Client) request(ctx context.Context, what, method, target string, headers map[string]string, body, into any, ok ...int) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	// Into what is asked for: a gophercloud.Result decodes everything twice.
	opts := &gophercloud.RequestOpts{OkCodes: ok, MoreHeaders: headers, JSONResponse: into}
	if body != nil {
		opts.JSONBody = body
	}
	if _, err := c.service.Request(ctx, method, target, opts); err != nil { //nolint:bodyclose // it closes what it does not hand over
		return fmt.Errorf("%s: %w", what, classify(err))
	}
	return nil
}
