package resources

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/provider/zun"
)

// serve answers with what answer writes, and returns a client and what was asked last.
func serve(t *testing.T, answer http.HandlerFunc) (Client, *string) {
	t.Helper()
	asked := new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = strings.TrimSpace(r.Method + " " + r.URL.String() + " " + string(body))
		if got := r.Header.Get("OpenStack-API-Version"); got != "container latest" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("%s: version %q, accept %q", *asked, got, r.Header.Get("Accept"))
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	api, err := zun.New(zun.Config{Endpoint: server.URL, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return Of(api), asked
}

// TestPages: a list has all pages; of next only the query counts, whatever address the server has for itself.
func TestPages(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("marker") {
		case "":
			fmt.Fprint(w, `{"containers":[{"uuid":"1"},{"uuid":"2","memory":null,"addresses":null,"command":null}],"next":"http://inside.example/v1/containers/?limit=2&name=web&marker=2"}`)
		case "2":
			if r.URL.Query().Get("name") != "web" {
				t.Errorf("second page: %s", r.URL)
			}
			fmt.Fprint(w, `{"containers":[{"uuid":"3"}],"next":null}`)
		}
	})
	all, err := c.Containers(t.Context(), Query{"name": "web", "image": ""})
	if err != nil || len(all) != 3 || all[2].UUID != "3" {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestPagesThatNeverEnd: a page without items is the last one.
func TestPagesThatNeverEnd(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"containers":[],"next":"http://h/v1/containers?marker=1"}`)
	})
	if all, err := c.Containers(t.Context(), nil); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

// TestRequests: each method asks as Zun has it.
func TestRequests(t *testing.T) {
	answers := map[string]string{}
	c, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if text := answers[r.Method+" "+r.URL.Path]; text != "" {
			fmt.Fprint(w, text)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	ctx := t.Context()
	answers["GET /v1/quotas/p"] = `{"cpu":{"limit":20,"in_use":1.5},"memory":-1}`
	answers["POST /v1/registries"] = `{"registry":{"uuid":"r","password":"***"}}`
	answers["POST /v1/containers"] = `{"uuid":"u","restart_policy":{"Name":"no","MaximumRetryCount":"0"},"ports":[80],"healthcheck":{"retries":3}}`
	answers["POST /v1/containers/c/execute"] = `{"output":"hi","exit_code":3,"exec_id":null,"token":null}`
	answers["GET /v1/containers/c/logs"] = `"a\nb\n"`
	answers["GET /v1/images/library/web/search"] = `[{"id":"1","name":"library/web","tags":["a"],"size":7}]`
	for _, row := range []struct {
		do   func() (any, error)
		asks string
		want string
	}{
		{func() (any, error) { return c.Quota(ctx, "p", true) }, "GET /v1/quotas/p?usages=True", `{"cpu":{"in_use":1.5,"limit":20},"memory":-1}`},
		{func() (any, error) {
			return c.CreateContainer(ctx, NewContainer{Image: "i", ExposedPorts: map[string]Exposed{"80/tcp": {HostPort: 8080}}}, true)
		}, `POST /v1/containers?run=true {"image":"i","exposed_ports":{"80/tcp":{"hostPort":8080}}}`, `"uuid":"u"`},
		{func() (any, error) { return nil, c.Act(ctx, "c", "stop", Query{"timeout": "3"}) }, "POST /v1/containers/c/stop?timeout=3", "null"},
		{func() (any, error) { return nil, c.DeleteContainer(ctx, "a/b", Query{"stop": "True"}) }, "DELETE /v1/containers/a%2Fb?stop=True", "null"},
		{func() (any, error) { return c.Logs(ctx, "c", nil) }, "GET /v1/containers/c/logs", `"a\nb\n"`},
		{func() (any, error) { return c.Execute(ctx, "c", "ls 'a b'", false) },
			"POST /v1/containers/c/execute?command=ls+%27a+b%27&interactive=false&run=true", `"exit_code":3`},
		{func() (any, error) {
			return c.CreateRegistry(ctx, map[string]string{"domain": "d", "password": "p"})
		}, `POST /v1/registries {"registry":{"domain":"d","password":"p"}}`, `"uuid":"r"`},
		{func() (any, error) {
			return nil, c.ChangeService(ctx, "disable", Query{"host": "h", "binary": "zun-compute", "disabled_reason": "disk"})
		}, "PUT /v1/services/disable?binary=zun-compute&disabled_reason=disk&host=h", "null"},
		{func() (any, error) { return c.SearchImages(ctx, "library/web", nil) }, "GET /v1/images/library%2Fweb/search", `"name":"library/web"`},
		{func() (any, error) { return nil, c.Resize(ctx, "c", "e", 80, 24) }, "POST /v1/containers/c/execute_resize?exec_id=e&h=24&w=80", "null"},
	} {
		got, err := row.do()
		text, _ := json.Marshal(got)
		if err != nil || *asked != row.asks || !strings.Contains(string(text), row.want) {
			t.Errorf("asked %s, want %s\ngot %s, %v, want %s", *asked, row.asks, text, err, row.want)
		}
	}
}

func TestErrors(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"errors":[{"detail":"Quota exceeded for resources: cpu"}]}`)
	})
	_, err := c.CreateContainer(t.Context(), NewContainer{Image: "i"}, false)
	if !errdefs.IsPermissionDenied(err) || !strings.Contains(err.Error(), "Quota exceeded for resources: cpu") {
		t.Errorf("%v", err)
	}
}
