package zunserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/container/v1/capsules"

	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/notify"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// What happens while the receiver is away, or the server, is told when both are back.
func TestNotifications(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	away, tried, told := true, false, map[string][]string{}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m notify.Message
		err := json.NewDecoder(r.Body).Decode(&m)
		mu.Lock()
		defer mu.Unlock()
		if tried = true; err != nil || away {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		told[m.Payload.Data.UUID] = append(told[m.Payload.Data.UUID], m.EventType)
	}))
	defer hook.Close()
	s := &server{t: t, hosts: map[string]*fake.Host{"h1": fake.New(fake.Config{Name: "h1", Instance: "test"})}}
	s.hosts["h1"].AddImage("app", fake.Behaviour{})
	cfg := config(t, s.hosts)
	cfg.Notifications = []notify.Target{{URL: hook.URL}}
	run := func() (stop func()) {
		var err error
		if s.srv, err = zunserver.New(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.srv.Run(ctx) }()
		web := httptest.NewServer(s.srv.Handler())
		s.url = web.URL
		s.zun = &gophercloud.ServiceClient{
			ProviderClient: &gophercloud.ProviderClient{TokenID: token}, Endpoint: s.url + "/v1/", Type: "container", Microversion: "1.32",
		}
		return func() {
			web.Close()
			cancel()
			if err := errors.Join(<-ended, s.srv.Close()); err != nil {
				t.Errorf("the server ended with: %v", err)
			}
		}
	}
	stop := run()
	// A target that is new is told of what comes after it was seen first.
	s.until("the target is told", func() bool {
		s.running(s.create())
		mu.Lock()
		defer mu.Unlock()
		return tried
	})
	second := s.create()
	s.running(second)
	stop()
	mu.Lock()
	away = false
	mu.Unlock()
	defer run()()
	if err := capsules.Delete(t.Context(), s.zun, second).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	list := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told[second])
	}
	s.until("the end is told", func() bool { return slices.Contains(list(), "capsule.delete.end") })
	got := strings.Join(slices.Compact(list()), " ")
	for _, want := range []string{"capsule.create.end", "capsule.schedule.end", "capsule.container_start.end", "capsule.start.end", "capsule.delete.start",
		"capsule.delete.end"} {
		before, after, ok := strings.Cut(got, want)
		if !ok {
			t.Errorf("%s is missing after %q", want, before)
		}
		got = after
	}
}
