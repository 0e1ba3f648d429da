package zun

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

func TestRun(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		command := r.URL.Query()["command"]
		if r.Method != http.MethodPost || r.URL.Path != "/v1/capsules/u/exec" || r.URL.Query().Get("container") != "a" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if command[0] == "refused" {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"errors":[{"detail":"it does not run"}]}`)
			return
		}
		w.Header().Set("Trailer", "Capsulet-Exit-Code")
		_, _ = fmt.Fprintf(w, "%q", command)
		if command[0] != "cut" {
			w.Header().Set("Capsulet-Exit-Code", "3")
		}
	})
	output, code, err := c.Run(t.Context(), "u", "a", []string{"two words", ""})
	if err != nil || code != 3 || string(output) != `["two words" ""]` {
		t.Errorf("%q, %d, %v", output, code, err)
	}
	if _, _, err := c.Run(t.Context(), "u", "a", []string{"refused"}); err == nil || !strings.Contains(err.Error(), "it does not run") {
		t.Error(err)
	}
	if _, _, err := c.Run(t.Context(), "u", "a", []string{"cut"}); !errdefs.IsUnavailable(err) {
		t.Errorf("without an exit code: %v", err)
	}
}

// A session is handed on with the client's own token and without the credentials of its caller.
func TestSession(t *testing.T) {
	var asked *http.Request
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r
		if r.URL.Query().Get("container") == "none" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errors":[{"detail":"no such container"}]}`)
			return
		}
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "SPDY/3.1")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		line, _ := rw.ReadString('\n')
		_, _ = io.WriteString(conn, "you said "+line)
	})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.Session(w, r, "u", "exec", url.Values{"container": {r.URL.Query().Get("c")}, "command": {"a b", "&"}})
	}))
	defer front.Close()
	open := func(container string) (*http.Response, *bufio.Reader, net.Conn) {
		t.Helper()
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = fmt.Fprintf(conn, "POST /?c=%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nAuthorization: Bearer callers\r\n"+
			"Cookie: callers\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n\r\n", container)
		r := bufio.NewReader(conn)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp, r, conn
	}
	resp, r, conn := open("a")
	defer resp.Body.Close()
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := r.ReadString('\n'); resp.StatusCode != http.StatusSwitchingProtocols || line != "you said hello\n" {
		t.Errorf("%s, %q, %v", resp.Status, line, err)
	}
	if got := asked.URL.String(); got != "/v1/capsules/u/exec?command=a+b&command=%26&container=a" {
		t.Error(got)
	}
	if h := asked.Header; h.Get("Authorization") != "" || h.Get("Cookie") != "" || h.Get("X-Stream-Protocol-Version") != "v4.channel.k8s.io" {
		t.Errorf("passed on: %v", h)
	}
	resp, _, _ = open("none")
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusNotFound || string(b) != "no such container" {
		t.Errorf("%s, %q", resp.Status, b)
	}
}
