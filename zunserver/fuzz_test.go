package zunserver_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// seeds are queries and bodies that handlers know, for the fuzzer to break.
var seeds = []struct{ query, body string }{
	{"", ""},
	{"", "null"},
	{"", "[]"},
	{"", `{"template":`},
	{"", `{"template":{"kind":"capsule","metadata":{"name":"f"},"spec":{"containers":[{"image":"app"}]}}}`},
	{"", `{"template":"kind: capsule\nmetadata: {name: f}\nspec: {containers: [{image: app}]}"}`},
	{"run=true", `{"name":"f","image":"app","command":["sleep"],"cpu":0.1,"memory":"64","environment":{"A":"b"},"labels":{"a":"b"},"interactive":true,"tty":true}`},
	{"", `{"image":"app","mounts":[{"type":"bind","source":"eA==","destination":"/f"}],"nets":[{"network":"bridge"}],"restart_policy":{"Name":"on-failure","MaximumRetryCount":"3"},"exposed_ports":{"80/tcp":{}},"healthcheck":{"cmd":"x","interval":"1s"}}`},
	{"", `{"name":"f","image":7,"command":{},"cpu":"x","memory":-1,"hints":[]}`},
	{"", `{"registry":{"name":"r","domain":"d.example","username":"u","password":"p"}}`},
	{"", `{"name":"n","neutron_net_id":"x"}`},
	{"", `{"containers":7,"memory":1,"cpu":1,"disk":-1}`},
	{"", `{"repo":"app","host":"a"}`},
	{"limit=0&sort_key=nothing&sort_dir=up&marker=x", ""},
	{"limit=1&all_projects=true&name=f&status=Running", ""},
	{"host=a&binary=zun-compute&disabled_reason=x&forced_down=true", ""},
	{"path=/tmp&ps_args=aux&signal=KILL&timeout=1&w=1&h=2&exec_id=x&command=\"env\"&run=true&interactive=false", `{"data":"eA=="}`},
	{"network=bridge&port=&fixed_ip=1.2.3.4&name=default&repository=r/f&tag=t&image=app", ""},
	{"stdout=true&stderr=1&timestamps=maybe&tail=-1&since=yesterday&follow=false&container=f", ""},
	{"watch=true&since=99999999999", ""},
	{"%zz&;=;&a=%00", "\x00"},
}

// operations are the methods and paths of the OpenAPI document, in a fixed order.
func operations(f testing.TB, h http.Handler) (all [][2]string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	var doc struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		f.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
			all = append(all, [2]string{strings.ToUpper(method), path})
		}
	}
	return all
}

// Whatever is sent to a route, the server has an answer for it that is not a fault of its own.
func FuzzRoutes(f *testing.F) {
	hosts := map[string]*fake.Host{"a": fake.New(fake.Config{Name: "a", Instance: "test"})}
	hosts["a"].AddImage("app", fake.Behaviour{Stdout: []string{"hello"}})
	srv, err := zunserver.New(f.Context(), config(f, hosts))
	if err != nil {
		f.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(f.Context()))
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	f.Cleanup(func() {
		stop()
		<-ended
		_ = srv.Close()
	})
	h := srv.Handler()
	all := operations(f, h)
	if len(all) < 60 {
		f.Fatalf("only %d operations", len(all))
	}
	for i := range all {
		for j, s := range seeds {
			f.Add(uint16(i), "f", s.query, s.body, uint8(1+(7*j+i)%40), j%3 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, route uint16, id, query, body string, minor uint8, native bool) {
		op := all[int(route)%len(all)]
		path := op[1]
		for strings.Contains(path, "{") {
			begin, end := strings.Index(path, "{"), strings.Index(path, "}")
			path = path[:begin] + strings.ReplaceAll(id, "{", "") + path[end+1:]
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r := httptest.NewRequest(op[0], "/", strings.NewReader(body)).WithContext(ctx)
		r.URL.Path, r.URL.RawQuery = path, query
		if strings.Contains(query, "watch") || strings.Contains(query, "follow") {
			cancel() // it would go on until the caller leaves
		}
		r.Header.Set("X-Auth-Token", srv.LocalToken())
		r.Header.Set("OpenStack-API-Version", "container 1."+strconv.Itoa(int(minor)%42))
		r.Header.Set("Content-Type", "application/json")
		if native {
			r.Header.Set("Accept", "application/vnd.capsulet+json")
		}
		w := httptest.NewRecorder()
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // it is panicked as it is
				t.Fatalf("%s %s?%s: %v", op[0], path, query, p)
			}
		}()
		h.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError && ctx.Err() == nil {
			t.Errorf("%s %s?%s: %d %s\n%q", op[0], path, query, w.Code, w.Body, body)
		}
	})
}
