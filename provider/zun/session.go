package zun

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/gophercloud/gophercloud/v2"
)

// maxOutput is how much of a command's output Run keeps (kubelet: ExecSync answers with 16 MiB at most).
const maxOutput = 16 << 20

// Run runs a command in a container of the capsule and returns what it wrote, up to 16 MiB, and its exit code.
func (c *Client) Run(ctx context.Context, uuid, container string, command []string) (output []byte, exitCode int, err error) {
	what := "run a command in " + place(container, uuid)
	q := url.Values{"container": {container}, "command": command}
	resp, err := c.service.Request(ctx, http.MethodPost, c.capsuleURL(uuid)+"/exec?"+q.Encode(), &gophercloud.RequestOpts{
		OkCodes: []int{http.StatusOK}, KeepResponseBody: true,
	})
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", what, classify(err))
	}
	defer resp.Body.Close()
	output, err = io.ReadAll(io.LimitReader(resp.Body, maxOutput))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body) // the trailer comes after it
	}
	if err != nil {
		return output, 0, fmt.Errorf("%s: read the output: %w: %w", what, err, errdefs.ErrUnavailable)
	}
	if exitCode, err = strconv.Atoi(resp.Trailer.Get("Capsulet-Exit-Code")); err != nil {
		return output, 0, fmt.Errorf("%s: the answer has no exit code: %w", what, errdefs.ErrUnavailable)
	}
	return output, exitCode, nil
}

// passed are the headers of a caller that a session needs; no other goes to the capsule API.
var passed = []string{"Connection", "Upgrade", "X-Stream-Protocol-Version", "Sec-Websocket-Key", "Sec-Websocket-Version",
	"Sec-Websocket-Protocol", "Sec-Websocket-Extensions"}

// Session hands a request that upgrades its connection on to the capsule: action is exec, attach or portforward with the
// parameters of the API. It returns when the session is over. What the API refuses is answered with its status and its words.
func (c *Client) Session(w http.ResponseWriter, r *http.Request, uuid, action string, params url.Values) {
	target, err := url.Parse(c.capsuleURL(uuid) + "/" + action)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	target.RawQuery = params.Encode()
	proxy := httputil.ReverseProxy{
		Transport: c.sessions,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL, p.Out.Host = target, ""
			own := http.Header{}
			for _, name := range passed {
				if v := p.Out.Header.Values(name); len(v) > 0 {
					own[name] = v
				}
			}
			own.Set("X-Auth-Token", c.service.Token())
			own.Set("User-Agent", c.service.UserAgent.Join())
			p.Out.Header = own
		},
		ModifyResponse: plainWords,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "capsule API: "+err.Error(), http.StatusServiceUnavailable)
		},
	}
	proxy.ServeHTTP(w, r)
}

// Upgrade is for who leads a session himself: its URL, the transport for it, which speaks HTTP/1.1 and adds nothing, and
// the token of who asks. The path is that of the API below /v1.
func (c *Client) Upgrade(params url.Values, path ...string) (target *url.URL, transport http.RoundTripper, token string, err error) {
	escaped := make([]string, len(path))
	for i, p := range path {
		escaped[i] = url.PathEscape(p)
	}
	if target, err = url.Parse(c.service.ServiceURL(escaped...)); err != nil {
		return nil, nil, "", fmt.Errorf("path of a session: %w", err)
	}
	target.RawQuery = params.Encode()
	return target, c.sessions, c.service.Token(), nil
}

// plainWords makes the server's explanation the body of a refusal.
func plainWords(resp *http.Response) error {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
	if err != nil {
		return fmt.Errorf("read the refusal: %w", err)
	}
	text := strings.TrimSpace(string(body)) // of a library that answers in plain text
	if json.Valid(body) {
		text = detail(body, resp.StatusCode)
	}
	resp.Header = http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return nil
}

// http1 is the transport without HTTP/2, which has no upgrades; one that is not Go's own is taken as it is.
func http1(t http.RoundTripper) http.RoundTripper {
	if t == nil {
		t = http.DefaultTransport
	}
	own, ok := t.(*http.Transport)
	if !ok {
		return t
	}
	own = own.Clone()
	own.Protocols = new(http.Protocols)
	own.Protocols.SetHTTP1(true)
	if own.TLSClientConfig != nil {
		own.TLSClientConfig.NextProtos = nil
	}
	return own
}
